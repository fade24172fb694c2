"""The table of a member's states, the order of a plan, its words, and the strictest ruling; all without I/O."""

from collections import Counter
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vpsops.core.changes.model import IllegalStepError, State
from vpsops.core.common.timings import PLAN_BUSY_SECONDS
from vpsops.core.identity.actors import Approvers
from vpsops.core.operations.target import ServerName, Target
from vpsops.core.plans.groups import group_in_the_way, too_many_down
from vpsops.core.plans.model import (
    BAD,
    STEPS,
    MemberState,
    PlanMember,
    PlanOptions,
    check_member_step,
)
from vpsops.core.plans.progress import AwaitMembers, BeginMember, EndPlan, next_step, progress_words
from vpsops.core.plans.running.card_steps import card_step
from vpsops.core.plans.running.member_wait import since_when, wait_of
from vpsops.core.plans.selection import Selection, selection_from
from vpsops.core.plans.strictness import strictest
from vpsops.core.plans.tally import MemberTally, PlanTally, tally_of
from vpsops.core.policy.decision import Decision, Ruling
from vpsops.core.wayscloud.answers.models import Server

NOW = datetime(2026, 11, 30, 2, tzinfo=UTC)
TABLE = """
waiting -> running skipped failed not_run
running -> done failed unclear
"""


def members(*states: MemberState, moved_at: datetime | None = None) -> list[PlanMember]:
    return [
        PlanMember(
            number,
            "reboot",
            {},
            Target(f"i{number}", f"web{number:02}"),
            "d",
            state,
            "" if state is MemberState.WAITING else f"chg_{number}",
            moved_at=None if state is MemberState.WAITING else moved_at,
        )
        for number, state in enumerate(states, 1)
    ]


def test_the_table_of_a_member_is_what_is_documented() -> None:
    """Every step that the table has is written out here, and no other passes."""
    written = {line.split(" -> ")[0]: set(line.split(" -> ")[1].split()) for line in TABLE.strip().splitlines()}
    for before, after in product(MemberState, MemberState):
        if after.value in written.get(before.value, set()):
            check_member_step(before, after)
        else:
            with pytest.raises(IllegalStepError):
                check_member_step(before, after)
    assert {state for state in MemberState if state.is_final} == set(MemberState) - {
        MemberState.WAITING,
        MemberState.RUNNING,
    }


def moved(data: st.DataObject, state: list[PlanMember], member: PlanMember) -> list[PlanMember]:
    """Return the members with one of them in a state that may follow its own."""
    after = data.draw(st.sampled_from(sorted(STEPS[member.state] - {MemberState.NOT_RUN})))
    return [replace(other, state=after) if other == member else other for other in state]


@given(st.data(), st.integers(1, 3), st.integers(1, 3), st.integers(1, 8), st.booleans())
def test_every_plan_ends_and_keeps_its_order(
    data: st.DataObject, at_once: int, stop_after: int, count: int, stops: bool
) -> None:
    """Whatever its members come to: never more than at_once, in order, none after stop_after bad ones, and an end."""
    options, state = PlanOptions(at_once=at_once, stop_after=stop_after), members(*[MemberState.WAITING] * count)
    begun: list[int] = []
    for _ in range(4 * count + 2):
        stopping = stops and len(begun) > count // 2
        step = next_step(tally_of(state), options, NOW, stopping=stopping)
        running = [member for member in state if member.state is MemberState.RUNNING]
        if isinstance(step, EndPlan):
            break
        if isinstance(step, BeginMember):
            assert len(running) < at_once
            assert sum(member.state in BAD for member in state) < stop_after
            assert not stopping
            begun.append(step.member.ordinal)
        state = moved(
            data, state, step.member if isinstance(step, BeginMember) else data.draw(st.sampled_from(running))
        )
    assert isinstance(step, EndPlan)
    assert not running
    assert begun == sorted(begun)
    well = all(member.state in {MemberState.DONE, MemberState.SKIPPED} for member in state)
    assert (step.state is State.SUCCEEDED) == (well and any(m.state is MemberState.DONE for m in state))


