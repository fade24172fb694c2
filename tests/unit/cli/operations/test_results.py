"""Results of reads as lines and as documents, whatever operation they are of."""

from datetime import UTC, datetime

import pytest
from pydantic import BaseModel, SecretStr

from tests.unit.core.sample import server
from vpsops.cli.operations.results import result_document, result_lines, result_notes, stored_text, value_text
from vpsops.core.common.json_types import Json
from vpsops.core.console.layout import PLAIN
from vpsops.core.operations.families.backup_policy import ShownPolicy
from vpsops.core.operations.servers import ListArguments, ServerList, page
from vpsops.core.wayscloud.answers.models import ProviderList, Usage


class Copy(BaseModel):
    """A made-up part of a server."""

    copy_id: str
    size_gb: float | None = None


class Copies(BaseModel):
    """A made-up list."""

    copies: list[Copy]
    total: int


def test_servers_are_a_table() -> None:
    """By name, with their state in words and their ids last."""
    listed = ServerList(servers=[server(plan="s-1", ipv4="192.0.2.1")], total=1)
    assert result_lines(listed, PLAIN) == [
        "HOSTNAME           STATE    PLAN  IPV4       ID",
        "web01.example.com  running  s-1   192.0.2.1  s1",
    ]
    assert result_document(listed)["servers"][0]["state"] == "running"


def test_any_other_result_is_shown_by_its_fields() -> None:
    """A new entry of the registry needs no line here."""
    assert result_lines(Copies(copies=[Copy(copy_id="c1", size_gb=2.5)], total=1), PLAIN) == [
        "COPY ID  SIZE",
        "c1       2.5 GB",
    ]
    assert result_lines(Copy(copy_id="c1"), PLAIN) == ["Copy id  c1"]
    assert result_lines(Copies(copies=[], total=0), PLAIN) == ["There are no copies."]


def test_a_filter_that_matches_nothing_is_told_apart_from_nothing_there() -> None:
    """There may be servers that it leaves out."""
    assert result_lines(Copies(copies=[], total=0), PLAIN, narrowed=True) == ["No copies match."]


def test_a_server_is_its_facts() -> None:
    """Its labels make it no list."""
    lines = result_lines(server(plan="s-1"), PLAIN)
    assert lines[:3] == ["Hostname  web01.example.com", "State     running", "Plan      s-1"]


def test_figures_have_their_units() -> None:
    """Percent, bytes, spans; what is not known is left out."""
    usage = Usage(cpu_percent=12.4, uptime_seconds=3700, network_in_bytes=1_500_000)
    assert result_lines(usage, PLAIN) == ["Uptime      1 h 1 min", "CPU         12 %", "Network in  1.5 MB"]


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, ""),
        (True, "yes"),
        (datetime(2026, 1, 2, 3, 4, tzinfo=UTC), "2026-01-02 03:04 UTC"),
        (["a", "b"], "a, b"),
        (SecretStr("https://x"), "https://x"),
        ("red\x1b[31m", "red\ufffd[31m"),
        (1999, "1999"),
    ],
)
def test_values_are_text(value: object, text: str) -> None:
    """What steers a terminal is taken out of the provider's words."""
    assert value_text("name", value) == text


def test_a_policy_that_is_not_there_is_told_apart() -> None:
    """No policy differs from an empty policy."""
    assert result_lines(ShownPolicy(policy=None), PLAIN) == ["Policy  none"]


def test_what_a_list_lacks_is_a_note() -> None:
    """An incomplete list says so, in the document too."""
    listed = page(ProviderList([server()], total=3), ListArguments())
    assert "1 of 3" in result_notes(listed)[0]
    assert "1 of 3" in str(result_document(listed))


@pytest.mark.parametrize(
    ("name", "value", "text"),
    [
        ("created_at", "2026-11-30T12:17:16Z", "2026-11-30 12:17 UTC"),
        ("created_at", "soon", "soon"),
        ("memory_gb", 2.0, "2 GB"),
        ("monthly_price", 99.0, "99"),
        ("labels", {}, ""),
        ("labels", {"team": "shop"}, "team=shop"),
        ("tags", [], ""),
        ("plan", None, ""),
        ("hostname", "web01.example.com", "web01.example.com"),
    ],
)
def test_a_stored_result_reads_as_one_that_was_just_read(name: str, value: Json, text: str) -> None:
    """It is JSON, so its moments are text and its numbers may have lost what they were."""
    assert stored_text(name, value) == text
