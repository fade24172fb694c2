"""Every name that any source uses for a field, and the handling of unknown ones."""

from contextlib import suppress
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel

from vpsops.core.wayscloud.answers import field_names, field_readers, parse
from vpsops.core.wayscloud.answers.models import JSON, NewServer, OsTemplate, Plan, Region, Server, Usage

SAMPLES: dict[object, tuple[Any, Any]] = {
    field_readers.text: ("Abc", "Abc"),
    field_readers.word: (" Abc ", "abc"),
    field_readers.number: ("4.5", 4.5),
    field_readers.whole: ("4", 4),
    field_readers.amount: ("4.5", 4.5),
    field_readers.whole_amount: ("4", 4),
    field_readers.count: (4.9, 4),
    field_readers.megabytes: (4096, 4.0),
    field_readers.flag: ("Yes", True),
    field_readers.is_windows: ("Windows", True),
    field_readers.is_active: ("maintenance", False),
    field_readers.kroner: (99, "NOK"),
    field_readers.labels: ({"team": "shop"}, {"team": "shop"}),
    field_readers.tags: (["web"], ("web",)),
    field_readers.moment: ("2026-09-16T14:00:00+02:00", datetime(2026, 9, 16, 12, tzinfo=UTC)),
}
NEW = NewServer(hostname="new.example.com", plan="p", region="oslo", os_template="debian-12")


def rows() -> list[tuple[str, field_names.FieldAlias]]:
    """Every row of every table, with the table's name."""
    names = ("SERVER", "PLAN", "OS_TEMPLATE", "REGION", "USAGE")
    return [(name, row) for name in names for row in getattr(field_names, name)]


@pytest.mark.parametrize(
    ("table", "row"), rows(), ids=lambda value: value.theirs if isinstance(value, field_names.FieldAlias) else value
)
def test_each_name_of_each_source_is_read(table: str, row: field_names.FieldAlias) -> None:
    """A field is found under the row's name, in any case, and does not turn up among the extras."""
    sample, expected = SAMPLES[row.read]
    ours, extra = field_names.translate(getattr(field_names, table), {row.theirs.upper(): sample})
    assert ours[row.ours] == expected
    assert extra == {}


@pytest.mark.parametrize(
    ("table", "row"), rows(), ids=lambda value: value.theirs if isinstance(value, field_names.FieldAlias) else value
)
def test_a_null_is_as_good_as_absent(table: str, row: field_names.FieldAlias) -> None:
    """A null under any name leaves the field out, without an error and without an extra."""
    assert field_names.translate(getattr(field_names, table), {row.theirs: None}) == ({}, {})


def test_our_names_are_fields_of_the_models() -> None:
    """No row writes to a field that its model lacks."""
    models: dict[str, type[BaseModel]] = {
        "SERVER": Server,
        "PLAN": Plan,
        "OS_TEMPLATE": OsTemplate,
        "REGION": Region,
        "USAGE": Usage,
    }
    for name, model in models.items():
        assert {row.ours for row in getattr(field_names, name)} <= set(model.model_fields), name


def test_the_first_readable_name_wins_and_the_others_are_kept() -> None:
    """With both names given the more specific is used; the loser stays visible as an extra."""
    server = parse.server("1")({"id": "1", "plan_name": "Start", "plan_code": "vps-2gb", "vcpus": None, "vcpu": 2})
    assert (server.plan, server.vcpus, server.extra) == ("vps-2gb", 2, {"plan_name": "Start"})


@pytest.mark.parametrize("odd", ["many", True, [2], {"n": 2}, "nan", "inf", 10**400, 2.5])
def test_an_unreadable_figure_is_left_out_and_kept_raw(odd: Any) -> None:
    """A vCPU count that is no whole number is None in the model; the raw value is among the extras."""
    server = parse.server("1")({"id": "1", "vcpus": odd})
    assert server.vcpus is None
    assert server.extra == {"vcpus": odd}


@pytest.mark.parametrize("odd", ["yesterday", 5, "2026-13-01", "0001-01-01T00:00:00+14:00"])
def test_an_unreadable_time_is_left_out(odd: Any) -> None:
    """A creation time that is none is None, not an error."""
    assert parse.server("1")({"id": "1", "created_at": odd}).created_at is None


def test_a_time_without_an_offset_is_utc() -> None:
    """A naive time is taken as UTC."""
    assert parse.server("1")({"id": "1", "created_at": "2026-09-16T12:00:00"}).created_at == datetime(
        2026, 9, 16, 12, tzinfo=UTC
    )


def test_extras_are_kept_and_not_serialised() -> None:
    """Unknown fields are available to readers, and stay out of a dump."""
    server = parse.server("1")({"id": "1", "Provider_VM": "vm-1", "notes": ["a"]})
    assert server.extra == {"Provider_VM": "vm-1", "notes": ["a"]}
    assert "extra" not in server.model_dump()
    assert "vm-1" not in repr(server)


