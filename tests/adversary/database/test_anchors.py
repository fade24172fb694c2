"""Anchors outside the machine: they detect a chain that was rewritten from the start."""

import hashlib
import hmac
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Final

import anyio
import pytest
from aiohttp import web

from tests.adversary.harness import APPROVALS, PRIVATE, world
from tests.fakes.slack_bot import Scene, message_words
from tests.harness import internals
from tests.harness.patience import eventually
from tests.harness.virtual_time import VirtualClock
from vpsops.core.audit import chain
from vpsops.core.common.errors import ConfigurationError, InvalidInputError
from vpsops.core.common.timings import ANCHOR_LOOK_SECONDS, ANCHOR_RETRY_SECONDS, DAY_SECONDS
from vpsops.core.config.settings import Settings, load_settings
from vpsops.core.continuity.anchors import AnchorPublisher, AnchorTargets, TrailHead, anchor_targets_from, read_anchors
from vpsops.core.diagnostics.database import check_anchors
from vpsops.core.storage import Database, open_database
from vpsops.core.workspaces.model import Workspaces

SECRET: Final = "whsec-of-a-test"
HASH: Final = "6b" * 32


@dataclass(slots=True)
class Receiver:
    """A webhook with preset answers that keeps what it got."""

    url: str = ""
    answers: list[int] = field(default_factory=list)
    taken: list[tuple[dict[str, str], bytes]] = field(default_factory=list)

    async def take(self, request: web.Request) -> web.Response:
        self.taken.append((dict(request.headers), await request.read()))
        status = self.answers.pop(0) if self.answers else 204
        return web.Response(status=status, headers={"Location": f"{self.url}/elsewhere"} if status == 307 else None)


@asynccontextmanager
async def receiving() -> AsyncIterator[Receiver]:
    receiver, app = Receiver(), web.Application()
    app.router.add_route("*", "/{tail:.*}", receiver.take)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    receiver.url = str(site.name)
    try:
        yield receiver
    finally:
        await runner.cleanup()


@asynccontextmanager
async def database_of(url: str) -> AsyncIterator[Database]:
    async with open_database(url, VirtualClock()) as database:
        yield database


async def happen(database: Database, count: int = 1) -> str:
    """Append records, and return the head as an anchor."""
    for number in range(count):
        body = {"text": str(number)}
        await database.transact(partial(chain.append, at=1.0, event="drift", change_id=None, body=body))
    seq, digest = await database.read(chain.head)
    return f"{seq}:{digest}"


@pytest.mark.requirement("anchors-leave-daily")
async def test_a_file_gets_the_head_once_a_day_whichever_process_is_first(database_url: str, tmp_path: Path) -> None:
    """Two processes check at the same time; after three days without a process it gets a head."""
    file = tmp_path / "anchors.txt"
    async with database_of(database_url) as database, database_of(database_url) as other:
        every = [AnchorPublisher(each, VirtualClock(), AnchorTargets(file=file)) for each in (database, other)]

        async def check_anchors() -> None:
            async with anyio.create_task_group() as group:
                for each in every:
                    group.start_soon(each.leave)

        await check_anchors()
        assert not file.exists()  # there was nothing to anchor
        first = await happen(database)
        await check_anchors()
        await happen(database)
        await check_anchors()
        assert [line.split()[0] for line in file.read_text().splitlines()] == [first]
        await anyio.sleep(3 * DAY_SECONDS)
        last = await happen(other)
        await check_anchors()
        await check_anchors()
    assert [line.split()[0] for line in file.read_text().splitlines()] == [first, last]
    assert file.stat().st_mode & 0o077 == 0


