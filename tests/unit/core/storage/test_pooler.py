"""PgBouncer in transaction mode between the processes and PostgreSQL, and how many connections a process opens."""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import anyio
import psycopg
import pytest
from sqlalchemy.engine import Connection

from tests.fakes.storage.pgbouncer import SERVER_CONNECTIONS, Pooler, running_pooler
from tests.fakes.storage.postgres import PostgresServer, free_port
from tests.harness.patience import PATIENCE_SECONDS
from tests.harness.virtual_time import VirtualClock
from tests.unit.core.backup import backups
from tests.unit.core.harness import Setup, staged
from tests.unit.core.storage.test_commit_notifier import until
from tests.unit.core.storage.test_transactions import put
from vpsops.core.audit import chain
from vpsops.core.backup.backup_file import opened_current
from vpsops.core.backup.restoration import DatabaseContents, Restoration, contents_of
from vpsops.core.changes.model import State
from vpsops.core.common.errors import ConfigurationError, StorageError
from vpsops.core.config.settings import Settings
from vpsops.core.console.checks import Level
from vpsops.core.diagnostics.database import check_wakes
from vpsops.core.storage import open_database
from vpsops.core.storage.leases import Process
from vpsops.core.storage.pools import PostgresOptions
from vpsops.playground.wayscloud.faults.config import SimulatorConfig
from vpsops.playground.wayscloud.serve import SimulatorHandle, running_simulator

BOUND = PATIENCE_SECONDS
OPEN = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"


@pytest.fixture(scope="module")
def pooler(postgres_server: PostgresServer) -> Iterator[Pooler]:
    with running_pooler(postgres_server) as running:
        yield running


@pytest.fixture
async def provider() -> AsyncIterator[SimulatorHandle]:
    async with running_simulator(SimulatorConfig(speed=600.0, seed=7), clock=VirtualClock()) as handle:
        yield handle


@pytest.mark.requirement("transaction-pooler")
async def test_several_processes_share_a_few_connections(postgres: PostgresServer, pooler: Pooler) -> None:
    """Eight processes' transactions go through three connections of the server, and the audit chain stays whole."""
    direct = postgres.database()
    url = pooler.url(direct)

    def work(connection: Connection) -> int:
        chain.append(connection, 1.0, "tried", None, {})
        return int(connection.exec_driver_sql(OPEN).scalar_one()) + 1

    async def process() -> None:
        async with open_database(url, VirtualClock(), options=PostgresOptions(direct)) as database:
            await Process(database, database.clock, "worker").beat()
            open_ones.extend([await database.transact(work) for _ in range(10)])

    open_ones: list[int] = []
    with anyio.fail_after(BOUND):
        async with anyio.create_task_group() as group:
            for _ in range(8):
                group.start_soon(process)
    assert max(open_ones) <= SERVER_CONNECTIONS
    async with open_database(url, VirtualClock(), options=PostgresOptions(direct)) as database:
        records = await database.read(lambda connection: chain.read(connection, limit=100))
        assert (len(records), list(chain.verify(records, await database.read(chain.head)))) == (80, [])


@pytest.mark.requirement("transaction-pooler")
async def test_a_wait_is_woken_through_the_servers_own_address(postgres: PostgresServer, pooler: Pooler) -> None:
    """NOTIFY goes through the pooler, LISTEN past it: a commit of another process wakes within a moment."""
    direct = postgres.database()
    options = PostgresOptions(direct)
    async with (
        open_database(pooler.url(direct), VirtualClock(), options=options) as database,
        open_database(pooler.url(direct), VirtualClock(), options=options) as other,
    ):
        with anyio.fail_after(BOUND):
            async with anyio.create_task_group() as group:
                group.start_soon(until, database, 40)
                for number in range(40):
                    await other.transact(put(f"{number:02}"))


@pytest.mark.parametrize("listens_at", ["the pooler", "the server", "an address where nothing listens"])
@pytest.mark.requirement("transaction-pooler")
async def test_doctor_says_whether_a_process_hears_of_the_others(
    postgres: PostgresServer, pooler: Pooler, listens_at: str
) -> None:
    """A pooler accepts LISTEN and delivers nothing: that works, slowly, and would go unnoticed."""
    direct = postgres.database()
    gone = f"postgresql://vpsops@127.0.0.1:{free_port()}/vpsops"
    options = {"the pooler": "", "the server": direct, "an address where nothing listens": gone}[listens_at]
    async with open_database(pooler.url(direct), VirtualClock(), options=PostgresOptions(options)) as database:
        (result,) = await check_wakes(database, Settings())
    assert result.level is (Level.OK if listens_at == "the server" else Level.WARN)
    assert ("VPSOPS_DATABASE_LISTEN_URL" in result.todo) is (listens_at != "the server")