def test_a_server_without_an_id_names_the_field() -> None:
    """Nothing can be done with a server that has no id."""
    with pytest.raises(parse.UnreadableAnswerError, match="lacks 'id'"):
        parse.server("1")({"hostname": "web01", "id": "  "})


def test_a_numeric_id_is_text() -> None:
    """An id that is a number becomes its digits."""
    assert parse.server("17")({"id": 17}).id == "17"


def test_a_label_never_stands_in_for_a_hostname() -> None:
    """Rules match on hostnames, so a missing one becomes the id, not a label typed by a person."""
    server = parse.server("17")({"id": "17", "hostname": None, "display_name": "db01.example.com"})
    assert (server.hostname, server.status) == ("17", "unknown")


@pytest.mark.parametrize("wrapper", ["instance", "vps", "server", "data"])
def test_a_wrapped_server_is_unwrapped(wrapper: str) -> None:
    """A server one level down is found."""
    assert parse.server("17")({"success": True, wrapper: {"id": "17"}}).id == "17"


@pytest.mark.parametrize("key", [*field_names.SERVER_LISTS, "INSTANCES"])
def test_the_list_is_found_under_each_key(key: str) -> None:
    """Servers are found under whichever key the service uses."""
    servers = parse.servers({key: [{"id": "1"}, {"id": "2"}], "total": 2})
    assert [server.id for server in servers] == ["1", "2"]
    assert servers.complete


def test_the_list_may_be_bare_or_nested() -> None:
    """A bare array is a list, and so is one inside an envelope."""
    assert [server.id for server in parse.servers([{"id": "1"}])] == ["1"]
    assert [server.id for server in parse.servers({"data": {"instances": [{"id": "1"}]}})] == ["1"]


@pytest.mark.parametrize(
    ("read", "key", "entry"),
    [
        (parse.plans, "plans", {"plan_code": "a"}),
        (parse.os_templates, "os_templates", {"id": "a"}),
        (parse.os_templates, "templates", {"slug": "a"}),
        (parse.regions, "regions", {"code": "a"}),
    ],
)
def test_catalogues_may_be_wrapped(read: Any, key: str, entry: dict[str, str]) -> None:
    """A catalogue is found bare and under its own name."""
    assert len(read([entry])) == len(read({key: [entry]})) == 1


def test_an_empty_account_is_an_empty_list() -> None:
    """No servers is no error, in both spellings of nothing."""
    assert parse.servers({"instances": [], "total": 0}) == []
    assert parse.servers({"instances": None, "total": 0}) == []


@pytest.mark.parametrize(
    "body", [{}, {"id": "plans", "hostname": "x"}, "text", None, 3, {"instances": None, "total": 2}]
)
def test_what_is_no_list_is_not_taken_for_an_empty_one(body: Any) -> None:
    """A server, a number or nothing in place of the list is another shape, not an account without servers."""
    with pytest.raises(parse.UnexpectedShapeError):
        parse.servers(body)


def test_one_bad_entry_hides_neither_the_rest_nor_itself() -> None:
    """The readable servers are listed; the list states what it lacks and that it is not complete."""
    servers = parse.servers({"instances": [{"id": "1"}, {"hostname": "ghost"}, "junk"], "total": 3})
    assert [server.id for server in servers] == ["1"]
    assert servers.unreadable == ("entry 1: it lacks 'id'", "entry 2: it is not an object")
    assert not servers.complete


def test_a_list_of_nothing_readable_is_an_error() -> None:
    """When no entry can be read the account is not shown as empty."""
    with pytest.raises(parse.UnreadableAnswerError, match="entry 0"):
        parse.servers([{"hostname": "ghost"}])


def test_a_total_above_the_entries_means_incomplete() -> None:
    """The list is no proof of absence when the service claims more servers than it sent."""
    servers = parse.servers({"instances": [{"id": "1"}], "total": 5})
    assert (servers.total, servers.complete) == (5, False)


@pytest.mark.parametrize("answer", [{"success": False}, {"ok": False, "error": "busy"}, {"Success": "false"}])
def test_a_failure_inside_a_good_code_is_a_failure(answer: dict[str, Any]) -> None:
    """`success: false` counts, whatever the code was."""
    for read in (parse.accepted("1"), parse.server("1"), parse.servers, parse.usage("1"), parse.created(NEW)):
        with pytest.raises(parse.DeclinedError):
            read(answer)


