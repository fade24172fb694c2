"""What is shown of a change is what is hashed: each fact is on card, form, question and result, and in the digest."""

import ast
import inspect
import textwrap
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.fakes.clock import START
from tests.fakes.slack_bot import words_of
from tests.harness.profiles import examples
from tests.unit.core.sample import change
from vpsops.bot.messages.change_card import change_card
from vpsops.bot.views.modals import name_view, note_view
from vpsops.core.changes.model import Change, State, digest_of, shown_facts
from vpsops.core.changes.serialization import facts_of
from vpsops.core.operations import OPERATIONS
from vpsops.core.operations.arguments import arguments_of
from vpsops.core.operations.facts import Fact
from vpsops.mcp_server.presenters.changes import change_text
from vpsops.mcp_server.protocol.elicitation import form_text

words = st.text("abcdefgh0123456789", min_size=3, max_size=200)
facts = st.lists(st.builds(Fact, words, words), min_size=1, max_size=6, unique_by=lambda fact: fact.label)
CHANGING = [name for name, operation in OPERATIONS.items() if not operation.reads]


def held(operation: str, shown: list[Fact]) -> Change:
    """Return a held change with these facts."""
    return change(operation, State.HELD, facts=tuple(shown), sent_at=None)


@pytest.mark.parametrize("operation", CHANGING)
@given(facts)
@settings(max_examples=examples(8))
@pytest.mark.requirement("facts-are-shown")
def test_each_fact_is_shown_wherever_it_is_decided(operation: str, shown: list[Fact]) -> None:
    """No label and no value is missing on the card, in a form, in the question or in the answer to a model."""
    asked = held(operation, shown)
    places = {
        "card": " ".join(words_of(list(change_card(asked, START).blocks))),
        "name form": " ".join(words_of(name_view(asked, {}))),
        "note form": " ".join(words_of(note_view(asked, {}))),
        "question": form_text(asked),
        "result": change_text(asked, tools=True),
    }
    missing = [(place, fact) for place, text in places.items() for fact in shown if not _holds(text, fact)]
    assert missing == []


def _holds(text: str, fact: Fact) -> bool:
    return fact.label in text and fact.value in text


@given(facts, st.data())
@settings(max_examples=examples(30))
@pytest.mark.requirement("facts-are-shown")
def test_altering_a_fact_alters_the_digest(shown: list[Fact], data: st.DataObject) -> None:
    """Another value, another label, another order, one less or one more is another digest; a row keeps all of them."""
    at = data.draw(st.integers(0, len(shown) - 1))
    altered = {
        (*shown[:at], replace(shown[at], value=f"{shown[at].value}x"), *shown[at + 1 :]),
        (*shown[:at], replace(shown[at], label=f"{shown[at].label}x"), *shown[at + 1 :]),
        (*shown[:at], *shown[at + 1 :]),
        (*shown, Fact("more", "x")),
    }
    assert _digest(tuple(shown)) not in {_digest(other) for other in altered}
    assert facts_of([[fact.label, fact.value] for fact in shown]) == tuple(shown)


def _digest(shown: tuple[Fact, ...]) -> str:
    asked = change("stop")
    return digest_of(asked.operation, asked.arguments, asked.target, shown_facts("", shown), "p1")


@pytest.mark.parametrize("operation", [name for name in CHANGING if not OPERATIONS[name].makes_server])
def test_each_argument_is_among_the_facts(operation: str) -> None:
    """What describes a change reads every argument but the server, which is shown by itself."""
    entry = OPERATIONS[operation]
    arguments = {argument.name for argument in arguments_of(entry.arguments)} - {"server"}
    source = textwrap.dedent(inspect.getsource(inspect.getmodule(entry.describe) or entry.describe))
    reads = {node.attr for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Attribute)}
    assert arguments <= reads