@pytest.mark.parametrize(("elapsed", "left"), [(0, 30), (29, 1), (30, None), (31, None), (-3600, None)])
def test_a_pause_counts_from_the_last_end_and_a_date_set_back_adds_none(elapsed: int, left: int | None) -> None:
    """Behind that end the date says nothing of a pause: the process that runs the plan counts it steadily."""
    state = [*members(MemberState.DONE, moved_at=NOW - timedelta(seconds=elapsed)), *members(MemberState.WAITING)]
    step = next_step(tally_of(state), PlanOptions(pause=30), NOW, stopping=False)
    assert step == (AwaitMembers(left) if left else BeginMember(state[1]))


def test_words_name_five_of_each_kind_and_count_the_rest() -> None:
    """A plan of a thousand has a note of a few lines."""
    state = members(*[MemberState.DONE] * 3, *[MemberState.FAILED], *[MemberState.NOT_RUN] * 996)
    text = progress_words(tally_of(state), stopped_by="Ann")
    assert text == (
        "3 of 1000 done; 1 failed (web04); 996 not started (web05, web06, web07, web08, web09 and 991 more)."
        " Stopped by Ann."
    )
    assert "web01 is in progress" in progress_words(tally_of(members(MemberState.RUNNING, MemberState.WAITING)))
    assert "web01, web02 are in progress" in progress_words(tally_of(members(*[MemberState.RUNNING] * 2)))


RULINGS = st.builds(
    Ruling,
    decision=st.sampled_from(Decision),
    rules=st.lists(st.sampled_from(["a", "b", "c"]), unique=True).map(tuple),
    votes=st.integers(0, 3),
    expires=st.sampled_from([0.0, 60.0, 600.0]),
    confirm_in=st.sampled_from([(), ("client",), ("slack",), ("client", "slack")]),
    requirements=st.lists(
        st.builds(Approvers, people=st.sampled_from([("U1",), ("U2",), ("U1", "U2")])), max_size=2, unique=True
    ).map(tuple),
)


@given(st.lists(RULINGS, min_size=1, max_size=5))
def test_the_strictest_ruling_is_at_least_as_strict_as_each(rulings: list[Ruling]) -> None:
    """Decision, votes, requirements, time and places: none is milder than that of any member with that decision."""
    result = strictest(rulings)
    assert result.decision.rank == max(ruling.decision.rank for ruling in rulings)
    for ruling in rulings:
        assert set(ruling.rules) <= set(result.rules)
        if ruling.decision is not result.decision:
            continue
        assert result.votes >= ruling.votes
        assert set(ruling.requirements) <= set(result.requirements)
        assert not ruling.expires or (0 < result.expires <= ruling.expires)
        if ruling.confirm_in:
            assert set(result.confirm_in) <= set(ruling.confirm_in) | {"slack"}


def server(number: int, *, up: bool = True, labels: dict[str, str] | None = None) -> Server:
    return Server(
        id=f"i{number}", hostname=f"web{number:02}", status="active" if up else "stopped",
        power_state="running" if up else "stopped", labels={"tier": "web"} if labels is None else labels,
    )  # fmt: skip


def labelled(number: int, *labels: str, operation: str = "reboot") -> PlanMember:
    return PlanMember(number, operation, {}, Target(f"i{number}", f"web{number:02}", labels=labels), "d")


@pytest.mark.parametrize(
    ("others", "running", "waits"),
    [
        ([server(2), server(3)], set(), False),
        ([server(2, up=False), server(3)], set(), True),
        ([server(2), server(3)], {"i3"}, True),
        ([server(2, up=False, labels={"tier": "db"})], set(), False),
        ([server(2, up=False, labels={})], set(), False),
    ],
)
def test_no_more_of_a_group_go_down_than_may(others: list[Server], running: set[str], waits: bool) -> None:
    """A server that is down, or about to be, counts; those of other groups do not."""
    why = group_in_the_way(
        labelled(1, "tier=web"),
        [server(1), *others],
        [labelled(int(ident[1:]), "tier=web").target for ident in running],
        (("tier", 1),),
    )
    assert bool(why) is waits


def test_of_those_that_are_down_only_servers_of_the_plan_are_named() -> None:
    """Who may not read a server outside the plan does not learn its name from what a member waits for."""
    down = [server(number, up=False, labels={"tier": "web"}) for number in (2, 3)]
    known = (ServerName("i2", "web02"),)
    why = group_in_the_way(labelled(1, "tier=web"), down, [], (("tier", 1),), known)
    assert why == "2 of tier=web are down (web02 and 1 more), and at most 1 may be"


