"""The pure parts of a change's life: its table, its votes, what a check of the provider means, drift and pace."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import sqlalchemy as sa
from hypothesis import given
from hypothesis import strategies as st

from vpsops.core.changes.approvals import check, tally
from vpsops.core.changes.model import STEPS, Change, State, Verdict, Vote, digest_of
from vpsops.core.common.errors import NotAllowedError
from vpsops.core.common.timings import Timing
from vpsops.core.execution import write_rate_limit
from vpsops.core.identity.actors import Actor, ActorKind, Approvers, Origin
from vpsops.core.monitoring.drift import baseline, drifts
from vpsops.core.operations.target import Target
from vpsops.core.outcomes.outcome import FleetSnapshot, OutcomeKind, determine_outcome
from vpsops.core.policy.decision import Decision, Ruling
from vpsops.core.storage.tables import METADATA
from vpsops.core.wayscloud.answers.models import Server, Usage

NOW = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)
TIMING = Timing()
GROUP = Approvers(groups=("S1",))
ASKER = Actor(ActorKind.PERSON, "U1", "alice", "U1", aliases=("alice@example.com",))
AGENT = Actor(ActorKind.AGENT, "mcp:x", "x", "Alice@Example.com", account="U1")


def voter(name: str = "U2", *groups: str, aliases: tuple[str, ...] = ()) -> Actor:
    return Actor(ActorKind.PERSON, name, name, name, aliases=aliases, groups=groups or ("S1",))


def change(operation: str = "stop", state: State = State.WATCHING, age: float = 10.0, **more: object) -> Change:
    base = Change(
        id="chg_1",
        version=1,
        state=state,
        operation=operation,
        arguments={},
        target=Target("" if operation == "create" else "s1", "web01.example.com", "running"),
        actor=AGENT,
        origin=Origin("mcp"),
        reason="",
        ruling=Ruling(Decision.APPROVE, votes=2, approvers=GROUP, requirements=(GROUP,)),
        digest="d" * 64,
        created_at=NOW,
        expires_at=None,
        updated_at=NOW,
        sent_at=NOW - timedelta(seconds=age),
    )
    return replace(base, **more)  # type: ignore[arg-type]


def server(status: str = "running", ident: str = "s1", **more: object) -> Server:
    return Server.model_validate({"id": ident, "hostname": "web01.example.com", "status": status, **more})


def snapshot(
    *servers: Server,
    complete: bool = True,
    away: frozenset[str] = frozenset(),
    absent: Mapping[str, float] | None = None,
) -> FleetSnapshot:
    return FleetSnapshot(servers, complete, NOW, away, absent=absent or {})


def test_every_state_is_reached_and_every_life_ends() -> None:
    """From `requested` every state can be reached, and from every state an end."""
    reached = {State.REQUESTED}
    while (more := reached | {after for item in reached for after in STEPS[item]}) != reached:
        reached = more
    assert reached == set(State)
    ends = {state for state in State if state.final}
    while (more := ends | {item for item in State if STEPS[item] & ends}) != ends:
        ends = more
    assert ends == set(State)


def with_fact(target: Target, name: str) -> Target:
    """Return a target with another value of a text."""
    other: dict[str, Any] = {name: "x"}
    return replace(target, **other)


@given(st.permutations(["hostname", "plan", "region"]))
def test_a_digest_is_of_what_was_shown_whatever_its_order(order: list[str]) -> None:
    """The order of arguments is nothing; every fact is something."""
    given_arguments = {name: name for name in order}
    target = Target("s1", "web01", "running", "oslo", "192.0.2.1", "p")
    first = digest_of("create", given_arguments, target, ["9 NOK"], "pol_1")
    assert first == digest_of(
        "create", {"hostname": "hostname", "plan": "plan", "region": "region"}, target, ["9 NOK"], "pol_1"
    )
    for other in ("id", "hostname", "state", "region", "address", "plan"):
        assert first != digest_of("create", given_arguments, with_fact(target, other), ["9 NOK"], "pol_1")
    assert first != digest_of("create", given_arguments, target, ["8 NOK"], "pol_1")
    assert first != digest_of("create", given_arguments, target, ["9 NOK"], "pol_2")
    assert first != digest_of("stop", given_arguments, target, ["9 NOK"], "pol_1")


@pytest.mark.parametrize(
    ("who", "why"),
    [
        (replace(voter(), kind=ActorKind.AGENT), "Only people vote"),
        (voter("U1", aliases=("alice@example.com",)), "You asked"),
        (voter("U9", aliases=("ALICE@example.com",)), "You asked"),
        (voter("U2", "S9"), "not among those"),
        (Actor(ActorKind.PERSON, "U2", groups=()), "not among those"),
    ],
    ids=["agent", "asker", "human behind the agent", "other group", "no group"],
)
@pytest.mark.requirement("asker-never-votes")
def test_who_may_not_vote_is_told_why(who: Actor, why: str) -> None:
    """Never the requester, never the human behind the agent, never a person the rules do not name."""
    with pytest.raises(NotAllowedError, match=why):
        check(change(state=State.HELD), who)


@pytest.mark.requirement("one-vote-each")
def test_nobody_votes_twice_under_another_name() -> None:
    """One vote a person, whatever that person is called."""
    first = Vote(voter("U2", aliases=("bob@example.com",)), Verdict.APPROVE, "", "", NOW)
    with pytest.raises(NotAllowedError, match="voted"):
        check(change(state=State.HELD, votes=(first,)), voter("bob@example.com"))


def test_a_voter_must_be_acceptable_to_every_rule() -> None:
    """With two approve rules one group is not enough."""
    both = Ruling(Decision.APPROVE, votes=1, requirements=(GROUP, Approvers(people=("U3",))))
    held = change(state=State.HELD, ruling=both)
    with pytest.raises(NotAllowedError):
        check(held, voter("U2"))
    check(held, voter("u3", "S1"))


@given(st.integers(1, 5), st.lists(st.sampled_from(Verdict), max_size=6))
def test_votes_come_to_n_of_m(wanted: int, verdicts: list[Verdict]) -> None:
    """One denial ends it; the last approval that was wanted starts it; until then it stays held."""
    held = change(state=State.HELD, ruling=Ruling(Decision.APPROVE, votes=wanted, approvers=GROUP))
    for number, verdict in enumerate(verdicts):
        vote = Vote(voter(f"U{number + 2}"), verdict, "", "", NOW)
        state = tally(held, vote)
        held = replace(held, votes=(*held.votes, vote))
        if verdict is Verdict.DENY:
            assert state is State.DENIED
            return
        assert state is (State.APPROVED if held.approvals >= wanted else State.HELD)
        if state is State.APPROVED:
            return


def usage(uptime: int | None) -> Usage:
    return Usage.model_validate({"status": "running", "uptime_seconds": uptime})


@pytest.mark.parametrize(
    ("what", "seen", "used", "finding"),
    [
        (change("stop"), snapshot(server("stopped")), None, OutcomeKind.SUCCEEDED),
        (change("stop"), snapshot(server("running")), None, OutcomeKind.WAIT),
        (change("stop"), snapshot(server("error")), None, OutcomeKind.FAILED),
        (change("start"), snapshot(server("active", power_state="off")), None, OutcomeKind.WAIT),
        (change("start"), snapshot(server("active", power_state="on")), None, OutcomeKind.SUCCEEDED),
        (change("stop"), snapshot(server("hibernating")), None, OutcomeKind.WAIT),
        (change("stop", age=301), snapshot(server("running")), None, OutcomeKind.OVERDUE),
        (change("stop", age=400, overdue=True), snapshot(server("running")), None, OutcomeKind.WAIT),
        (change("stop", age=90000, overdue=True), snapshot(server("running")), None, OutcomeKind.FAILED),
        (change("stop"), snapshot(), None, OutcomeKind.WAIT),
        (change("stop", age=121), snapshot(), None, OutcomeKind.WAIT),
        (change("stop", age=121), snapshot(absent={"chg_1": 121}), None, OutcomeKind.FAILED),
        (change("stop", age=121), snapshot(absent={"chg_1": 119}), None, OutcomeKind.WAIT),
        (change("stop", age=301), snapshot(), None, OutcomeKind.OVERDUE),
        (change("reboot"), snapshot(server()), None, OutcomeKind.NEEDS_USAGE),
        (change("reboot", last_uptime=900), snapshot(server()), usage(901), OutcomeKind.WAIT),
        (change("reboot", last_uptime=900), snapshot(server()), usage(899), OutcomeKind.WAIT),
        (change("reboot", last_uptime=900), snapshot(server()), usage(9), OutcomeKind.SUCCEEDED),
        (change("reboot", age=30), snapshot(server()), usage(20), OutcomeKind.SUCCEEDED),
        (change("reboot"), snapshot(server()), usage(None), OutcomeKind.NEEDS_SERVER),
        (change("reboot"), snapshot(server()).with_full(server()), usage(None), OutcomeKind.WAIT),
        (change("reboot"), snapshot(server(), away=frozenset({"chg_1"})), usage(None), OutcomeKind.SUCCEEDED),
        (change("create", result={"id": "s1"}), snapshot(server("provisioning")), None, OutcomeKind.WAIT),
        (change("create", result={"id": "s1"}, age=601), snapshot(server("provisioning")), None, OutcomeKind.OVERDUE),
        (change("create", result={"id": "s1"}), snapshot(server()), None, OutcomeKind.SUCCEEDED),
    ],
)  # fmt: skip
def test_what_a_look_means_for_a_watched_change(
    what: Change, seen: FleetSnapshot, used: Usage | None, finding: OutcomeKind
) -> None:
    """Settled, failed, late or lost; an unknown word is on its way, and no list proves an absence."""
    assert determine_outcome(what, seen, used, TIMING).finding is finding


UNCLEAR = State.UNKNOWN
FULL = snapshot(server("running")).with_full(server("running"))


@pytest.mark.parametrize(
    ("what", "seen", "used", "finding"),
    [
        (change("create", UNCLEAR), snapshot(server(created_at=NOW.isoformat())), None, OutcomeKind.ADOPTED),
        (change("create", UNCLEAR), snapshot(server()), None, OutcomeKind.ADOPTED),
        (change("create", UNCLEAR), snapshot(server(created_at="2026-11-24T11:00:00Z")), None, OutcomeKind.WAIT),
        (change("create", UNCLEAR), snapshot(server(), server(ident="s2")), None, OutcomeKind.NEEDS_PERSON),
        (change("create", UNCLEAR), snapshot(), None, OutcomeKind.WAIT),
        (change("create", UNCLEAR, 601), snapshot(), None, OutcomeKind.FAILED),
        (change("create", UNCLEAR, 601), snapshot(complete=False), None, OutcomeKind.NEEDS_PERSON),
        (change("stop", UNCLEAR), snapshot(server("stopped")), None, OutcomeKind.SUCCEEDED),
        (change("stop", UNCLEAR), snapshot(server("stopping")), None, OutcomeKind.ADOPTED),
        (change("stop", UNCLEAR), snapshot(server("running")), None, OutcomeKind.WAIT),
        (change("stop", UNCLEAR, 181), snapshot(server("running")), None, OutcomeKind.NEEDS_SERVER),
        (change("stop", UNCLEAR, 181), FULL, None, OutcomeKind.FAILED),
        (change("stop", UNCLEAR, 181), snapshot(), None, OutcomeKind.NEEDS_PERSON),
        (change("reboot", UNCLEAR), snapshot(server()), None, OutcomeKind.NEEDS_USAGE),
        (change("reboot", UNCLEAR, 181), snapshot(server()), usage(9000), OutcomeKind.FAILED),
        (change("reboot", UNCLEAR, 181), snapshot(server()), usage(None), OutcomeKind.NEEDS_SERVER),
        (change("reboot", UNCLEAR, 181), snapshot(server()).with_full(server()), usage(None), OutcomeKind.NEEDS_PERSON),
        (change("reboot", UNCLEAR), snapshot(server()), usage(3), OutcomeKind.SUCCEEDED),
    ],
)  # fmt: skip
def test_an_unclear_outcome_is_looked_up(
    what: Change, seen: FleetSnapshot, used: Usage | None, finding: OutcomeKind
) -> None:
    """Found done, found under way, found not done after a while, or a person is asked: never sent again."""
    assert determine_outcome(what, seen, used, TIMING).finding is finding


def test_drift_is_a_change_of_state_nobody_asked_for() -> None:
    """A server on its way is compared with where it last stood; our own servers are left out."""
    before = {"s1": server("running"), "s2": server("running", "s2", hostname="db01")}
    on_its_way = [server("stopping"), server("running", "s2", hostname="db01")]
    kept = baseline(before, on_its_way, complete=True)
    assert drifts(before, {item.id: item for item in on_its_way}, (), complete=True) == []
    stopped = {"s1": server("stopped"), "s2": kept["s2"]}
    (drift,) = drifts(kept, stopped, (), complete=True)
    assert (drift.hostname, drift.before, drift.after) == ("web01.example.com", "running", "stopped")
    assert drifts(kept, stopped, {"s1"}, complete=True) == []
    assert [item.after for item in drifts(kept, {"s1": kept["s1"]}, (), complete=True)] == ["gone"]
    assert drifts(kept, {"s1": kept["s1"]}, (), complete=False) == []


def test_writes_pass_in_a_burst_and_then_one_at_a_time() -> None:
    """Ten at once, four a second after that."""
    engine = sa.create_engine("sqlite://")
    METADATA.create_all(engine)
    with engine.begin() as connection:
        waits = [write_rate_limit.reserve(connection, 9100.0, TIMING) for _ in range(13)]
        assert waits == [0.0] * 10 + [0.25, 0.5, 0.75]
        assert write_rate_limit.reserve(connection, 9200.0, TIMING) == 0.0
        assert (
            write_rate_limit.reserve(connection, 5.0, TIMING) == 0.0
        )  # the machine was restarted: its clock began again
