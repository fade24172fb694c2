"""The schema: as the code wants it, brought there from any earlier version, with data in it, by one at a time."""

import itertools
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory

from tests.harness.patience import PATIENCE_SECONDS
from tests.harness.virtual_time import VirtualClock
from tests.unit.core.storage import samples
from vpsops.core.audit import chain, records
from vpsops.core.changes import repository
from vpsops.core.common.errors import ConfigurationError
from vpsops.core.storage import open_database, schema
from vpsops.core.storage.pools import open_pools
from vpsops.core.storage.schema import SchemaStatus, schema_status, upgrade
from vpsops.core.storage.tables import METADATA

BOUND = PATIENCE_SECONDS
TOGETHER = 4
UPGRADE = (
    "import sys; from vpsops.core.storage import pools, schema; schema.upgrade(pools.open_pools(sys.argv[1]).durable)"
)
LOADED = """
import sys
import vpsops.core.app
from vpsops.core.storage import pools, schema
with pools.open_pools(sys.argv[1]).reading.connect() as connection:
    print(schema.schema_status(connection))
print(*({"alembic", "psycopg"} & set(sys.modules)))
"""
NEXT = '''
"""A version from the future, for a test."""
import sqlalchemy as sa
from alembic import op

revision = "{revision}"
down_revision = "{before}"


def upgrade() -> None:
    op.add_column("changes", sa.Column("urgency", sa.Integer, nullable=False, server_default="3"))
    op.create_table("marks", sa.Column("change_id", sa.String(40), primary_key=True), sa.Column("on", sa.Boolean))
    op.execute("INSERT INTO marks (change_id) SELECT id FROM changes")
{rest}
'''


def revisions(scripts: Path = schema.MIGRATIONS) -> list[str]:
    """Return every version of the schema, oldest first; `base` stands for an empty database."""
    config = Config()
    config.set_main_option("script_location", str(scripts))
    return [
        "base",
        *(revision.revision for revision in reversed(list(ScriptDirectory.from_config(config).walk_revisions()))),
    ]


REVISIONS = revisions()


def test_an_ordinary_start_knows_the_newest_version() -> None:
    """The version that is compared without alembic is the newest that alembic would find."""
    assert REVISIONS[-1] == schema.HEAD


def test_a_process_on_sqlite_loads_neither_alembic_nor_psycopg(tmp_path: Path) -> None:
    """Opening a database with a current schema loads nothing that is not needed then."""
    url = f"sqlite:///{tmp_path / 'migrated.sqlite3'}"
    with engine_of(url) as engine:
        upgrade(engine)
    loaded = subprocess.run(
        [sys.executable, "-c", LOADED, url], capture_output=True, text=True, check=True, timeout=PATIENCE_SECONDS
    )
    assert loaded.stdout.split() == ["current"]


STEPS = list(itertools.pairwise(REVISIONS))


@contextmanager
def engine_of(url: str) -> Iterator[sa.Engine]:
    """Make an engine that writes, as the product makes it."""
    pools = open_pools(url)
    try:
        yield pools.durable
    finally:
        pools.close()


@pytest.fixture
def engine(empty_database_url: str) -> Iterator[sa.Engine]:
    with engine_of(empty_database_url) as made:
        yield made


def future(folder: Path, rest: str = "") -> Path:
    """Copy the migrations to a folder and add one that the code does not know."""
    scripts = folder / "migrations"
    shutil.copytree(schema.MIGRATIONS, scripts)
    text = NEXT.format(revision="9999", before=REVISIONS[-1], rest=rest)
    (scripts / "versions" / "v9999_future.py").write_text(text, encoding="utf-8")
    return scripts


