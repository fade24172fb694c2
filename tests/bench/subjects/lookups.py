"""What it costs to look a change up among a hundred thousand."""

import os
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from tests.bench.children import cpu_seconds
from tests.bench.databases import NAMES, databases
from tests.bench.plan import BenchPlan, Section, Table
from vpsops.core.changes import queries, repository, serialization
from vpsops.core.changes.model import Change, State
from vpsops.core.changes.scope import UNRESTRICTED, ChangeQuery
from vpsops.core.common.clock import SystemClock
from vpsops.core.identity.actors import Actor, ActorKind, Origin
from vpsops.core.operations.target import Target
from vpsops.core.policy.decision import Decision, Ruling
from vpsops.core.storage import open_database
from vpsops.core.storage.tables import CHANGES

CHUNK: Final = 2_000
PEOPLE: Final = 20
SERVERS: Final = 500
OPEN: Final = 40
NOW: Final = datetime(2026, 11, 28, tzinfo=UTC)
LOOKUPS: Final[dict[str, Callable[[Connection], Any]]] = {
    "newest": lambda connection: queries.select_page(connection, ChangeQuery(limit=10), UNRESTRICTED).changes,
    "open": lambda connection: (
        queries.select_page(connection, ChangeQuery(open_only=True, limit=10), UNRESTRICTED).changes
    ),
    "open, a page": lambda connection: queries.select_page(connection, ChangeQuery(open_only=True), UNRESTRICTED),
    "mine": lambda connection: (
        queries.select_page(connection, ChangeQuery(person="U7", limit=10), UNRESTRICTED).changes
    ),
    "of a server": lambda connection: (
        queries.select_page(connection, ChangeQuery(server="web123", limit=10), UNRESTRICTED).changes
    ),
    "of names that begin so": lambda connection: (
        queries.select_page(connection, ChangeQuery(server="web12", limit=10), UNRESTRICTED).changes
    ),
    "of no server": lambda connection: (
        queries.select_page(connection, ChangeQuery(server="nosuch", limit=10), UNRESTRICTED).changes
    ),
    "touched lately": lambda connection: repository.touched(connection, NOW, 300),
}


def change(number: int) -> Change:
    """Return the change of a number: most of them ended long ago."""
    at = NOW - timedelta(seconds=60 * number)
    who = f"U{number % PEOPLE}"
    return Change(
        id=f"chg_{number:012x}",
        version=5,
        state=State.HELD if number < OPEN else State.SUCCEEDED,
        operation="reboot",
        arguments={"server": f"srv-{number % SERVERS}"},
        target=Target(f"srv-{number % SERVERS}", f"web{number % SERVERS}.example.com", "running", "NO", "192.0.2.1"),
        actor=Actor(ActorKind.PERSON, who, who.lower(), who),
        origin=Origin("slack", "T1", "C1"),
        reason="it hangs",
        ruling=Ruling(Decision.APPROVE, ("disruptive",), 1, reason="a second person checks", policy="pol_1"),
        digest="d" * 64,
        created_at=at,
        expires_at=None,
        updated_at=at,
    )


def fill(connection: Connection, numbers: range) -> None:
    """Store changes, as many as there are numbers."""
    made = [(number, change(number)) for number in numbers]
    connection.execute(
        sa.insert(CHANGES),
        [
            serialization.change_values(entry) | {"lock": f"{entry.id}:" if number < OPEN else None}
            for number, entry in made
        ],
    )


async def measure(plan: BenchPlan) -> Section:
    """Fill a database of each kind, and measure the lookups."""
    count, times = plan.pick((100_000, 50), (4_000, 5))
    rows = []
    with databases(plan) as made:
        for kind, url in made.each().items():
            async with open_database(url, SystemClock()) as database:
                for first in range(0, count, CHUNK):
                    numbers = range(first, min(first + CHUNK, count))
                    await database.transact(lambda connection, numbers=numbers: fill(connection, numbers))  # type: ignore[misc]
                if kind == "postgresql":
                    await database.transact(lambda connection: connection.exec_driver_sql("ANALYZE changes"))
                spent = {
                    name: await database.read(lambda connection, work=work: _spent(connection, work, times))  # type: ignore[misc]
                    for name, work in LOOKUPS.items()
                }
            rows.append([NAMES[kind], *(f"{each * 1e3:.1f}" for each in spent.values())])
    return Section(
        "Looking changes up",
        f"{count:,} changes of {PEOPLE} people about {SERVERS} servers, {OPEN} of them open. Milliseconds of"
        f" processor time for one lookup with all its statements, ours and the server's together, the mean of {times}."
        " Target: 20 for each.",
        [Table(["database", *LOOKUPS], rows)],
    )


def _spent(connection: Connection, work: Callable[[Connection], Any], times: int) -> float:
    """Return the processor time of a lookup, on both sides of the connection, in seconds."""
    work(connection)
    backend = _backend(connection)
    begun, before = cpu_seconds(os.getpid()), cpu_seconds(backend) if backend else 0.0
    for _ in range(times):
        work(connection)
    served = cpu_seconds(backend) - before if backend else 0.0
    return (cpu_seconds(os.getpid()) - begun + served) / times


def _backend(connection: Connection) -> int:
    if connection.dialect.name == "sqlite":
        return 0
    return int(connection.exec_driver_sql("SELECT pg_backend_pid()").scalar_one())
