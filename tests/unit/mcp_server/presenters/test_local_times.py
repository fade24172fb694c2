"""Times in UTC, repeated in the time of a machine that the server shares with its callers."""

from datetime import UTC, datetime, timedelta, timezone
from zoneinfo import ZoneInfo

import mcp.types as t
import pytest

from vpsops.mcp_server.presenters.results import text_result, with_local_times

NOW = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)
OSLO = ZoneInfo("Europe/Oslo")
POLICY = "Frequency: daily.\nTime: 03:00 UTC.\nNext backup: 2026-11-25 03:00 UTC."


def words(text: str, zone: ZoneInfo | timezone = OSLO, now: datetime = NOW) -> str:
    made = with_local_times(text_result(text), now, zone)
    assert isinstance(made, t.CallToolResult)
    block = made.content[0]
    assert isinstance(block, t.TextContent)
    assert block.text.startswith(text)
    return block.text.removeprefix(text)


def test_a_daily_time_is_repeated_with_its_zone() -> None:
    """Also the dated times beside it; the text itself stays in UTC."""
    assert words(POLICY) == (
        "\nIn this machine's time: 03:00 UTC is 04:00 CET, 2026-11-25 03:00 UTC is 2026-11-25 04:00 CET."
    )


def test_the_offset_is_that_of_the_next_time() -> None:
    """The evening before summer time begins, the next 03:00 UTC is in it."""
    assert words("03:00 UTC", now=datetime(2026, 3, 28, 22, 0, tzinfo=UTC)) == (
        "\nIn this machine's time: 03:00 UTC is 05:00 CEST."
    )


@pytest.mark.parametrize("text", ["2026-11-25 03:00 UTC", "no time", "", "03:00"])
def test_without_a_daily_time_nothing_is_added(text: str) -> None:
    """A time with a date says all that is needed, and one without a zone is none of ours."""
    assert words(text) == ""


def test_a_machine_in_utc_adds_nothing() -> None:
    """Its time is the one that the text has."""
    assert words(POLICY, timezone(timedelta())) == ""


def test_another_result_stays_as_it_is() -> None:
    """A task has no text yet."""
    task = {"task": {"id": "chg_1"}}
    assert with_local_times(task, NOW, OSLO) is task  # type: ignore[arg-type] # in its wire form
