"""The table of a grant's states, and whether a grant holds, without a database."""

from dataclasses import replace
from datetime import timedelta
from itertools import product
from typing import Any

import pytest

from tests.fakes.clock import START
from tests.unit.core.harness import AGENT, VOTERS
from tests.unit.core.sample import change
from vpsops.core.changes.model import GrantWish, IllegalStepError, Verdict, Vote
from vpsops.core.grants.model import (
    STEPS,
    Grant,
    GrantExtent,
    GrantState,
    check_step,
    common_extent,
    ended_text,
    misfit,
    mismatch,
    new_grant,
)
from vpsops.core.identity.actors import Approvers
from vpsops.core.operations.target import Target
from vpsops.core.policy.decision import Decision, GrantTerms, Ruling

OPS = Approvers(groups=("S_OPS",))
TERMS = GrantTerms(7200.0, 3, ("web*",))
RULING = Ruling(Decision.APPROVE, ("agents",), 1, OPS, policy="pol_1", requirements=(OPS,), grant_terms=TERMS)
SOURCE = change("reboot", ruling=RULING, arguments={"server": "s1"})
WEB02 = Target("s2", "web02.example.com", "running")


def grant(**more: Any) -> Grant:
    """Return an open grant for web01."""
    return replace(new_grant("gr_1", SOURCE, GrantExtent(3600.0, ()), START), **more)


def vote(wish: GrantWish | None, verdict: Verdict = Verdict.APPROVE) -> Vote:
    """Return a vote with a wish."""
    return Vote(VOTERS[0], verdict, "", "", START, wish)


@pytest.mark.parametrize(("before", "after"), list(product(GrantState, GrantState)))
def test_only_an_open_grant_takes_a_step(before: GrantState, after: GrantState) -> None:
    """Every other state is an end."""
    if before is GrantState.OPEN:
        check_step(before, after)
        return
    assert not STEPS[before]
    with pytest.raises(IllegalStepError):
        check_step(before, after)


@pytest.mark.parametrize(
    ("wishes", "expected"),
    [
        ([], None),
        ([None], None),
        ([GrantWish(60.0)], GrantExtent(60.0, ())),
        ([GrantWish(60.0, on_rule=True)], GrantExtent(60.0, ("web*",))),
        ([GrantWish(60.0, on_rule=True), GrantWish(30.0)], GrantExtent(30.0, ())),
        ([GrantWish(60.0), None], None),
        ([GrantWish(7200.0)], GrantExtent(7200.0, ())),
        ([GrantWish(7201.0)], None),
    ],
)
def test_what_the_votes_grant_together(wishes: list[GrantWish | None], expected: GrantExtent | None) -> None:
    """All of them have to; the least holds, and a stored wish beyond the cap grants nothing."""
    assert common_extent(replace(SOURCE, votes=tuple(map(vote, wishes)))) == expected


def test_without_terms_nothing_is_agreed() -> None:
    """A stored wish alone is no right."""
    plain = replace(SOURCE, ruling=replace(RULING, grant_terms=None), votes=(vote(GrantWish(60.0)),))
    assert common_extent(plain) is None
    with pytest.raises(ValueError, match="terms"):
        new_grant("gr_1", plain, GrantExtent(60.0, ()), START)


def test_not_a_number_of_seconds_is_no_time() -> None:
    """NaN is within no bounds."""
    assert misfit(GrantWish(float("nan")), TERMS)


@pytest.mark.parametrize(
    ("asked", "reason"),
    [
        (SOURCE, ""),
        (replace(SOURCE, target=WEB02), "it is for web01.example.com"),
        (replace(SOURCE, target=Target("", "web01.example.com", "running")), "it is for web01.example.com"),
        (replace(SOURCE, operation="stop"), "it is for another operation"),
        (replace(SOURCE, arguments={"server": "s1", "force": True}), "its arguments are others"),
        (replace(SOURCE, actor=replace(AGENT, id="mcp:b")), "it is for another agent or client of this person"),
        (replace(SOURCE, actor=replace(AGENT, account="U2")), "it is for another person's agent"),
        (replace(SOURCE, origin=replace(SOURCE.origin, credential="x")), "the agent's token has changed"),
        (replace(SOURCE, origin=replace(SOURCE.origin, team="T2")), "it is for requests from another place"),
        (replace(SOURCE, ruling=replace(RULING, policy="pol_2")), "another policy is in force"),
        (replace(SOURCE, ruling=replace(RULING, votes=2)), "other rules decide about this server now"),
        (
            replace(SOURCE, ruling=replace(RULING, decision=Decision.CONFIRM)),
            "other rules decide about this server now",
        ),
        (replace(SOURCE, ruling=replace(RULING, grant_terms=None)), "other rules decide about this server now"),
        (
            replace(SOURCE, ruling=replace(RULING, approvers=Approvers(groups=("S_DBA",)))),
            "other rules decide about this server now",
        ),
    ],
)
def test_what_a_grant_is_for(asked: Any, reason: str) -> None:
    """Each difference is named."""
    assert mismatch(grant(), asked, START) == reason


@pytest.mark.parametrize(
    ("target", "holds"),
    [
        (WEB02, True),
        (Target("s3", "db01.example.com", "running"), False),
        (Target("web-id", "web-id", "running"), False),  # an id in place of a hostname matches no pattern
        (Target("", "", "running"), False),
    ],
)
def test_the_pattern_of_a_rule_has_to_match_for_certain(target: Target, *, holds: bool) -> None:
    """A server without a known hostname is not meant."""
    reason = mismatch(grant(servers=("web*",)), replace(SOURCE, target=target), START)
    assert reason == ("" if holds else "it is for web*")


@pytest.mark.parametrize(
    ("seconds", "more", "reason"),
    [
        (3599.9, {}, ""),
        (3600.0, {}, "its time ended at 2027-01-04 10:00 UTC"),
        (0.0, {"used": 3}, "its 3 uses are used up"),
        (0.0, {"state": GrantState.USED_UP}, "its 3 uses are used up"),
        (0.0, {"state": GrantState.ENDED, "note": "ann ended it."}, "it was ended: ann ended it"),
        (0.0, {"state": GrantState.EXPIRED}, "its time ended at 2027-01-04 10:00 UTC"),
    ],
)
def test_when_a_grant_is_over(seconds: float, more: dict[str, Any], reason: str) -> None:
    """By its time, its uses, or its end."""
    assert ended_text(grant(**more), START + timedelta(seconds=seconds)) == reason


def test_a_state_that_is_not_known_is_none_of_those_named() -> None:
    """Unknown is not yes."""
    nowhere = replace(SOURCE, target=replace(SOURCE.target, state=""))
    assert "in an unknown state" in mismatch(grant(states=("running",)), nowhere, START)
