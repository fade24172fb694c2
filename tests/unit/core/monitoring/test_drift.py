"""Drift over many polls: an unrequested difference is reported once, and a gap in the list is no drift."""

from collections.abc import Mapping, Sequence

from hypothesis import given
from hypothesis import strategies as st

from tests.unit.core.sample import server
from vpsops.core.monitoring.drift import Drift, baseline, drifts
from vpsops.core.wayscloud.answers.models import Server

NAMES = ("s1", "s2", "s3")
LASTING = ("running", "stopped", "error")
Fleet = Mapping[str, str]  # status by id
fleets = st.dictionaries(st.sampled_from(NAMES), st.sampled_from(LASTING))


def listed(fleet: Fleet, hidden: Sequence[str] = ()) -> list[Server]:
    return [server(status, ident, f"{ident}.example.com") for ident, status in fleet.items() if ident not in hidden]


def reported_drifts(polls: Sequence[tuple[Sequence[Server], bool]]) -> list[Drift]:
    """Poll repeatedly, as the watcher does, and return every drift."""
    before: dict[str, Server] = {}
    results: list[Drift] = []
    for servers, complete in polls:
        if before:
            results += drifts(before, {item.id: item for item in servers}, (), complete=complete)
        before = baseline(before, servers, complete=complete)
    return results


@given(fleets, st.lists(st.sets(st.sampled_from(NAMES)), max_size=6))
def test_a_gap_in_the_list_is_no_drift(fleet: Fleet, gaps: list[set[str]]) -> None:
    """A server that an incomplete list leaves out is where it stood when it is seen again."""
    polls = [(listed(fleet), True), *((listed(fleet, sorted(gap)), not gap) for gap in gaps), (listed(fleet), True)]
    assert reported_drifts(polls) == []


@given(fleets, st.lists(st.sampled_from(["stopping", "starting", "rebooting"]), max_size=4))
def test_a_server_on_its_way_is_told_where_it_arrives(fleet: Fleet, ways: list[str]) -> None:
    """States between two lasting ones are not reported; the arrival is, once."""
    start = {**fleet, "s9": "running"}
    polls = [start, *({**fleet, "s9": way} for way in ways), {**fleet, "s9": "stopped"}, {**fleet, "s9": "stopped"}]
    assert [
        (item.server_id, item.before, item.after) for item in reported_drifts([(listed(each), True) for each in polls])
    ] == [("s9", "running", "stopped")]


@given(fleets, fleets)
def test_each_difference_is_told_once(before: Fleet, after: Fleet) -> None:
    """Between two complete polls every server that differs is reported, and no other."""
    old, new = {"s9": "running", **before}, {"s9": "running", **after}
    polls = [(listed(old), True), (listed(new), True), (listed(new), True)]
    words = {"running": "running", "stopped": "stopped", "error": "failed"}
    assert sorted((item.server_id, item.before, item.after) for item in reported_drifts(polls)) == sorted(
        (name, words.get(old.get(name, ""), "not there"), words.get(new.get(name, ""), "gone"))
        for name in {*old, *new}
        if old.get(name) != new.get(name)
    )


def test_a_server_that_was_on_its_way_at_the_first_look_did_not_come_from_nowhere() -> None:
    """It is reported from its arrival on, and a server that begins to be made later is new when it is up."""
    begin, up, down = (listed({"s1": state}) for state in ("rebooting", "running", "stopped"))
    assert reported_drifts([(begin, True), (up, True)]) == []
    assert [item.after for item in reported_drifts([(begin, True), (up, True), (down, True)])] == ["stopped"]
    made = [*up, *listed({"s2": "provisioning"})]
    assert [
        item.before
        for item in reported_drifts([(up, True), (made, True), (listed({"s1": "running", "s2": "running"}), True)])
    ] == ["not there"]
