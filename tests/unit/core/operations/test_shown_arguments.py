"""What a change is asked with is what people read and what is hashed: every argument of every entry of the registry."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

import anyio
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.fakes.clock import START
from tests.fakes.slack_bot import words_of
from tests.fakes.timing import QUICK
from tests.harness.profiles import examples
from tests.unit.core.harness import AGENT
from tests.unit.core.operations.drawn_arguments import (
    Values,
    arguments_with,
    draw_altered,
    draw_values,
    provider_for,
    words_for,
)
from vpsops.bot.messages.change_card import change_card
from vpsops.cli.operations.question import action, question_facts
from vpsops.core.changes.model import Change
from vpsops.core.changes.preview import preview_stored
from vpsops.core.changes.requests import Request
from vpsops.core.identity.actors import Origin
from vpsops.core.operations import OPERATIONS
from vpsops.core.operations.arguments import ArgumentKind, arguments_of
from vpsops.core.policy.decision import Decision, Ruling
from vpsops.core.service.change_store import new_change
from vpsops.mcp_server.protocol.elicitation import form_text

CHANGING: Final = [operation for operation in OPERATIONS.values() if not operation.reads]
ARGUMENTS: Final = [
    pytest.param(operation.name, argument.name, id=f"{operation.name}-{argument.name}")
    for operation in CHANGING
    for argument in arguments_of(operation.arguments)
]
RULING: Final = Ruling(Decision.APPROVE, votes=1, policy="p1")
ALIKE: Final = "0" * 64


@dataclass(frozen=True, slots=True)
class AskedChange:
    """A change as it is put to people, in each place, and what their answer is bound to."""

    places: Mapping[str, str]
    digest: str


async def changes_for(name: str, cases: list[Values]) -> list[Change]:
    """Return the changes that requests with these arguments become, on one account."""
    operation = OPERATIONS[name]
    made = []
    async with provider_for(operation, cases).client() as api:
        for values in cases:
            stored = arguments_with(name, values).model_dump(mode="json", exclude_none=True)
            seen = await preview_stored(api, operation, stored)
            request = Request(name, stored, AGENT, Origin("mcp"), reason="A test.")
            made.append(replace(new_change(operation, request, seen, RULING, START, QUICK), id="chg_1"))
    return made


def question_of(change: Change) -> AskedChange:
    """Return the question about a change; the places are drawn with one digest, so that it makes no difference."""
    alike = replace(change, digest=ALIKE)
    terminal = [action(alike), *(f"{label}: {value}" for label, value in question_facts(alike))]
    places = {
        "card": " ".join(words_of(list(change_card(alike, START).blocks))),
        "question": form_text(alike),
        "terminal": "\n".join(terminal),
    }
    return AskedChange(places, change.digest)


def asked(name: str, *cases: Values) -> list[AskedChange]:
    """Return the questions about requests with these arguments."""
    return [question_of(change) for change in anyio.run(changes_for, name, list(cases))]


@pytest.mark.parametrize("name", [operation.name for operation in CHANGING])
@given(st.data())
@settings(max_examples=examples(4))
@pytest.mark.requirement("arguments-are-shown")
def test_each_argument_is_read_wherever_it_is_decided(name: str, data: st.DataObject) -> None:
    """Its value is on the card, in the question of a client and at the terminal."""
    operation = OPERATIONS[name]
    values = draw_values(data, operation)
    (question,) = asked(name, values)
    missing = [
        (place, argument.name, word)
        for argument in arguments_of(operation.arguments)
        if argument.name in values and argument.spec.kind is not ArgumentKind.SECRET
        for word in words_for(argument, values[argument.name])
        for place, text in question.places.items()
        if word not in text
    ]
    assert missing == []


@pytest.mark.parametrize(("name", "argument"), ARGUMENTS)
@given(st.data())
@settings(max_examples=examples(3))
@pytest.mark.requirement("arguments-are-shown")
def test_altering_an_argument_alters_all_that_is_asked(name: str, argument: str, data: st.DataObject) -> None:
    """Card, question, terminal and digest: requests that differ never look alike, and no answer is good for both."""
    operation = OPERATIONS[name]
    values: dict[str, Any] = draw_values(data, operation)
    before, after = asked(name, values, draw_altered(data, operation, values, argument))
    same = [place for place, text in before.places.items() if text == after.places[place]]
    assert same == []
    assert before.digest != after.digest
