"""A fixed story through the gate, and what it leaves in every table: columns, stored words, and the keys of JSON."""

import json
import re
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from tests.fakes.accounts import EVERYBODY
from tests.fakes.storage.databases import migrated
from tests.fakes.timing import QUICK
from tests.harness.internals import database_of
from tests.harness.virtual_time import VirtualClock
from vpsops.core.app import Core, open_core
from vpsops.core.changes.model import Change, State, Verdict
from vpsops.core.changes.requests import Held, Refused, Request
from vpsops.core.changes.scope import OPERATOR
from vpsops.core.common.json_types import Json
from vpsops.core.config.settings import Settings
from vpsops.core.execution.engine import RETENTION
from vpsops.core.execution.reconciler import WATCHER
from vpsops.core.execution.write_rate_limit import SPACING
from vpsops.core.identity.actors import Actor, ActorKind, Origin
from vpsops.playground.wayscloud.faults.config import SimulatorConfig
from vpsops.playground.wayscloud.serve import running_simulator

ALICE: Final = Actor(ActorKind.PERSON, "U1", "alice", "U1", account="U1")
AGENT: Final = Actor(ActorKind.AGENT, "mcp:helper", "helper", "slack:U1")
VOTERS: Final = tuple(Actor(ActorKind.PERSON, f"U{n}", f"voter{n}", f"U{n}", groups=("S0OPS",)) for n in (2, 3))
SLACK: Final = Origin("slack", "T1", "C1")
MCP: Final = Origin("mcp")
NEW: Final = {"hostname": "web09.example.com", "plan": "vps-4gb-2cpu", "region": "oslo", "os_template": "ubuntu-24.04"}
CONFIG: Final = Path(__file__).parent / "values" / "vpsops.toml"
WORDS: Final = frozenset(
    [
        "changes.state",
        "changes.operation",
        "changes.lock",
        "changes.format",
        "audit.event",
        "outbox.kind",
        "outbox.topic",
        "outbox.state",
        "processes.front",
        "processes.operations",
        "switches.name",
        "votes.verdict",
        "alembic_version.version_num",
    ]
)
"""Columns of which the values matter too; a random part of one is shown as a star."""
LEASES: Final = (RETENTION, SPACING, WATCHER)
"""Names of leases: which of them are held at the story's end depends on the moment."""
RANDOM: Final = re.compile(r"(?<=chg_)[0-9a-f]{12}|[0-9a-f]{8}-[0-9a-f-]{27}")
SECONDS: Final = 30.0


async def values(folder: Path) -> Mapping[str, Json]:
    """Play the story on a database in `folder`; return the shapes in each column and the shape of each audit event."""
    async with _opened(folder) as core:
        await _changes_of_a_person(core)
        await _changes_of_an_agent(core)
        return await database_of(core).read(_tables)


@asynccontextmanager
async def _opened(folder: Path) -> AsyncIterator[Core]:
    clock = VirtualClock()
    async with running_simulator(SimulatorConfig(speed=60_000.0, seed=7), clock=clock) as provider:
        arguments = {"WAYSCLOUD_API_KEY": "wayscloud_vps_test1_SECRET", "WAYSCLOUD_API_URL": provider.url}
        arguments |= {"VPSOPS_DATABASE_URL": migrated(folder / "story.sqlite3"), "VPSOPS_CONFIG": str(CONFIG)}
        settings = Settings.model_validate(arguments)
        async with open_core(settings, front="cli", timing=QUICK, clock=clock, accounts=EVERYBODY) as core:
            yield core


async def _ask(core: Core, operation: str, actor: Actor, **arguments: str) -> Change:
    origin = SLACK if actor.kind is ActorKind.PERSON else MCP
    request = Request(operation, arguments, actor, origin, reason="disk swap", key=f"{actor.id}: {operation}")
    outcome = await core.gate.submit(replace(request, can_confirm=True), scope=OPERATOR)
    assert isinstance(outcome, Held), outcome
    return outcome.change


async def _changes_of_a_person(core: Core) -> None:
    """One is done, one makes a server, one is cancelled, one is refused."""
    for operation, arguments in (("stop", {"server": "web01"}), ("create", NEW)):
        held = await _ask(core, operation, ALICE, **arguments)
        await core.gate.confirm(held.id, ALICE, held.digest, evidence="typed", scope=OPERATOR)
        ended = await core.changes.wait(held.id, seconds=SECONDS, scope=OPERATOR)
        assert ended.state is State.SUCCEEDED, ended.note
    withdrawn = await _ask(core, "reboot", ALICE, server="web09")
    await core.gate.cancel(withdrawn.id, ALICE, reason="not needed", scope=OPERATOR)
    refused = await core.gate.submit(
        Request("reboot", {"server": "db01"}, AGENT, MCP, can_confirm=True), scope=OPERATOR
    )
    assert isinstance(refused, Refused)


async def _changes_of_an_agent(core: Core) -> None:
    """One is approved by two and done, one is denied; then agents are paused."""
    asked = await _ask(core, "start", AGENT, server="web01")
    for voter in VOTERS:
        await core.gate.vote(
            asked.id, voter, Verdict.APPROVE, asked.digest, reason="ok", evidence="member of S0OPS", scope=OPERATOR
        )
    ended = await core.changes.wait(asked.id, seconds=SECONDS, scope=OPERATOR)
    assert ended.state is State.SUCCEEDED, ended.note
    again = await _ask(core, "stop", AGENT, server="web09")
    await core.gate.vote(
        again.id, VOTERS[0], Verdict.DENY, again.digest, reason="no", evidence="member of S0OPS", scope=OPERATOR
    )
    await core.gate.pause_agents(ALICE, paused=True, reason="incident", scope=OPERATOR)
    await core.gate.pause_agents(ALICE, paused=False, reason="over", scope=OPERATOR)


def _tables(connection: Connection) -> Mapping[str, Json]:
    results: dict[str, Json] = {}
    for table in sorted(sa.inspect(connection).get_table_names()):
        rows = connection.execute(sa.text(f'SELECT * FROM "{table}"')).mappings().all()
        if rows:
            results[table] = {name: _column(f"{table}.{name}", [row[name] for row in rows]) for name in rows[0]}
    results["audit"].pop("record")  # below, by its event
    results["leases"] = {"name": sorted(LEASES)}
    records = connection.execute(sa.text("SELECT event, record FROM audit ORDER BY seq")).all()
    shapes: dict[str, set[str]] = {}
    for event, record in records:
        shapes.setdefault(event, set()).add(_shape(json.loads(record)))
    return {"tables": results, "audit events": {event: sorted(them) for event, them in sorted(shapes.items())}}


def _column(name: str, cells: list[Any]) -> Json:
    if name in WORDS:
        return sorted({RANDOM.sub("*", str(cell)) for cell in cells})
    return sorted({_shape(_loaded(cell)) for cell in cells})


def _loaded(cell: Any) -> Json:
    try:
        return json.loads(cell) if isinstance(cell, str) and cell[:1] in {"{", "["} else cell
    except ValueError:
        return cell


def _shape(value: Json) -> str:
    """Return the keys and types of a value as one text; of a list those of its members."""
    if isinstance(value, dict):
        return "{" + ", ".join(f"{key}: {_shape(inner)}" for key, inner in sorted(value.items())) + "}"
    if isinstance(value, list):
        return "[" + " | ".join(sorted({_shape(inner) for inner in value})) + "]"
    return "null" if value is None else type(value).__name__