@pytest.mark.requirement("transaction-pooler")
async def test_what_a_transaction_sets_ends_with_it(postgres: PostgresServer, pooler: Pooler) -> None:
    """The connection's next user finds the server's own settings, and each of ours sets what it relies on."""
    direct = postgres.database()
    with psycopg.connect(direct, autocommit=True) as connection:
        name = direct.rpartition("/")[2]
        connection.execute(f'ALTER DATABASE "{name}" SET synchronous_commit = off')
    settings = "synchronous_commit", "lock_timeout", "idle_in_transaction_session_timeout"

    def shown(connection: Connection) -> list[str]:
        return [connection.exec_driver_sql(f"SHOW {name}").scalar_one() for name in settings]

    async with open_database(pooler.url(direct), VirtualClock(), busy=7.0, options=PostgresOptions(direct)) as database:
        assert await database.transact(shown) == ["on", "7s", "7s"]
        assert (await database.read(shown))[1:] == ["7s", "7s"]
        with pytest.raises(StorageError):
            await database.read(put("a read writes nothing"))
    with psycopg.connect(pooler.url(direct), autocommit=True, prepare_threshold=None) as connection:
        for _ in range(SERVER_CONNECTIONS):
            results = [connection.execute(f"SHOW {name}").fetchone() for name in settings]
            assert results == [("off",), ("0",), ("0",)]


@pytest.mark.requirement("transaction-pooler")
async def test_a_change_runs_through_a_pooler(
    postgres: PostgresServer, pooler: Pooler, provider: SimulatorHandle
) -> None:
    """From the request to its end, with every lock and clock that the steps rely on."""
    direct = postgres.database()
    setup = Setup(options=PostgresOptions(direct))
    async with staged(pooler.url(direct), provider, setup) as stage:
        stage.server("web01")
        done = await stage.done("stop", server="web01")
        assert (done.state, stage.effects("stop", "web01")) == (State.SUCCEEDED, 1)


@pytest.mark.parametrize(
    ("url", "listen_url"),
    [("sqlite:///{folder}/v.sqlite3", "postgresql://u@h/n"), ("postgresql://u@h/n", "sqlite:////tmp/v.sqlite3")],
)
async def test_an_address_to_listen_at_that_makes_no_sense_is_refused(
    url: str, listen_url: str, tmp_path: Path
) -> None:
    """The setting requires PostgreSQL, and must name a PostgreSQL server; the error names it."""
    with pytest.raises(ConfigurationError, match="VPSOPS_DATABASE_LISTEN_URL"):
        async with open_database(url.format(folder=tmp_path), VirtualClock(), options=PostgresOptions(listen_url)):
            pass


@pytest.mark.requirement("connection-budget")
async def test_a_process_keeps_within_its_connections(postgres: PostgresServer) -> None:
    """However many want the database at once, it opens no more than it may; at rest it keeps at most four."""
    url = postgres.database()
    options = PostgresOptions(connections=5)
    counts: list[int] = []

    def work(connection: Connection) -> None:
        connection.exec_driver_sql("SELECT pg_sleep(0.01)")
        counts.append(int(connection.exec_driver_sql(OPEN).scalar_one()) + 1)

    async with open_database(url, VirtualClock(), options=options) as database:
        beats = Process(database, database.clock, "worker")
        with anyio.fail_after(BOUND):
            async with anyio.create_task_group() as group:
                group.start_soon(database.signals.wait, 0.5)
                for _ in range(30):
                    group.start_soon(database.transact, work)
                    group.start_soon(database.read, work)
                    group.start_soon(beats.beat)
        with psycopg.connect(url) as connection:
            assert connection.execute(OPEN).fetchone() == (4,)
    assert max(counts) <= options.connections
    assert len(counts) == 60


@pytest.mark.requirement("connection-budget")
async def test_a_heartbeat_waits_for_nobody(postgres: PostgresServer) -> None:
    """While every other connection of a process waits for a lock, its heartbeat is still stored."""
    url = postgres.database()
    async with open_database(url, VirtualClock(), options=PostgresOptions(connections=3)) as database:
        process = Process(database, database.clock, "worker")
        await process.beat()
        with psycopg.connect(url) as other:
            other.execute("LOCK TABLE audit_head")
            async with anyio.create_task_group() as group:
                for _ in range(4):
                    group.start_soon(
                        database.transact, lambda connection: chain.append(connection, 1.0, "waits", None, {})
                    )
                with anyio.fail_after(BOUND):
                    for _ in range(3):
                        await process.beat()
                    assert process.certain
                other.rollback()


@pytest.mark.requirement("transaction-pooler")
async def test_a_backup_and_a_restore_go_through_the_pooler(
    postgres: PostgresServer, pooler: Pooler, tmp_path: Path
) -> None:
    """Each is one transaction, so all of it is on one connection of the server."""
    urls = [pooler.url(postgres.database()) for _ in range(2)]
    backups.made(urls[0])
    backup = backups.backed_up(urls[0], tmp_path / "db.backup")
    async with open_database(urls[1], VirtualClock()) as database:
        with opened_current(tmp_path / "db.backup", backup) as source:
            restoration = Restoration(source, backup.manifest, database.clock, {"id": "local:ann"})
            await restoration.run(database, DatabaseContents())
        assert (await database.read(contents_of)).changes == 1
