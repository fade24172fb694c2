"""Words after a command become the arguments of any operation, by their kinds, or are refused."""

from typing import Annotated, Any

import pytest

from vpsops.bot.commands.argument_parser import ArgumentsError, parse_arguments
from vpsops.core.operations import Operation, Risk
from vpsops.core.operations.arguments import ArgumentKind as K
from vpsops.core.operations.arguments import Arguments, ArgumentSpec
from vpsops.core.operations.registry import ServerArguments
from vpsops.core.wayscloud.answers.models import AcceptedOperation


class Nested(ServerArguments):
    """Something that a server has."""

    snapshot: Annotated[str, ArgumentSpec(K.SNAPSHOT, "Snapshot")]


class Scheduled(ServerArguments):
    """A schedule."""

    often: Annotated[str, ArgumentSpec(K.CHOICE, "Schedule", choices=("daily", "weekly"))]
    time: Annotated[str, ArgumentSpec(K.SCHEDULE, "Time")]
    retention_days: Annotated[int | None, ArgumentSpec(K.NUMBER, "Kept", word="keep")] = None


class Named(ServerArguments):
    """A name in free text."""

    name: Annotated[str, ArgumentSpec(K.TEXT, "Name")]


class Labelled(ServerArguments):
    """Labels."""

    labels: Annotated[tuple[str, ...], ArgumentSpec(K.LABELS, "Labels")]


async def _run(*_: Any) -> AcceptedOperation:
    raise AssertionError("only the words are read")


def operation(arguments: type[Arguments]) -> Operation:
    """Make an operation of these arguments."""
    return Operation("x", "X.", "X.", Risk.CHANGE, arguments, AcceptedOperation, _run)


@pytest.mark.parametrize(
    ("arguments", "words", "values"),
    [
        (Nested, "web01 before", {"server": "web01", "snapshot": "before"}),
        (Nested, "snapshot=before web01", {"server": "web01", "snapshot": "before"}),
        (Nested, "server:web01 before", {"server": "web01", "snapshot": "before"}),
        (Nested, "web01 snapshot", {"server": "web01", "snapshot": "snapshot"}),
        (
            Scheduled,
            "web01 daily 03:00 keep 14",
            {"server": "web01", "often": "daily", "time": "03:00", "retention_days": "14"},
        ),
        (Scheduled, "web01 daily 03:00", {"server": "web01", "often": "daily", "time": "03:00"}),
        (
            Scheduled,
            "web01 keep=7 weekly 03:00",
            {"server": "web01", "often": "weekly", "time": "03:00", "retention_days": "7"},
        ),
        (Named, "web01 Web, main one", {"server": "web01", "name": "Web, main one"}),
        (Labelled, "web01 team=shop -old", {"server": "web01", "labels": ["team=shop", "-old"]}),
    ],
)
def test_words_become_arguments(arguments: type[Arguments], words: str, values: dict[str, object]) -> None:
    """The required ones in order, any by its word, free text and labels to the end."""
    assert parse_arguments(operation(arguments), words.split()) == values


@pytest.mark.parametrize(
    ("arguments", "words", "problem"),
    [
        (Nested, "", "server"),
        (Nested, "web01", "snapshot"),
        (Nested, "web01 a b", "Unexpected word 'b'"),
        (Nested, "web01 a snapshot=b", "twice"),
        (Scheduled, "web01 daily", "time"),
        (Scheduled, "web01 daily 03:00 keep 14 15", "Unexpected word '15'"),
    ],
)
def test_what_cannot_be_read_is_refused(arguments: type[Arguments], words: str, problem: str) -> None:
    """Nothing is guessed, and the text says what is missing or too much."""
    with pytest.raises(ArgumentsError, match=problem):
        parse_arguments(operation(arguments), words.split())
