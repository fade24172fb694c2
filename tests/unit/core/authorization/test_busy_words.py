"""What is in the way of another change is named as its card names it, in plain English."""

import pytest

from tests.unit.core.sample import change
from vpsops.core.authorization.refusals import busy_refusal
from vpsops.core.changes.model import State
from vpsops.core.identity.actors import Actor, ActorKind

BOB = Actor(ActorKind.PERSON, "U2", "bob", "U2")


@pytest.mark.parametrize(
    ("operation", "words"),
    [
        ("stop", "stop of web01.example.com"),
        ("snapshot_create", "request (Take a snapshot of web01.example.com)"),
        ("firewall_allow", "request (Allow traffic to web01.example.com)"),
        ("defrost_disk", "request (Defrost disk web01.example.com)"),
    ],
)
def test_a_change_in_the_way_is_named_as_on_its_card(operation: str, words: str) -> None:
    """One of a newer version by its stored name; its own asker reads `your`."""
    first = change(operation, State.WATCHING)
    assert busy_refusal(first, BOB, "slack").reason.startswith(f"The {words}, requested by ")
    assert busy_refusal(first, first.actor, "mcp").reason.startswith(f"Your {words} ")