def test_the_words_of_an_accepted_operation_are_kept_apart() -> None:
    """The documented answer to a stop describes a start, so it is in the extras only."""
    answer = parse.accepted("1")({"success": True, "action": "start", "message": "VPS is starting"})
    assert answer.model_dump() == {"ok": True}
    assert answer.extra["action"] == "start"
    assert parse.accepted("1")(None).ok


def test_shares_are_computed_from_amounts() -> None:
    """Used and total become a percentage; a given percentage wins, and a total of zero is no share."""
    arguments: dict[str, JSON] = {
        "power_state": "on",
        "memory_used_mb": 2797,
        "memory_total_mb": "4096",
        "disk_used_gb": 1,
        "disk_total_gb": 0,
    }
    usage = parse.usage("1")(arguments)
    assert (usage.power_state, usage.memory_percent, usage.disk_percent) == ("on", 68.3, None)
    assert parse.usage("1")({**arguments, "memory_usage_percent": 1.5}).memory_percent == 1.5


def test_figures_without_a_figure_are_another_shape() -> None:
    """An answer in which nothing is known is not a server without load."""
    with pytest.raises(parse.UnexpectedShapeError):
        parse.usage("1")({"hello": "world"})


def test_create_fills_in_the_hostname_it_was_given() -> None:
    """Create's answer may leave the hostname out; it is the one that was asked for."""
    assert parse.created(NEW)({"id": "1", "status": "provisioning"}).hostname == "new.example.com"
    assert parse.created(NEW)({"id": "1", "hostname": "NEW"}).hostname == "NEW"


def test_windows_is_seen_in_each_dialect() -> None:
    """A template is Windows by flag, by platform or by family; without any of them it is unknown."""
    entries: list[Any] = [
        {"id": "a", "is_windows": True},
        {"slug": "b", "family": "Windows", "platform": "windows"},
        {"template_id": "c", "os_family": "windows"},
        {"id": "d", "family": "Debian"},
        {"id": "e"},
    ]
    os_templates = parse.os_templates(entries)
    assert [template.windows for template in os_templates] == [True, True, True, False, None]
    assert [template.family for template in os_templates] == [None, "windows", "windows", "debian", None]


NAMES = sorted(
    {row.theirs for _, row in rows()} | {*field_names.SERVER_LISTS, *field_names.SERVER_WRAPPERS, "total", "ok"}
)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(NAMES) | st.text(), inner, max_size=5),
    max_leaves=15,
)


@given(VALUES)
def test_no_json_breaks_a_reader(body: Any) -> None:
    """Any JSON at all becomes a model or one of the two errors that the client expects."""
    reads = (
        parse.servers,
        parse.plans,
        parse.os_templates,
        parse.regions,
        parse.server("1"),
        parse.usage("1"),
        parse.created(NEW),
    )
    for read in (*reads, parse.accepted("1")):
        with suppress(parse.UnreadableAnswerError, parse.DeclinedError):
            read(body)


def server(status: str, power: str | None = None) -> Server:
    """Return a server in that state."""
    return Server(id="1", hostname="web01", status=status, power_state=power)


@pytest.mark.parametrize(
    ("status", "power", "state", "which"),
    [
        ("running", None, "running", "ready"),
        ("active", None, "active, power unknown", "power_unknown"),
        ("active", "on", "running", "ready"),
        ("active", "off", "stopped", "off"),
        ("running", "off", "stopped", "off"),
        ("stopped", None, "stopped", "off"),
        ("stopped", "on", "stopped, power on", "pending"),
        ("running", "rebooting", "running, power rebooting", "pending"),
        ("active", "PoweredOff", "stopped", "off"),
        ("active", "running", "running", "ready"),
        ("shutoff", None, "stopped", "off"),
        ("poweroff", "off", "stopped", "off"),
        ("errored", None, "failed", "failed"),
        ("failed", None, "failed", "failed"),
        ("build_failed", None, "failed", "failed"),
        ("deleted", None, "failed", "failed"),
        ("deleting", None, "deleting", "pending"),
        ("active", "error", "active, power error", "pending"),
        ("error", "on", "failed", "failed"),
        ("terminated", "off", "failed", "failed"),
        ("provisioning", None, "provisioning", "pending"),
        ("provisioning", "off", "provisioning", "pending"),
        ("starting", "off", "starting", "pending"),
        ("stopping", "on", "stopping", "pending"),
        ("levitating", "on", "levitating", "pending"),
        ("unknown", "off", "unknown", "pending"),
    ],
)
def test_exactly_one_fact_holds_in_every_state(status: str, power: str | None, state: str, which: str) -> None:
    """Ready, off, failed, pending or of unknown power: one of them, and unknown words are pending."""
    it = server(status, power)
    names = ("ready", "off", "failed", "power_unknown", "pending")
    facts = {name: getattr(it, name) for name in names}
    assert [name for name, holds in facts.items() if holds] == [which]
    assert it.state == state
