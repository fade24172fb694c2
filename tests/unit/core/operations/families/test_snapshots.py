"""What became of a snapshot that was asked for: ours by an accepted or unanswered request, judged after a refusal."""

from datetime import UTC, datetime, timedelta
from typing import Any, Final

import pytest

from tests.fakes.provider import SERVER_ID, Provider, Reply
from vpsops.core.operations.families.snapshots import NewSnapshotArguments, inspect_create
from vpsops.core.operations.strategies import Inspected, Sent
from vpsops.core.operations.target import Target

NAME: Final = "before-upgrade"
SENT_AT: Final = datetime(2027, 1, 4, 9, 0, tzinfo=UTC)
MINE: Final = "for the upgrade"


async def finding(seconds: float | None, theirs: str | None, mine: str | None, **sent: bool) -> Inspected:
    """Return the finding where a snapshot by the name was taken so many seconds after the sending; None is no date."""
    taken = (SENT_AT + timedelta(seconds=seconds)).isoformat() if seconds is not None else None
    snapshot: dict[str, Any] = {"snapshot_name": NAME, "created_at": taken, "description": theirs}
    provider = Provider().on("GET", f"/v1/vps/{SERVER_ID}/snapshots", Reply(200, {"snapshots": [snapshot]}))
    asked = NewSnapshotArguments(server=SERVER_ID, snapshot=NAME, description=mine)
    known = {"accepted": False, **sent}
    change = Sent(asked, Target(SERVER_ID, "web01"), {}, (), SENT_AT, SENT_AT + timedelta(minutes=5), **known)
    async with provider.client() as api:
        return (await inspect_create(api, change)).finding


@pytest.mark.parametrize("seconds", [0.0, 5.0, None])
@pytest.mark.parametrize(("theirs", "mine"), [(None, None), (None, MINE), ("theirs", MINE), ("theirs", None)])
@pytest.mark.requirement("refused-is-not-ours")
async def test_a_young_snapshot_after_a_refusal_is_a_persons_to_judge(
    seconds: float | None, theirs: str | None, mine: str | None
) -> None:
    """The name may have been taken in between, and that is what the refusal was about."""
    assert await finding(seconds, theirs, mine, refused=True) is Inspected.AMBIGUOUS


@pytest.mark.requirement("refused-is-not-ours")
async def test_a_description_tells_whose_a_snapshot_is() -> None:
    """A refusal that came after the effect: it is ours."""
    assert await finding(1.0, MINE, MINE, refused=True) is Inspected.DONE


async def test_an_older_snapshot_is_none_that_a_refused_request_took() -> None:
    """Whatever it is described as."""
    assert await finding(-3600.0, MINE, MINE, refused=True) is Inspected.NOT_DONE


@pytest.mark.parametrize("sent", [{"accepted": True}, {}])
async def test_a_snapshot_without_a_refusal_is_ours(sent: dict[str, bool]) -> None:
    """The name was free just before the sending, and nothing was said against it."""
    assert await finding(1.0, None, None, **sent) is Inspected.DONE
