"""Changes and servers as a test wants them, without a provider."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from tests.fakes.clock import START
from tests.unit.core.harness import AGENT
from vpsops.core.changes import repository
from vpsops.core.changes.model import Change, State
from vpsops.core.common.json_types import Json
from vpsops.core.identity.actors import Origin
from vpsops.core.operations.target import Target
from vpsops.core.policy.decision import Decision, Ruling
from vpsops.core.storage.tables import CHANGES
from vpsops.core.wayscloud.answers.models import Server, Usage


def change(operation: str = "stop", state: State = State.WATCHING, age: float = 10.0, **more: Any) -> Change:
    """Return a change that was sent `age` seconds before the tests' clock began."""
    made = Change(
        id="chg_1",
        version=1,
        state=state,
        operation=operation,
        arguments={},
        target=Target("" if operation == "create" else "s1", "web01.example.com", "running"),
        actor=AGENT,
        origin=Origin("mcp"),
        reason="",
        ruling=Ruling(Decision.APPROVE, votes=2),
        digest="d" * 64,
        created_at=START,
        expires_at=None,
        updated_at=START,
        sent_at=START - timedelta(seconds=age),
    )
    return replace(made, **more)


def server(status: str = "running", ident: str = "s1", hostname: str = "web01.example.com", **more: Any) -> Server:
    """Return a server as a list has it."""
    return Server.model_validate({"id": ident, "hostname": hostname, "status": status, **more})


def usage(uptime: int | None) -> Usage:
    """Return a server's usage, with nothing in it but the uptime."""
    return Usage.model_validate({"uptime_seconds": uptime})


def put(
    connection: Connection,
    record: Change,
    *,
    owner: str | None = None,
    remind_at: datetime | None = None,
    body: Mapping[str, Json] | None = None,
) -> None:
    """Store a change as it is, with the process that runs it."""
    repository.insert(connection, record, key="", body=body or {})
    values = {"owner": owner, "remind_at": remind_at.timestamp() if remind_at else None}
    connection.execute(CHANGES.update().where(CHANGES.c.id == record.id).values(**values))


def damage(connection: Connection, table: str, key: str, ident: str, column: str, value: str) -> None:
    """Put a JSON text into a column as it is."""
    text = ":value" if connection.dialect.name == "sqlite" else "CAST(:value AS json)"
    connection.execute(
        sa.text(f'UPDATE {table} SET "{column}" = {text} WHERE "{key}" = :ident'), {"value": value, "ident": ident}
    )