def step(engine: sa.Engine, before: str, after: str, scripts: Path = schema.MIGRATIONS) -> None:
    """Upgrade a filled database by one version and check that every row came along."""
    if before != "base":
        upgrade(engine, before, scripts)
    with engine.begin() as connection:
        samples.fill(connection)
        old = samples.contents(connection)
    upgrade(engine, after, scripts)
    with engine.connect() as connection:
        new = samples.contents(connection)
        assert MigrationContext.configure(connection).get_current_revision() == after
    for table, rows in old.items():
        assert len(new[table]) == len(rows), table
        for name in new[table][0].keys() & rows[0].keys():
            assert new[table][0][name] == rows[0][name], (table, name)


def test_the_migrations_make_what_the_code_expects(engine: sa.Engine) -> None:
    """Tables, columns, types and indexes are those of vpsops.core.storage.tables, on both databases."""
    upgrade(engine)
    with engine.connect() as connection:
        assert compare_metadata(MigrationContext.configure(connection), METADATA) == []


@pytest.mark.parametrize(("before", "after"), STEPS)
def test_each_version_brings_the_data_of_the_one_before(engine: sa.Engine, before: str, after: str) -> None:
    """Whatever a version of vpsops stored, the next one has; a new version is covered as soon as its file is there."""
    step(engine, before, after)


@pytest.mark.parametrize("before", REVISIONS[1:])
async def test_the_newest_version_reads_what_any_earlier_one_stored(empty_database_url: str, before: str) -> None:
    """A change, its vote and its record, stored by an old version, are whole after a start of this version."""
    with engine_of(empty_database_url) as engine:
        upgrade(engine, before)
        with engine.begin() as connection:
            samples.fill(connection)
    async with open_database(empty_database_url, VirtualClock()) as database:
        change = await database.read(lambda connection: repository.load(connection, samples.CHANGE.id))
        records = await database.read(chain.read)
        head = await database.read(chain.head)
    assert (change.actor, change.ruling, change.reason) == (samples.ANN, samples.CHANGE.ruling, samples.CHANGE.reason)
    assert change.votes == (samples.VOTE,)
    assert list(chain.verify(records, head)) == []


def test_the_harness_covers_a_version_to_come(engine: sa.Engine, tmp_path: Path) -> None:
    """A hand-made version after the newest goes through the same steps, so the next real one will."""
    scripts = future(tmp_path)
    assert revisions(scripts) == [*REVISIONS, "9999"]
    step(engine, REVISIONS[-1], "9999", scripts)
    with engine.connect() as connection:
        assert samples.contents(connection)["marks"] == [{"change_id": samples.CHANGE.id, "on": None}]
        assert connection.scalar(sa.text("SELECT urgency FROM changes")) == 3


def test_a_migration_that_fails_leaves_nothing_of_itself(engine: sa.Engine, tmp_path: Path) -> None:
    """A version that breaks half way leaves the one before, with its data, to try again from."""
    scripts = future(tmp_path, rest='    op.execute("INSERT INTO nowhere VALUES (1)")')
    upgrade(engine, REVISIONS[-1], scripts)
    with engine.begin() as connection:
        samples.fill(connection)
        before = samples.contents(connection)
    with pytest.raises(sa.exc.DBAPIError):
        upgrade(engine, "head", scripts)
    with engine.connect() as connection:
        assert samples.contents(connection) == before
        assert schema_status(connection) is SchemaStatus.CURRENT


def test_a_slow_migration_is_not_taken_for_a_frozen_process(empty_database_url: str, tmp_path: Path) -> None:
    """A transaction that rests longer than a lock is waited for is ended on PostgreSQL, but not while it migrates."""
    scripts = future(tmp_path, rest="    import threading\n    threading.Event().wait(0.6)")
    pools = open_pools(empty_database_url, busy=0.2)
    try:
        upgrade(pools.durable, "head", scripts)
        with pools.reading.connect() as connection:
            assert schema_status(connection, scripts) is SchemaStatus.CURRENT
    finally:
        pools.close()