@pytest.mark.requirement("anchors-leave-daily")
async def test_a_webhook_gets_it_signed_and_again_where_it_failed(database_url: str) -> None:
    """A redirect is a failure as any other: the head goes to no address that was not configured."""
    async with receiving() as receiver, database_of(database_url) as database:
        receiver.answers = [500, 307]
        anchors = AnchorPublisher(
            database, VirtualClock(), AnchorTargets(webhook=f"{receiver.url}/audit", secret=SECRET)
        )
        head = await happen(database, 3)
        assert not await anchors.leave()
        assert await anchors.leave()  # not at once again
        assert len(receiver.taken) == 1
        await anyio.sleep(ANCHOR_RETRY_SECONDS)
        assert not await anchors.leave()
        await anyio.sleep(ANCHOR_RETRY_SECONDS)
        assert await anchors.leave()
        assert await anchors.leave()
    assert len(receiver.taken) == 3
    headers, body = receiver.taken[-1]
    assert json.loads(body)["anchor"] == head
    signed = f"v1:{headers['X-Vpsops-Timestamp']}:".encode() + body
    assert headers["X-Vpsops-Signature"] == f"v1={hmac.new(SECRET.encode(), signed, hashlib.sha256).hexdigest()}"
    assert read_anchors([body.decode()], "a receiver's log") == {3: head.partition(":")[2]}


@pytest.mark.requirement("anchors-leave-daily")
async def test_a_webhook_or_a_file_that_is_not_there_is_told(database_url: str, tmp_path: Path) -> None:
    """A failing place is reported; the other places get the head."""
    file = tmp_path / "anchors.txt"
    async with database_of(database_url) as database:
        head = await happen(database)
        places = AnchorTargets(webhook="http://127.0.0.1:9/audit", file=file)
        assert not await AnchorPublisher(database, VirtualClock(), places).leave()
        assert file.read_text().startswith(head)
        settings = Settings.model_validate(
            {"VPSOPS_AUDIT_ANCHOR_WEBHOOK": "http://127.0.0.1:9/audit", "VPSOPS_AUDIT_ANCHOR_FILE": str(file)}
        )
        findings = {anchor.what.partition(":")[0]: anchor for anchor in await check_anchors(database, settings)}
        assert (findings["file"].level, findings["webhook"].level) == ("ok", "warn")
        assert "never left" in findings["webhook"].what
        await anyio.sleep(3 * DAY_SECONDS)
        assert {anchor.level for anchor in await check_anchors(database, settings)} == {"warn"}


@pytest.mark.requirement("anchors-leave-daily")
async def test_a_channel_gets_it_and_what_is_pasted_from_there_is_read(tmp_path: Path) -> None:
    """The bot posts what was stored with the day's mark; no other channel gets it."""
    scene = Scene(workspace=PRIVATE, settings={**APPROVALS, "VPSOPS_AUDIT_ANCHOR_CHANNEL": "C0OPS"})
    async with world(tmp_path, scene) as here:
        await anyio.sleep(ANCHOR_LOOK_SECONDS + 1)

        def posted() -> list[str]:
            texts = [message_words(message) for message in here.stage.slack.messages("ops")]
            return [text for text in texts if "Head of the audit trail" in text]

        (text, *more) = await eventually(posted)
        ((seq, digest),) = read_anchors([text], "Slack").items()
        records = await internals.database_of(here.core).read(chain.read)
        assert (more, records[seq - 1].hash) == ([], digest)
        assert not any("Head of" in message_words(message) for message in here.stage.slack.messages("approvals"))


@pytest.mark.requirement("anchors-are-verified")
def test_anchors_are_found_in_whatever_stands_around_them() -> None:
    upper = HASH.upper()
    lines = [f'{{"anchor": "7:{HASH}", "seq": 7}}', f"• `9:{upper}`.", "12:30 nothing", f"1:{HASH}0", f"x{HASH}"]
    assert read_anchors(lines, "a file") == {7: HASH, 9: HASH}
    with pytest.raises(InvalidInputError, match="holds no anchor"):
        read_anchors(["12:30", HASH], "a file")
    with pytest.raises(InvalidInputError, match="two hashes for record 7"):
        read_anchors([f"7:{HASH}", f"7:{'a' * 64}"], "a file")


def test_an_anchor_is_written_as_it_is_read() -> None:
    head = TrailHead(12, HASH, VirtualClock().now())
    assert read_anchors([str(head)], "a head") == {12: HASH}


@pytest.mark.parametrize("url", ["http://example.com/x", "ftp://example.com", "http://localhost.example.com/x"])
def test_a_webhook_is_encrypted_or_on_this_machine(url: str) -> None:
    with pytest.raises(ConfigurationError, match="must begin with https") as raised:
        anchor_targets_from(load_settings({"VPSOPS_AUDIT_ANCHOR_WEBHOOK": url}), Workspaces())
    assert url not in str(raised.value)
