"""The trail's record of a request, written out: each fact by its name, and none of them longer than its bound."""

from typing import Any

import pytest

from vpsops.core.changes.audit_entries import asked_for, not_allowed, requested, worded
from vpsops.core.changes.preview import Preview
from vpsops.core.changes.requests import Request
from vpsops.core.common.errors import NotAllowedError
from vpsops.core.identity.actors import Actor, ActorKind, Origin
from vpsops.core.operations import OPERATIONS
from vpsops.core.operations.target import Target
from vpsops.core.policy.decision import Decision, Ruling

ANN = Actor(ActorKind.AGENT, "mcp:ann", "helper", "slack:U1")
WHO = {"kind": "agent", "id": "mcp:ann", "name": "helper", "human": "slack:U1", "claimed": True}


def asking(**arguments: Any) -> Request:
    return Request("stop", arguments, ANN, Origin("slack", "T1", "C1", "1.2"), reason=" why\x07 ")


def test_a_decided_request_is_kept_with_all_that_was_shown_and_decided() -> None:
    """Who, from where, what, on what, at what price, by which rules of which policy."""
    seen = Preview("stop", {"server": "s1"}, Target("s1", "web01", "running", "oslo"), cost="9 NOK a month")
    ruling = Ruling(Decision.APPROVE, rules=("agents", "stops"), votes=2, policy="pol_1")
    assert requested(asking(server="web"), seen, ruling) == {
        "actor": WHO,
        "origin": "slack",
        "team": "T1",
        "channel": "C1",
        "operation": "stop",
        "arguments": {"server": "s1"},
        "target": {"id": "s1", "hostname": "web01", "state": "running"},
        "cost": "9 NOK a month",
        "reason": "why",
        "decision": "approve",
        "rules": ["agents", "stops"],
        "policy": "pol_1",
        "votes": 2,
        "approvers": [[]],
        "digest": seen.digest("pol_1"),
    }


def test_a_request_that_was_not_looked_at_is_kept_as_it_was_asked() -> None:
    """The record omits the keys requested for a server."""
    assert asked_for(asking(server="web\x00", ssh_keys=["ssh-ed25519 A"], limit=3)) == {
        "actor": WHO,
        "origin": "slack",
        "team": "T1",
        "channel": "C1",
        "operation": "stop",
        "arguments": {"server": "web", "limit": "3"},
        "reason": "why",
    }


def test_what_is_kept_of_arguments_is_bounded() -> None:
    """Twelve of them, names of sixty characters, values of five hundred."""
    kept = asked_for(asking(**{f"{number:03}{'n' * 58}": "v" * 501 for number in range(13)}))["arguments"]
    assert (len(kept), {len(name) for name in kept}, {len(value) for value in kept.values()}) == (12, {60}, {500})
    fits = {f"{number:03}{'n' * 57}": "v" * 500 for number in range(12)}
    assert asked_for(asking(**fits))["arguments"] == fits


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("x" * 500, "x" * 500),
        ("x" * 501, "x" * 499 + "…"),
        ("a\nb", "a\nb"),
        (" a\tb\u202e\x00 ", "a\tb"),
        ("a\r\nb", "a \nb"),
        ("a\ud800b", "ab"),
    ],
)
def test_words_are_kept_without_what_cannot_be_seen(text: str, kept: str) -> None:
    """Five hundred characters of them; lines stay."""
    assert worded(text) == kept


@pytest.mark.parametrize(("team", "more"), [("", {}), ("T1", {"team": "T1"})])
def test_a_decision_of_somebody_who_may_not_is_kept_with_its_id(team: str, more: dict[str, str]) -> None:
    """The record has the change, the reason of the refusal, and the id that the person got."""
    error = NotAllowedError("You may\x07 not.")
    assert not_allowed("c" * 61, ANN, team, error) == {
        "by": WHO,
        "about": "c" * 60,
        "why": "You may not.",
        "error": error.error_id,
        **more,
    }


def test_every_operation_that_alters_says_what_it_is_and_when_it_is_done() -> None:
    """These, each with an end that can be seen; reads have none, and no effect."""
    altering = {name: operation for name, operation in OPERATIONS.items() if not operation.reads}
    assert {name: operation.risk.value for name, operation in altering.items()} == {
        "create": "change",
        "start": "change",
        "stop": "disruptive",
        "reboot": "disruptive",
        "delete": "destructive",
        "rename": "change",
        "label": "change",
        "resize": "disruptive",
        "snapshot_create": "change",
        "snapshot_delete": "destructive",
        "snapshot_rollback": "destructive",
        "backup_create": "change",
        "backup_delete": "destructive",
        "backup_restore": "destructive",
        "backup_policy_set": "change",
        "backup_policy_remove": "disruptive",
        "firewall_allow": "disruptive",
        "firewall_remove": "disruptive",
    }
    assert all(operation.effect for operation in altering.values())
    assert all(operation.settled or operation.inspect or operation.removes for operation in altering.values())
    assert all(
        operation.settled is None and operation.inspect is None for operation in OPERATIONS.values() if operation.reads
    )