@pytest.mark.requirement("storage-newer-schema")
async def test_a_newer_schema_is_refused(empty_database_url: str, tmp_path: Path) -> None:
    """A version that does not know the schema must not touch it, neither to serve nor to read."""
    with engine_of(empty_database_url) as engine:
        upgrade(engine, "head", future(tmp_path))
    for make in (True, False):
        with pytest.raises(ConfigurationError, match="newer version") as caught:
            async with open_database(empty_database_url, VirtualClock(), make=make):
                pass
        assert caught.value.hint == "Update vpsops on this machine."


def test_standing_says_how_a_schema_relates_to_the_code(engine: sa.Engine, tmp_path: Path) -> None:
    """Absent, current, older and newer are distinguished."""
    scripts = future(tmp_path)

    def stands(known: Path = schema.MIGRATIONS) -> SchemaStatus:
        with engine.connect() as connection:
            return schema_status(connection, known)

    assert stands() is SchemaStatus.ABSENT
    upgrade(engine)
    assert (stands(), stands(scripts)) == (SchemaStatus.CURRENT, SchemaStatus.OLDER)
    upgrade(engine, "head", scripts)
    assert (stands(), stands(scripts)) == (SchemaStatus.NEWER, SchemaStatus.CURRENT)


def test_a_folder_with_a_percent_sign_serves(empty_database_url: str, tmp_path: Path) -> None:
    """The place of the program may hold a character that alembic's configuration gives a meaning."""
    scripts = tmp_path / "100%(here)s"
    shutil.copytree(schema.MIGRATIONS, scripts)
    with engine_of(empty_database_url) as engine:
        upgrade(engine, "head", scripts)
        with engine.connect() as connection:
            assert schema_status(connection) is SchemaStatus.CURRENT


def test_threads_upgrade_at_once(empty_database_url: str) -> None:
    """Several front ends that start in the same instant find one finished schema."""
    ready = threading.Barrier(TOGETHER)
    broken: list[BaseException] = []

    def start() -> None:
        try:
            with engine_of(empty_database_url) as engine:
                ready.wait(BOUND)
                upgrade(engine)
        except BaseException as error:  # noqa: BLE001 - reported to the test below
            broken.append(error)

    threads = [threading.Thread(target=start) for _ in range(TOGETHER)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(BOUND)
    assert broken == []
    _assert_once(empty_database_url)


def test_two_databases_upgrade_at_once(tmp_path: Path) -> None:
    """Alembic keeps what it does in a module; two cores of one process do not meet there."""
    urls = [f"sqlite:///{tmp_path / f'{number}.sqlite3'}" for number in range(2 * TOGETHER)]
    ready = threading.Barrier(len(urls))
    broken: list[BaseException] = []

    def start(url: str) -> None:
        try:
            with engine_of(url) as engine:
                ready.wait(BOUND)
                upgrade(engine)
        except BaseException as error:  # noqa: BLE001 - reported to the test below
            broken.append(error)

    threads = [threading.Thread(target=start, args=(url,)) for url in urls]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(BOUND)
    assert broken == []
    for url in urls:
        _assert_once(url)


def test_processes_upgrade_at_once(empty_database_url: str) -> None:
    """Several processes upgrade at once, each with its own connection and its own locks."""
    running = [
        subprocess.Popen([sys.executable, "-c", UPGRADE, empty_database_url], stderr=subprocess.PIPE, text=True)
        for _ in range(TOGETHER - 1)
    ]
    assert [item.communicate(timeout=PATIENCE_SECONDS)[1] for item in running] == [""] * len(running)
    assert [item.returncode for item in running] == [0] * len(running)
    _assert_once(empty_database_url)


def _assert_once(url: str) -> None:
    with engine_of(url) as engine, engine.connect() as connection:
        assert schema_status(connection) is SchemaStatus.CURRENT
        assert samples.contents(connection)["audit_head"] == [{"id": 1, "seq": 0, "hash": records.GENESIS}]
