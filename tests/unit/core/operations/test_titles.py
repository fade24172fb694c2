"""Titles of operations: an order in plain English, with the server where it belongs."""

import re

import pytest

from tests.unit.bot.changes_in_every_state import change
from vpsops.bot.blocks.labels import MAX_BUTTON_TEXT, action_label, action_verb, change_title
from vpsops.cli.operations.question import action
from vpsops.core.operations import OPERATIONS, Operation
from vpsops.core.operations.registry import DANGLING
from vpsops.core.operations.traits import action_of, plan_of, title_of
from vpsops.mcp_server.presenters.changes import subject, title
from vpsops.mcp_server.protocol.elicitation import form_text

ORDERS = frozenset(
    [
        "List",
        "Show",
        "Start",
        "Stop",
        "Reboot",
        "Create",
        "Delete",
        "Rename",
        "Resize",
        "Change",
        "Allow",
        "Remove",
        "Download",
        "Make",
        "Restore",
        "Set",
        "Take",
        "Roll",
    ]
)
ENTRIES = [pytest.param(operation, id=name) for name, operation in OPERATIONS.items()]
NAME = "web01.example.com"


@pytest.mark.parametrize("operation", ENTRIES)
def test_a_title_is_an_order_with_the_server_in_it(operation: Operation) -> None:
    """It begins with a verb; one about a server, there or to be made, names it once, at the end."""
    words = operation.titled(NAME)
    assert words.split()[0] in ORDERS
    assert not re.search(r"[_{}]", words)
    named = operation.takes_server or operation.makes_server
    assert words.count(NAME) == named
    assert words.endswith(NAME) is named
    assert not DANGLING.search(operation.action)
    assert operation.reads or operation.titled("").strip().startswith(operation.action)


@pytest.mark.parametrize("operation", ENTRIES)
def test_front_ends_show_the_title(operation: Operation) -> None:
    """Cards, fallback texts, the terminal, a client's form and MCP results say the same."""
    if operation.reads:
        return
    asked = change(operation=operation.name)
    server = asked.target.hostname
    words = operation.titled(server)
    assert change_title(asked).startswith(("🟡", "⚪", "🔵"))
    assert words in change_title(asked)
    assert action(asked) == words
    assert form_text(asked).startswith(words)
    assert title(asked) in {words, f"{operation.action} of {server}"}
    assert subject(asked) in {f"{words}:", f"{operation.action} of {server}"}
    assert action_verb(operation.name) == operation.action
    assert len(action_label(operation.name, "a" * 253)) <= MAX_BUTTON_TEXT


def test_no_two_titles_are_alike() -> None:
    """What is shown tells one operation from another."""
    assert len({operation.titled(NAME) for operation in OPERATIONS.values()}) == len(OPERATIONS)


def test_an_operation_of_another_version_is_named_by_its_words() -> None:
    """Its change is shown all the same."""
    assert title_of("disk_attach", NAME) == f"Disk attach {NAME}"
    assert action_of("disk_attach") == "Disk attach"


@pytest.mark.parametrize(
    "operation", [entry for entry in OPERATIONS.values() if entry.plannable], ids=lambda entry: entry.name
)
def test_the_effect_of_a_plan_is_said_of_each_server(operation: Operation) -> None:
    """A card about five servers does not say what happens to "the server"."""
    words = plan_of(operation).effect.removeprefix("For each server: ")
    assert words != plan_of(operation).effect
    assert words[0].islower()
    assert words.casefold() == operation.effect.casefold()
