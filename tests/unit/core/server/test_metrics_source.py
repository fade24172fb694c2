"""`/metrics`: what it reads, who may read it, and what it shows while the database does not answer."""

import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import timedelta

import httpx
import pytest
from sqlalchemy.engine import Connection
from starlette.applications import Starlette

from tests.fakes.clock import START
from tests.harness.internals import database_of
from tests.unit.core import sample
from tests.unit.core.server.test_readiness import worker
from vpsops.core.app import Core
from vpsops.core.changes.model import State
from vpsops.core.messaging import outbox
from vpsops.core.server.health_routes import health_routes
from vpsops.core.server.metrics_source import KEPT_SECONDS
from vpsops.core.storage.tables import CHANGES, INBOX

pytestmark = pytest.mark.real_time  # the client of Prometheus stamps what it makes


@asynccontextmanager
async def scraper(core: Core, *, private: bool = False, host: str = "127.0.0.1") -> AsyncIterator[httpx.AsyncClient]:
    """A scraper that connects from an address."""
    app = Starlette(routes=health_routes(core.readiness, private=private))
    transport = httpx.ASGITransport(app, client=(host, 1))
    async with httpx.AsyncClient(transport=transport, base_url="http://here") as client:
        yield client


async def scraped(client: httpx.AsyncClient) -> dict[str, float]:
    """Return the samples of a scrape by their names and labels."""
    answer = await client.get("/metrics")
    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith("text/plain")
    lines = [line for line in answer.text.splitlines() if line.startswith("vpsops_")]
    return {line.rpartition(" ")[0]: float(line.rpartition(" ")[2]) for line in lines}


def fill(connection: Connection) -> None:
    """Store a delivery, a message and two changes that wait."""
    held = sample.change(state=State.HELD, sent_at=None, id="chg_held")
    approved = sample.change(state=State.APPROVED, sent_at=None, id="chg_approved")
    sample.put(connection, held)
    sample.put(connection, replace(approved, target=replace(approved.target, id="s2")))
    late = (START - timedelta(seconds=40)).timestamp()
    connection.execute(CHANGES.update().where(CHANGES.c.id == "chg_approved").values(updated_at=late, owner="gone"))
    values = {"kind": "command", "payload": {}, "received_at": late + 20, "arrived_at": late}
    connection.execute(INBOX.insert().values(key="a", **values))
    connection.execute(INBOX.insert().values(key="b", **values, done_at=late))
    outbox.put(connection, "change:chg_held", "notice", {"change": "chg_held", "event": "x"}, START)


@pytest.mark.requirement("metrics-scrape")
async def test_queues_processes_and_versions_are_shown(database_url: str) -> None:
    """Depth and age of what waits, open changes, living processes, and what this process is."""
    async with worker(database_url) as (core, clock), scraper(core) as client:
        await core.gate.start_engine()
        await database_of(core).transact(fill)
        shown = await scraped(client)
        assert shown["vpsops_database_up"] == 1
        assert shown['vpsops_queue_depth{queue="inbox"}'] == 1
        assert shown['vpsops_queue_age_seconds{queue="inbox"}'] == pytest.approx(
            clock.now().timestamp() - START.timestamp() + 40, abs=30
        )
        assert shown['vpsops_queue_depth{queue="outbox"}'] == 3  # two cards and a notice
        assert shown['vpsops_changes_open{state="held"}'] == 1
        assert shown['vpsops_processes{front="worker"}'] == 1
        assert shown['vpsops_provider_hold_offs{scope="all"}'] == 0
        assert shown["vpsops_agents_paused"] == 0
        assert shown["vpsops_heartbeat_age_seconds"] >= 0
        build = next(name for name in shown if name.startswith("vpsops_build_info"))
        assert re.search(r'python="3\.\d+\.\d+",version="\d', build) or re.search(r'version="\d', build)
        assert 'front="worker"' in build
        assert "other" not in build


@pytest.mark.requirement("metrics-scrape")
async def test_messages_without_a_bot_have_no_age(database_url: str) -> None:
    """A set-up without Slack keeps the messages for one that may come; an alert on their age would never end."""
    async with worker(database_url) as (core, clock), scraper(core) as client:
        await database_of(core).transact(fill)
        clock.advance(600)
        alone = await scraped(client)
        assert alone['vpsops_queue_depth{queue="outbox"}'] == 3
        assert alone['vpsops_queue_age_seconds{queue="outbox"}'] == 0
        await core.outbox.remember("change:chg_held", "card", "C1", "1.2")
        clock.advance(KEPT_SECONDS)
        assert (await scraped(client))['vpsops_queue_age_seconds{queue="outbox"}'] >= 600


async def test_scrapes_within_seconds_are_of_one_read(database_url: str) -> None:
    """A scraper costs the database one read in five seconds, however often it asks."""
    async with worker(database_url) as (core, clock), scraper(core) as client:
        assert (await scraped(client)).get('vpsops_changes_open{state="held"}') is None
        await database_of(core).transact(fill)
        assert (await scraped(client)).get('vpsops_changes_open{state="held"}') is None
        clock.advance(KEPT_SECONDS)
        assert (await scraped(client))['vpsops_changes_open{state="held"}'] == 1


@pytest.mark.requirement("metrics-scrape")
async def test_what_cannot_be_read_is_absent(database_url: str) -> None:
    """Without the database a scrape answers all the same: at 0, with nothing that would be a guess."""
    async with worker(database_url) as (core, clock), scraper(core) as client:
        assert 'vpsops_queue_depth{queue="runs"}' in await scraped(client)
        await database_of(core).transact(lambda connection: connection.exec_driver_sql("DROP TABLE inbox"))
        clock.advance(KEPT_SECONDS)
        shown = await scraped(client)
        assert shown["vpsops_database_up"] == 0
        assert not [name for name in shown if name.startswith(("vpsops_queue", "vpsops_processes", "vpsops_agents"))]


@pytest.mark.requirement("metrics-private")
@pytest.mark.parametrize(
    ("host", "headers", "private", "status"),
    [
        ("127.0.0.1", {}, False, 200),
        ("::1", {}, False, 200),
        ("203.0.113.5", {}, False, 404),
        ("203.0.113.5", {}, True, 200),
        ("127.0.0.1", {"X-Forwarded-For": "127.0.0.1"}, False, 404),
        ("127.0.0.1", {"Forwarded": "for=127.0.0.1"}, False, 404),
        ("127.0.0.1", {"X-Real-IP": "127.0.0.1"}, False, 404),
        ("127.0.0.1", {"Via": "1.1 proxy"}, False, 404),
        ("127.0.0.1", {"X-Forwarded-For": "203.0.113.5"}, True, 200),
    ],
)
async def test_at_a_public_port_they_are_for_this_machine(
    database_url: str, host: str, headers: dict[str, str], private: bool, status: int
) -> None:
    """Beside Slack's address and MCP's, another machine or a proxy is answered as if there were none."""
    async with worker(database_url) as (core, _), scraper(core, private=private, host=host) as client:
        answer = await client.get("/metrics", headers=headers)
        assert answer.status_code == status
        assert ("vpsops_build_info" in answer.text) is (status == 200)
