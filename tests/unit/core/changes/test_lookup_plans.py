"""Looking changes up uses an index, so that it costs the same with a hundred thousand of them as with a hundred."""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy.engine import Connection

from tests.unit.core.storage.samples import CHANGE, NOW
from vpsops.core.changes import queries, repository
from vpsops.core.changes.scope import UNRESTRICTED, ChangeQuery, position_of
from vpsops.core.identity.actors import Actor, ActorKind
from vpsops.core.operations.target import Target
from vpsops.core.storage import Database

LOOKUPS: dict[str, tuple[Callable[[Connection], Any], set[str]]] = {
    "open": (
        lambda connection: queries.select_page(connection, ChangeQuery(open_only=True, limit=10), UNRESTRICTED),
        {"changes_open", "changes_by_state"},
    ),
    "mine": (
        lambda connection: queries.select_page(connection, ChangeQuery(person="U_ANN", limit=10), UNRESTRICTED).changes,
        {"changes_by_actor", "changes_by_human"},
    ),
    "of a server": (
        lambda connection: queries.select_page(connection, ChangeQuery(server="web01", limit=10), UNRESTRICTED).changes,
        {"changes_by_server", "changes_by_hostname"},
    ),
    "of no server": (
        lambda connection: (
            queries.select_page(connection, ChangeQuery(server="nosuch", limit=10), UNRESTRICTED).changes
        ),
        {"changes_by_server", "changes_by_hostname"},
    ),
    "touched": (lambda connection: repository.touched(connection, NOW, 60), {"changes_by_update"}),
    "newest": (
        lambda connection: queries.select_page(connection, ChangeQuery(limit=10), UNRESTRICTED).changes,
        {"changes_by_age"},
    ),
}


def fill(connection: Connection) -> None:
    """Store changes of two people and an agent, about three servers."""
    agent = Actor(ActorKind.AGENT, "mcp:assistant", "assistant", "U_ann")
    actors = (CHANGE.actor, agent, Actor(ActorKind.PERSON, "U_BEN", "Ben", "U_BEN"))
    names = ("web01.example.com", "Web010.example.com", "db_1.example.com")
    for number in range(30):
        at = NOW + timedelta(seconds=number)
        change = replace(
            CHANGE,
            id=f"chg_{number:012}",
            actor=actors[number % 3],
            target=Target(f"srv-{number % 3}-{number}", names[number // 3 % 3]),
            created_at=at,
            updated_at=at,
        )
        repository.insert(connection, change, key="", body={})


@pytest.mark.requirement("lookups-use-indexes")
@pytest.mark.parametrize("lookup", LOOKUPS)
async def test_a_lookup_uses_its_index(database: Database, lookup: str) -> None:
    """No statement scans all changes, and the indexes made for it are used."""
    work, indexes = LOOKUPS[lookup]

    def explained(connection: Connection) -> str:
        statements: list[tuple[str, Any]] = []

        def executed(_: Any, __: Any, statement: str, parameters: Any, *___: Any) -> None:
            statements.append((statement, parameters))

        if not database.sqlite:
            connection.exec_driver_sql("SET LOCAL enable_seqscan = off")  # a small table would be read as a whole
        sa.event.listen(connection, "before_cursor_execute", executed)
        work(connection)
        sa.event.remove(connection, "before_cursor_execute", executed)
        explain = "EXPLAIN QUERY PLAN" if database.sqlite else "EXPLAIN"
        rows = [
            row
            for statement, parameters in statements
            if "FROM changes" in statement
            for row in connection.exec_driver_sql(f"{explain} {statement}", parameters)
        ]
        return "\n".join(str(row[-1]) for row in rows)

    await database.transact(fill)
    plan = await database.read(explained)
    assert {name for name in indexes if name in plan} == indexes, plan
    assert not [
        line for line in plan.splitlines() if ("SCAN changes" in line and "USING" not in line) or "Seq Scan" in line
    ]


async def test_what_is_looked_up_is_found(database: Database) -> None:
    """A person's own and their agents' changes; a server by id, name or first label before a name's beginning."""
    await database.transact(fill)

    async def found(**filters: Any) -> list[int]:
        changes = await database.read(
            lambda connection: queries.select_page(connection, ChangeQuery(**filters, limit=50), UNRESTRICTED).changes
        )
        return [int(change.id.removeprefix("chg_")) for change in changes]

    every = list(reversed(range(30)))
    assert await found() == every
    assert await found(person="U_ANN") == [number for number in every if number % 3 < 2]
    assert await found(person="u_ben") == [number for number in every if number % 3 == 2]
    assert await found(server="WEB01") == [number for number in every if number // 3 % 3 == 0]
    assert await found(server="web010") == [number for number in every if number // 3 % 3 == 1]
    assert await found(server="web0") == [number for number in every if number // 3 % 3 < 2]
    assert await found(server="db_") == [number for number in every if number // 3 % 3 == 2]
    assert await found(server="SRV-1-4") == [4]
    assert await found(server="nosuch") == await found(server="db-") == []
    assert await found(server="web01", person="U_BEN") == [number for number in every if number % 9 == 2]
    first = await database.read(
        lambda connection: queries.select_page(connection, ChangeQuery(person="U_ANN", limit=5), UNRESTRICTED).changes
    )
    rest = await found(person="U_ANN", after=position_of(first[-1]))
    assert rest == [number for number in every if number % 3 < 2][5:]
