"""The words of `/vps runbook`: a name, values and a time; what is unclear is asked about."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vpsops.bot.commands.parser import ShowChanges, UnclearCommand, parse_command
from vpsops.bot.commands.runbook_parser import RunRunbook


@pytest.mark.parametrize(
    ("text", "command"),
    [
        ("runbook", ShowChanges("runbooks")),
        ("runbooks", ShowChanges("runbooks")),
        ("runbook grow", RunRunbook("grow")),
        (
            "runbook Grow servers=web01,web02 plan=vps-8gb-4cpu because more traffic",
            RunRunbook("grow", {"servers": "web01,web02", "plan": "vps-8gb-4cpu"}, "more traffic"),
        ),
        ('runbook grow servers="web01 web*"', RunRunbook("grow", {"servers": "web01 web*"})),
        ("runbook grow servers=state:running", RunRunbook("grow", {"servers": "state:running"})),
        ("runbook grow servers=web01 in 2h", RunRunbook("grow", {"servers": "web01"}, later="in 2h")),
    ],
)
def test_the_words_of_a_request(text: str, command: object) -> None:
    """A value is all behind its sign; the time comes last."""
    assert parse_command(text) == command


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("runbook grow web01", "'web01' is no value of an argument."),
        ("runbook grow servers=a servers=b", "servers is there twice."),
        ("runbook grow servers=a at noonish", "'at' is no value of an argument."),
    ],
)
def test_what_is_unclear_is_asked_about(text: str, message: str) -> None:
    """The answer has the syntax."""
    command = parse_command(text)
    assert isinstance(command, UnclearCommand)
    assert command.message == message
    assert "/vps runbook [NAME [ARGUMENT=VALUE]..." in command.hint


@given(st.lists(st.sampled_from(["grow", "servers=web01", "in", "2h", "at", "x", "=", "a=", "“", "`web01`"])))
def test_any_words_are_a_request_a_list_or_a_question(words: list[str]) -> None:
    """A request has a name."""
    command = parse_command(" ".join(["runbook", *words]))
    assert isinstance(command, RunRunbook | ShowChanges | UnclearCommand)
    assert not isinstance(command, RunRunbook) or command.name
