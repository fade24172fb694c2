"""What counts as stricter: a table, and what holds for any two policies."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
import sqlalchemy as sa
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.fakes.timing import QUICK
from tests.harness.profiles import examples
from tests.unit.core.policy.facts import rules
from tests.unit.core.policy.test_properties import FACTS, any_rules
from tests.unit.core.sample import change
from vpsops.core.authorization.policy_comparison import overdue, tightened
from vpsops.core.authorization.recheck import Recheck
from vpsops.core.changes import approvals, serialization
from vpsops.core.identity import actors
from vpsops.core.identity.actors import Actor, ActorKind, Approvers, Origin
from vpsops.core.limits.model import Limits
from vpsops.core.operations.target import Target
from vpsops.core.policy import PolicyContext, Rule, parse_policy
from vpsops.core.policy.conditions import RuleConditions
from vpsops.core.policy.decision import Decision, Ruling
from vpsops.core.policy.defaults import OWN_CHANNEL
from vpsops.core.policy_register.force import PolicyInForce
from vpsops.core.storage.tables import COPIES, METADATA
from vpsops.core.workspaces.model import Workspace, Workspaces

OPS, SRE = Approvers(groups=("S_OPS",)), Approvers(groups=("S_SRE",))
BOTH = Approvers(groups=("S_OPS", "S_SRE"))
ALLOW, CONFIRM = Ruling(Decision.ALLOW), Ruling(Decision.CONFIRM)
DENY = Ruling(Decision.DENY, ("freeze",), reason="No changes this week.")


@contextmanager
def empty_database() -> Iterator[sa.Connection]:
    """A database with the tables and no rows."""
    with sa.create_engine("sqlite://").connect() as connection:
        METADATA.create_all(connection)
        yield connection


def approve(votes: int = 1, *approvers: Approvers, rule: str = "two-people") -> Ruling:
    every = approvers or (OPS,)
    return Ruling(Decision.APPROVE, (rule,), votes, actors.union_of(every), requirements=every)


@pytest.mark.parametrize(
    ("old", "new", "why"),
    [
        (ALLOW, CONFIRM, "asks for a confirmation by the asker's own human"),
        (ALLOW, approve(), "asks for an approval. Rules: two-people."),
        (CONFIRM, approve(2), "asks for 2 approvals. Rules: two-people."),
        (ALLOW, DENY, "refuses it. No changes this week. Rules: freeze."),
        (approve(), DENY, "refuses it. No changes this week. Rules: freeze."),
        (approve(1), approve(2), "asks for 2 approvals, and asked for 1. Rules: two-people."),
        (approve(1, OPS), approve(1, SRE), "names other people who may approve it. Rules: two-people."),
        (approve(1, BOTH), approve(1, OPS), "names other people"),
        (approve(1, OPS), approve(1, OPS, SRE), "names other people"),
        (approve(1, OPS), approve(1, Approvers(people=("U1",))), "names other people"),
        (approve(1, Approvers(channels=("C1",))), approve(1, Approvers(channels=("C2",))), "names other people"),
        (approve(1, OPS), approve(1, Approvers()), "names other people"),
        (replace(approve(1, OPS), requirements=()), approve(1, SRE), "names other people"),
    ],
)
def test_what_got_stricter_is_said_in_the_rules_words(old: Ruling, new: Ruling, why: str) -> None:
    assert tightened(old, new).startswith(f"The policy now {why}")


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (CONFIRM, ALLOW),
        (CONFIRM, CONFIRM),
        (approve(2), ALLOW),
        (approve(2), CONFIRM),
        (approve(2), approve(1)),
        (approve(0), approve(1)),
        (approve(1, OPS), approve(1, BOTH)),
        (approve(1, OPS, SRE), approve(1, SRE)),
        (approve(1, Approvers(people=("a@example.com",))), approve(1, Approvers(people=("A@Example.com",)))),
        (approve(rule="one-name"), approve(rule="another-name")),
    ],
)
def test_what_got_milder_or_stayed_says_nothing(old: Ruling, new: Ruling) -> None:
    assert tightened(old, new) == ""


def test_many_rules_are_named_in_bounds() -> None:
    many = replace(DENY, rules=tuple(f"r{number}" for number in range(9)))
    assert tightened(ALLOW, many).endswith("Rules: r0, r1, r2, r3, r4, ….")


def test_a_hold_that_the_new_rule_would_have_ended_is_over() -> None:
    assert overdue(approve(), 3601.0, 3600.0).startswith("The policy now gives people 60 minutes for it")
    assert overdue(approve(), 3600.0, 3600.0) == ""
    assert overdue(CONFIRM, 3601.0, 3600.0) == ""


VOTER = st.builds(
    Actor,
    st.just(ActorKind.PERSON),
    st.sampled_from(["U8", "U9", "U7"]),
    groups=st.sampled_from([(), ("S1",), ("S2",)]),
)


@given(any_rules(), any_rules(), FACTS, FACTS, VOTER)
@pytest.mark.requirement("decided-again")
def test_what_is_not_stricter_is_never_sent_against_the_new_policy(
    before: list[Rule], after: list[Rule], then: PolicyContext, now: PolicyContext, voter: Actor
) -> None:
    """Those who agreed under the old ruling are enough for the new one, which denies nothing of it."""
    old, new = rules(*before).decide(then), rules(*after).decide(now)
    if old.decision is Decision.DENY or tightened(old, new):
        return
    assert new.decision is not Decision.DENY
    assert new.decision.rank <= old.decision.rank
    if new.decision is Decision.APPROVE:
        assert new.votes <= old.votes
        agreed = approvals.eligible(change(ruling=old), voter)
        assert not agreed or approvals.eligible(change(ruling=new), voter)


@given(any_rules(), FACTS)
@settings(max_examples=examples(20))
def test_the_same_policy_is_never_stricter_than_itself(drawn: list[Rule], facts: PolicyContext) -> None:
    ruling = rules(*drawn).decide(facts)
    assert tightened(ruling, ruling) == ""


def recheck(*arguments: Rule, limits: Limits | None = None, workspaces: Workspaces | None = None) -> Recheck:
    return Recheck(PolicyInForce(rules(*arguments), limits or Limits(), workspaces or Workspaces()), QUICK)


def noted(asked: Recheck, **more: Any) -> str:
    """Return the answer to the last yes, for a change that a test describes further."""
    made = change(ruling=Ruling(Decision.CONFIRM), **more)
    with empty_database() as connection:
        return asked.at_last_yes(connection, made, made.created_at + timedelta(seconds=1))


DEAR = Rule("dear", RuleConditions(cost_above=10.0), Decision.DENY)
FINE = Rule("fine", RuleConditions(), Decision.CONFIRM)


def test_a_price_that_is_not_known_any_more_is_held_against_the_change() -> None:
    """As of changes that an earlier version stored; one that is known is asked about."""
    prices = {None: True, 5.0: False, 50.0: True}
    for monthly, stricter in prices.items():
        ruling = Ruling(Decision.CONFIRM, monthly=monthly)
        made = change("create", ruling=ruling)
        with empty_database() as connection:
            refusal = recheck(DEAR, FINE).at_last_yes(connection, made, made.created_at)
        assert ("The policy now refuses it" in refusal) is stricter


def test_the_price_alone_may_be_over_a_new_budget() -> None:
    made = change("create", ruling=Ruling(Decision.CONFIRM, monthly=50.0))
    for budget, over in ((49.99, True), (50.0, False)):
        asked = recheck(FINE, limits=Limits(max_monthly_spend=budget))
        with empty_database() as connection:
            assert ("it alone costs 50.00 a month" in asked.at_last_yes(connection, made, made.created_at)) is over


def test_a_price_is_kept_with_the_ruling_and_older_rows_have_none() -> None:
    made = change(ruling=Ruling(Decision.CONFIRM, monthly=50.0))
    stored = json.loads(json.dumps(serialization.change_values(made)["ruling"]))
    assert serialization.ruling_of(stored).monthly == 50.0
    del stored["monthly"]
    assert serialization.ruling_of(stored).monthly is None


def test_a_workspace_that_lost_its_channel_approves_nothing() -> None:
    """The rule leaves the approvers to the workspace, and the plan of workspaces is asked again as well."""
    policy = parse_policy('[[rule]]\nid = "all"\ndecision = "approve"\n', "vpsops.toml", OWN_CHANNEL)
    ruling = Ruling(Decision.APPROVE, votes=1, approvers=Approvers(channels=("C1",)))
    made = change(ruling=ruling, origin=Origin("slack", "T1"))
    for channel, refused in (("C1", False), ("C2", True), ("", True)):
        known = Workspaces(several=True, known=(Workspace("T1", channel),))
        with empty_database() as connection:
            again = Recheck(PolicyInForce(policy, loaded_workspaces=known), QUICK)
            refusal = again.at_last_yes(connection, made, made.created_at)
        assert bool(refusal) is refused, channel


def test_what_this_process_cannot_run_is_left_to_who_sends_it() -> None:
    assert noted(recheck(), operation="teleport") == ""
    assert "No rule allows it" in noted(recheck())


def test_a_server_that_is_protected_now_is_named() -> None:
    text = noted(recheck(FINE, limits=Limits(protected=frozenset({"web*"}))), target=Target("s1", "web01"))
    assert text.startswith("Nothing was sent. The limit protected (web*) forbids it")


def test_a_confirmation_in_the_client_does_not_outlive_the_rule_that_trusted_it() -> None:
    """Without the rule's own places, what disrupts is confirmed in Slack alone where a bot ever was."""
    made = change("reboot", ruling=Ruling(Decision.CONFIRM, confirm_in=("client",)))
    with empty_database() as connection:
        before = recheck(FINE).at_last_yes(connection, made, made.created_at)
        posted = {"topic": "change:chg_1", "purpose": "card", "channel": "C1", "ts": "1.000001", "at": 0.0}
        connection.execute(sa.insert(COPIES).values(**posted))
        after = recheck(FINE).at_last_yes(connection, made, made.created_at)
    assert before == ""
    assert "takes a confirmation in slack alone" in after
