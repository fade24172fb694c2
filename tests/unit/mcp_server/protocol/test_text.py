"""Short text: outside words kept harmless, small tables, numbers as people write them."""

import unicodedata
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vpsops.core.operations.catalogue import OsTemplates, Plans, Regions
from vpsops.core.operations.families.backup_policy import ShownPolicy
from vpsops.core.operations.families.snapshots import SnapshotList
from vpsops.core.operations.servers import ServerList
from vpsops.core.wayscloud.answers.models import AcceptedOperation, OsTemplate, Plan, Region, Server, Usage
from vpsops.core.wayscloud.server_parts.backup_answers import BackupUsage
from vpsops.mcp_server.presenters.pagination import page_from
from vpsops.mcp_server.presenters.projection import ReadArguments
from vpsops.mcp_server.presenters.servers import result_text, structured_content
from vpsops.mcp_server.protocol.text import MAX_ROWS, quote, sanitize, sanitize_json, size, table


@given(st.text(max_size=400))
def test_clean_text_is_one_harmless_line(value: str) -> None:
    """Whatever comes in, what comes out has no control, format or line characters and is bounded."""
    output = sanitize(value)
    assert len(output) <= 120
    assert not any(unicodedata.category(char) in {"Cc", "Cf", "Zl", "Zp", "Cs"} for char in output)
    assert sanitize(output) == output


@given(st.text(max_size=200))
def test_quoted_text_cannot_leave_its_marks(value: str) -> None:
    """Only the first and the last character are quotation marks of ours."""
    output = quote(value)
    assert (output[0], output[-1]) == ("“", "”")
    assert not set(output[1:-1]) & {"“", "”"}


def test_structured_text_is_cleaned_to_the_bottom() -> None:
    """Strings in lists and objects are cleaned, other values and keys are left."""
    assert sanitize_json({"a": ["x\x00y", 1, None, {"b": "c\u202ed"}]}) == {"a": ["xy", 1, None, {"b": "cd"}]}


def test_a_table_is_aligned_and_leaves_out_empty_columns() -> None:
    """Columns are as wide as their widest value; a column without values costs nothing."""
    output = table(("NAME", "NONE", "SIZE"), [("web01", None, 4.0), ("b", "", 2.5), ("c\nd", None, None)])
    assert output.split("\n") == ["NAME   SIZE", "web01  4", "b      2.5", "c d    -"]


def test_a_long_table_says_what_it_leaves_out() -> None:
    """Past a hundred rows the structured content has the rest."""
    output = table(("N",), [(number,) for number in range(MAX_ROWS + 7)])
    assert output.split("\n")[-1] == "7 more are in the structured result."
    assert len(output.split("\n")) == MAX_ROWS + 2


@pytest.mark.parametrize(
    ("count", "text"),
    [(0, "0 B"), (999, "999 B"), (1_500, "1.5 kB"), (2_000_000_000, "2.0 GB"), (10**16, "10000.0 TB")],
)
def test_bytes_are_told_in_a_fitting_unit(count: int, text: str) -> None:
    """The largest unit that leaves a whole part."""
    assert size(count) == text


SERVER = Server(id="1", hostname="web01.example.com", status="active", power_state="off")


def test_a_server_that_is_off_is_told_as_stopped() -> None:
    """The API's own status may be active; the state is what counts, in text and structure."""
    assert result_text(SERVER) == "web01.example.com (1) is stopped."
    assert structured_content(SERVER) == {
        "id": "1",
        "hostname": "web01.example.com",
        "status": "active",
        "power_state": "off",
        "state": "stopped",
    }


def test_a_server_with_all_its_facts() -> None:
    """Every known fact has its words."""
    full = SERVER.model_copy(
        update={
            "status": "running",
            "power_state": "on",
            "plan": "vps-4gb-2cpu",
            "region": "oslo",
            "os_template": "ubuntu-24.04",
            "ipv4": "192.0.2.1",
            "vcpus": 2,
            "memory_gb": 4.0,
            "disk_gb": 80.0,
            "monthly_price": 12.5,
            "currency": "EUR",
            "created_at": datetime(2026, 1, 2, 3, 4, tzinfo=UTC),
        }
    )
    assert result_text(full).split("\n") == [
        "web01.example.com (1) is running.",
        (
            "Plan vps-4gb-2cpu, region oslo, OS ubuntu-24.04, 192.0.2.1, 2 vCPU, 4 GB memory, 80 GB disk,"
            " 12.50 EUR a month, since 2026-01-02 03:04 UTC."
        ),
    ]


def test_servers_with_the_same_name_are_told_apart_by_id() -> None:
    """The id costs tokens, so it is shown only where the name is not enough."""
    other = SERVER.model_copy(update={"id": "2"})
    third = SERVER.model_copy(update={"id": "3", "hostname": "db01.example.com"})
    output = page_from(ServerList(servers=[SERVER, other, third], total=3), ReadArguments({}))[0].split("\n")
    assert [line.split()[1] for line in output[:4]] == ["ID", "1", "2", "-"]


@pytest.mark.parametrize(
    ("result", "text"),
    [
        (Usage(), "The provider gave no figures."),
        (
            Usage(
                status="running",
                uptime_seconds=90,
                cpu_percent=3.26,
                network_in_bytes=1_500,
                network_out_bytes=0,
            ),
            "Running, up 1 min 30 s, CPU 3.3 %, in 1.5 kB, out 0 B.",
        ),
        (Plans(plans=[]), "The provider lists no plans."),
        (OsTemplates(os_templates=[]), "The provider lists no OS templates."),
        (Regions(regions=[]), "The provider lists no regions."),
        (AcceptedOperation(), "Ok: yes."),
        (SnapshotList(snapshots=[], total=0), "Snapshots: none.\nTotal: 0."),
        (ShownPolicy(policy=None), "The server has no backup policy."),
        (BackupUsage(), "The provider gave no details."),
    ],
)
def test_what_is_empty_or_partial_is_said(result: AcceptedOperation, text: str) -> None:
    """An empty result has a text; a kind without words of its own is written by its fields."""
    assert result_text(result) == text


def test_catalogues_are_tables() -> None:
    """Codes first, prices with their currency, closed regions marked."""
    plans = Plans(plans=[Plan(code="small", vcpus=1, memory_gb=2, monthly_price=5.0, currency="EUR")])
    assert result_text(plans).split("\n")[1].split() == ["small", "1", "2", "5", "EUR"]
    templates = OsTemplates(os_templates=[OsTemplate(id="debian-12", name="Debian 12")])
    assert result_text(templates).split("\n")[1].split() == ["debian-12", "Debian", "12"]
    regions = Regions(regions=[Region(code="oslo"), Region(code="far", available=False)])
    assert result_text(regions).split("\n")[1:] == ["oslo  -", "far   not available"]