def test_a_wait_says_since_when_and_until_when_it_may_be() -> None:
    """Its time counts from its first try, or from the end of the last other member; while one runs there is no end."""
    since, waiting = NOW - timedelta(minutes=4), replace(members(MemberState.WAITING)[0], ordinal=9, note="2 are down")
    waiting = replace(waiting, moved_at=since)
    done = members(MemberState.DONE, moved_at=NOW - timedelta(minutes=1))
    alone, after = wait_of(tally_of([waiting]), NOW), wait_of(tally_of([*done, waiting]), NOW)
    assert alone is not None
    assert alone.until == since + timedelta(seconds=PLAN_BUSY_SECONDS)
    assert after is not None
    assert after.until == NOW - timedelta(minutes=1) + timedelta(seconds=PLAN_BUSY_SECONDS)
    assert not after.is_over(after.until - timedelta(seconds=1))
    assert after.is_over(after.until)
    beside = wait_of(tally_of([*members(MemberState.RUNNING), waiting]), NOW)
    assert beside is not None
    assert beside.until is None
    assert wait_of(tally_of(members(MemberState.WAITING)), NOW) is None
    early = replace(waiting, moved_at=NOW + timedelta(hours=1))
    assert (since_when(waiting, NOW), since_when(early, NOW)) == (since, NOW)


def test_the_card_of_a_thousand_is_drawn_some_hundred_times() -> None:
    """Whatever becomes of its members, each of which waits for a while as well, its card is drawn a bounded number."""
    counts, last, drawn = Counter({MemberState.WAITING: 1000}), None, 0
    for number in range(1000):
        for before, after in (
            (MemberState.WAITING, MemberState.RUNNING),
            (MemberState.RUNNING, (MemberState.DONE, MemberState.FAILED, MemberState.SKIPPED)[number % 3]),
        ):
            counts[before] -= 1
            counts[after] += 1
            for waits in (True, False):
                step = card_step(PlanTally(MemberTally(counts)), f"step {number}", last, waits=waits)
                drawn, last = drawn + (step != last), step
    assert last is not None
    assert last.ended == 50
    assert drawn <= 2 * 50 + 2 * 5 + 1


def test_the_card_of_a_small_plan_follows_each_step() -> None:
    """Twenty servers are watched one by one."""
    tally = tally_of(members(*[MemberState.WAITING] * 20))
    first = card_step(tally, "0 of 20 done.", None, waits=False)
    assert card_step(tally, "0 of 20 done; web01 is in progress.", first, waits=False) != first


def test_unknown_labels_count_against_a_member() -> None:
    """Of a server with unknown labels it is not known that it is of another group."""
    unknown = PlanMember(1, "reboot", {}, Target("i1", "web01"), "d")
    assert "not known" in group_in_the_way(unknown, [], set(), (("tier", 1),))
    down = Server(id="i2", hostname="web02", status="stopped")
    assert group_in_the_way(labelled(1, "tier=web"), [down], set(), (("tier", 1),))
    assert not group_in_the_way(labelled(1, "tier=web", operation="start"), [down], set(), (("tier", 1),))


def test_a_plan_that_stops_more_than_may_be_down_is_refused_before_it_is_asked() -> None:
    """Stopped servers stay down, so that their number counts; rebooted ones come back."""
    stops = [labelled(number, "tier=web", operation="stop") for number in (1, 2)]
    assert "2 servers of tier=web" in too_many_down(stops, (("tier", 1),))
    assert not too_many_down(stops, (("tier", 2),))
    assert not too_many_down([labelled(number, "tier=web") for number in (1, 2)], (("tier", 1),))


@pytest.mark.parametrize(
    ("words", "names"),
    [
        (["web01,web02", "web*"], ("web01", "web02", "web*")),
        (["web01,", ",web02,,web01"], ("web01", "web02")),
        (["Web, main"], ("Web, main",)),
        ([",", "web01"], (",", "web01")),
        ([",,"], (",,",)),
    ],
)
def test_commas_join_names_for_every_front_end(words: list[str], names: tuple[str, ...]) -> None:
    """A name with a space and the value of a filter stay whole; a word without a name is never left out."""
    selected = selection_from([*words, "label:team=a,b"])
    assert selected == Selection(names, {"label": "team=a,b"})
