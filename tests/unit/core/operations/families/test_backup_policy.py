"""A backup policy as an operation: refused at its field, shown field by field, and read back."""

from datetime import UTC, datetime
from typing import Any, Final

import pytest
from pydantic import ValidationError

from tests.fakes.provider import SERVER, SERVER_ID, Provider, Reply
from vpsops.core.common.errors import AlreadyGoneError, InvalidInputError
from vpsops.core.operations import OPERATIONS
from vpsops.core.operations.families.backup_policy import PolicyArguments, ordered
from vpsops.core.operations.registry import ServerArguments
from vpsops.core.operations.strategies import Inspected, LiveState, Sent
from vpsops.core.operations.target import Target
from vpsops.core.wayscloud.answers.models import Server

PATH: Final = f"/v1/vps/{SERVER_ID}/backup-policy"
WEB01: Final = Server.model_validate(SERVER)
DAILY: Final[dict[str, Any]] = {"enabled": True, "frequency": "daily", "time_of_day": "03:00", "retention_days": 14}
ASKED: Final = PolicyArguments(server=SERVER_ID, frequency="daily", time_of_day="03:00", retention_days=14)
SUNDAYS: Final = PolicyArguments(
    server=SERVER_ID, frequency="weekly", time_of_day="04:30", retention_days=7, day_of_week="sunday"
)


def provided(policy: dict[str, Any] | None) -> Provider:
    """Return a provider with this policy."""
    return Provider().on("GET", PATH, Reply(200, {"policy": policy}))


async def shown(
    policy: dict[str, Any] | None, asked: ServerArguments, name: str = "backup_policy_set"
) -> dict[str, str]:
    """Return the facts that people are asked by, those without a value left out."""
    async with provided(policy).client() as api:
        precheck = await OPERATIONS[name].check(api, asked, WEB01)
    facts = OPERATIONS[name].describe(asked, LiveState(WEB01, precheck.details))
    return {fact.label: fact.value for fact in facts if fact.value}


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"retention_days": 0}, "retention_days"),
        ({"retention_days": 91}, "retention_days"),
        ({"retention_days": 1.5}, "retention_days"),
        ({"frequency": "hourly"}, "frequency"),
        ({"time_of_day": "24:00"}, "time_of_day"),
        ({"time_of_day": "3:00"}, "time_of_day"),
        ({"time_of_day": "03:00 "}, None),
        ({"day_of_week": "monday"}, "day_of_week"),
        ({"frequency": "weekly"}, "day_of_week"),
        ({"frequency": "weekly", "day_of_week": "someday"}, "day_of_week"),
        ({"frequency": "weekly", "day_of_week": "monday"}, None),
    ],
)
@pytest.mark.requirement("backup-policy-fields")
def test_a_value_is_refused_at_its_field(change: dict[str, Any], field: str | None) -> None:
    """Days from 1 to 90, a time of day, a day of the week with weekly and only there."""
    fields = {"server": "web01", "frequency": "daily", "time_of_day": "03:00"} | change
    if field is None:
        PolicyArguments.model_validate(fields)
        return
    with pytest.raises(ValidationError) as caught:
        PolicyArguments.model_validate(fields)
    assert {error["loc"][0] for error in caught.value.errors()} == {field}


async def test_a_policy_is_shown_field_by_field() -> None:
    """What changes with what it was before, the rest as it stays."""
    assert await shown(DAILY, SUNDAYS) == {
        "Enabled": "yes",
        "Frequency": "daily → weekly",
        "Time": "03:00 UTC → 04:30 UTC",
        "Day": "every day → sunday",
        "Days kept": "14 → 7",
        "May be lost": "backups older than 7 days",
    }
    assert await shown(None, ASKED) == {
        "Enabled": "none → yes",
        "Frequency": "none → daily",
        "Time": "none → 03:00 UTC",
        "Day": "none → every day",
        "Days kept": "none → 14",
    }
    assert (await shown(DAILY | {"enabled": False}, ASKED))["Enabled"] == "no → yes"


async def test_what_the_api_does_not_say_of_a_policy_is_not_known() -> None:
    """And what may be lost by it is not kept quiet."""
    facts = await shown({"frequency": "weekly"}, ASKED)
    assert (facts["Enabled"], facts["Time"]) == ("not known → yes", "not known → 03:00 UTC")
    assert (facts["Day"], facts["Days kept"]) == ("not known → every day", "not known → 14")
    assert "not known" in facts["May be lost"]


async def test_an_equal_policy_is_nothing_to_do() -> None:
    """In any spelling of the same; a disabled one is not equal."""
    async with provided(DAILY | {"time_of_day": "03:00:00", "next_backup_at": None}).client() as api:
        with pytest.raises(InvalidInputError, match="already"):
            await OPERATIONS["backup_policy_set"].check(api, ASKED, WEB01)


async def test_no_policy_cannot_be_removed() -> None:
    """It was gone already."""
    asked = ServerArguments(server=SERVER_ID)
    async with provided(None).client() as api:
        with pytest.raises(AlreadyGoneError, match="no backup policy"):
            await OPERATIONS["backup_policy_remove"].check(api, asked, WEB01)
    facts = await shown(DAILY, asked, "backup_policy_remove")
    assert facts["Days kept"] == "14 → none"


async def inspected(policy: dict[str, Any] | None, name: str, *, accepted: bool) -> Inspected:
    """Return what a read shows of a change that was sent."""
    asked = ASKED if name == "backup_policy_set" else ServerArguments(server=SERVER_ID)
    at = datetime(2027, 1, 4, 9, tzinfo=UTC)
    inspect = OPERATIONS[name].inspect
    assert inspect is not None
    async with provided(policy).client() as api:
        sent = Sent(asked, Target(id=SERVER_ID, hostname="web01.example.com"), {}, (), at, at, accepted)
        return (await inspect(api, sent)).finding


@pytest.mark.parametrize(
    ("policy", "accepted", "finding"),
    [
        (DAILY, False, Inspected.DONE),
        (DAILY | {"day_of_week": 3}, False, Inspected.DONE),
        (DAILY | {"retention_days": 7}, False, Inspected.NOT_DONE),
        (DAILY | {"retention_days": 7}, True, Inspected.UNDER_WAY),
        (None, False, Inspected.NOT_DONE),
        ({"frequency": "daily"}, True, Inspected.NOT_KNOWABLE),
    ],
)
@pytest.mark.requirement("backup-outcomes")
async def test_a_policy_is_set_where_it_reads_so(
    policy: dict[str, Any] | None, accepted: bool, finding: Inspected
) -> None:
    """Field by field; what the API does not show cannot be verified."""
    assert await inspected(policy, "backup_policy_set", accepted=accepted) is finding


@pytest.mark.parametrize(
    ("policy", "accepted", "finding"),
    [(None, False, Inspected.DONE), (DAILY, False, Inspected.NOT_DONE), (DAILY, True, Inspected.UNDER_WAY)],
)
async def test_a_policy_is_removed_where_there_is_none(
    policy: dict[str, Any] | None, accepted: bool, finding: Inspected
) -> None:
    """Null, and nothing else."""
    assert await inspected(policy, "backup_policy_remove", accepted=accepted) is finding


def test_a_weekly_policy_is_sent_with_the_providers_number() -> None:
    """Monday is 0."""
    assert (ordered(SUNDAYS).day_of_week, ordered(ASKED).day_of_week) == (6, None)
