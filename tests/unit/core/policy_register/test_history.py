"""Applied policies: kept, on record, one after the other, and unusable once altered."""

import threading
from collections.abc import AsyncIterator
from dataclasses import replace
from functools import partial

import anyio
import pytest
import sqlalchemy as sa
from sqlalchemy.engine import Connection

from tests.harness.patience import PATIENCE_SECONDS
from tests.harness.virtual_time import VirtualClock
from vpsops.core.audit import chain
from vpsops.core.common.errors import InvalidInputError, StaleChangeError
from vpsops.core.policy_register import history
from vpsops.core.policy_register.document import Document
from vpsops.core.policy_register.history import Application
from vpsops.core.policy_register.revisions import PolicyBrokenError, Revision, keep_still
from vpsops.core.storage import Database, open_database
from vpsops.core.storage.tables import OUTBOX, POLICIES

FIRST = Document(rules=({"id": "reads", "decision": "allow"},), holds={"confirm": 1.0, "approve": 2.0})
SECOND = replace(FIRST, limits={"max_servers": 1})


@pytest.fixture
async def database(database_url: str) -> AsyncIterator[Database]:
    async with open_database(database_url, VirtualClock()) as opened:
        yield opened


def application(document: Document, over: int) -> Application:
    return Application(document, over, {"kind": "person", "id": "local:ann"}, 5.0, "vpsops.toml", "what changed")


async def applied(database: Database, document: Document, over: int) -> Revision:
    return await database.transact(lambda connection: history.apply(connection, application(document, over)))


@pytest.mark.requirement("policy-applied-audited")
async def test_every_policy_is_kept_and_on_record(database: Database) -> None:
    """The record has who, when, what, and the previous policy."""
    assert await database.read(history.in_force) is None
    first, second = await applied(database, FIRST, 0), await applied(database, SECOND, 1)
    assert await database.read(history.in_force) == second
    assert (second.number, second.previous, second.document, second.author) == (2, first.version, SECOND, "local:ann")
    assert [item.number for item in await database.read(history.history)] == [2, 1]
    payloads = await database.read(lambda connection: connection.execute(sa.select(OUTBOX.c.payload)).scalars().all())
    assert [item["text"].split(": ", 1)[0] for item in payloads] == ["Another policy is in force for all processes"]
    assert "applied by local:ann (claimed). what changed" in payloads[0]["text"]
    records = await database.read(chain.read)
    assert [(record.event, record.body["version"], record.body["previous"]) for record in records] == [
        ("policy_applied", FIRST.version, ""),
        ("policy_applied", SECOND.version, FIRST.version),
    ]


@pytest.mark.requirement("policy-apply-compares")
async def test_what_changed_since_the_diff_is_not_overwritten(database: Database) -> None:
    """Two people who saw the same policy: the second one is refused, and nothing is stored."""
    await applied(database, FIRST, 0)
    with pytest.raises(StaleChangeError, match="Another policy was applied meanwhile"):
        await applied(database, SECOND, 0)
    assert await database.read(history.head) == (1, FIRST.version)


async def test_a_policy_is_named_by_version_or_number(database: Database) -> None:
    """A beginning of its version that means one, or its number."""
    first, second = await applied(database, FIRST, 0), await applied(database, SECOND, 1)
    for name in (second.version, second.version[:12], second.version[4:12], "2"):
        assert await database.read(partial(history.named, name=name)) == second
    again = await applied(database, FIRST, 2)
    named = await database.read(partial(history.named, name=first.version))
    assert named == again  # the same text, applied last
    for name in ("3e", "pol_", "9", "pol_zzzzzzzz", "%", "1" * 40):
        with pytest.raises(InvalidInputError):
            await database.read(partial(history.named, name=name))


@pytest.mark.requirement("policy-on-record-only")
@pytest.mark.parametrize(
    "altered",
    [
        {"text": SECOND.text},
        {"text": SECOND.text, "version": SECOND.version},
        {"record": 2},
        {"record": 99},
        {"number": 7},
    ],
)
async def test_a_policy_that_the_trail_does_not_carry_decides_nothing(
    database: Database, altered: dict[str, object]
) -> None:
    """A write to the row alone puts nothing in force."""
    await applied(database, FIRST, 0)
    await database.transact(lambda connection: chain.append(connection, 6.0, "policy_applied", None, {}))

    def alter(connection: Connection) -> None:
        connection.execute(sa.update(POLICIES).values(**altered))

    await database.transact(alter)
    with pytest.raises(PolicyBrokenError, match="audit trail does not carry it"):
        await database.read(history.in_force)


@pytest.mark.real_time
@pytest.mark.requirement("policy-counts-at-last-yes")
async def test_nobody_applies_a_policy_while_a_change_is_decided(database: Database) -> None:
    """What a decision read holds until it is stored: who applies another meanwhile waits for it."""
    await applied(database, FIRST, 0)
    entered, leave = threading.Event(), threading.Event()
    order: list[str] = []

    def decide(connection: Connection) -> None:
        keep_still(connection)
        entered.set()
        leave.wait(PATIENCE_SECONDS)
        order.append(history.head(connection)[1])

    async def apply() -> None:
        order.append((await applied(database, SECOND, 1)).version)

    async with anyio.create_task_group() as group:
        group.start_soon(database.transact, decide)
        await anyio.to_thread.run_sync(entered.wait)
        group.start_soon(apply)
        await anyio.sleep(0.2)  # long enough for an application that nothing holds up
        leave.set()
    assert order == [FIRST.version, SECOND.version]
