"""What the database, the provider and Slack hold of a crash run at rest, read for the checks."""

import json
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime

import aiohttp
import sqlalchemy as sa
from sqlalchemy.engine import Connection

from tests.crash.checks.ends import EndRecord
from tests.crash.checks.plans import BusySpan, PlanRecord
from tests.crash.plan import CHANNELS
from tests.crash.server_ends import LIFETIME, OWNER
from vpsops.core.audit import chain
from vpsops.core.changes import repository
from vpsops.core.changes.model import Change, State
from vpsops.core.ends import lifecycle
from vpsops.core.ends import repository as ends
from vpsops.core.ends.model import EndState
from vpsops.core.operations.target import is_plan
from vpsops.core.plans.repository import members_of
from vpsops.core.storage.tables import AUDIT, CHANGES, OUTBOX, PLAN_MEMBERS, SERVER_ENDS
from vpsops.playground.slack.people.model import SimulatedWorkspace
from vpsops.playground.slack.workspace.entities import Message

DUE = "due"
CREATE_ID = re.compile(r"chg_[0-9a-f]+")
REMINDER = "Is it still needed?"
"""The question of a reminder, as the bot posts it."""


def is_settled(connection: Connection, keys: Sequence[str]) -> bool:
    """Return whether every change is there and at rest, every message is sent, and every end has had its turn."""
    known = set(connection.scalars(sa.select(CHANGES.c.key)))
    resting = [state.value for state in State if state.final or state is State.NEEDS_PERSON]
    moving = connection.scalar(sa.select(sa.func.count()).select_from(CHANGES).where(CHANGES.c.state.not_in(resting)))
    waiting = connection.scalar(sa.select(sa.func.count()).select_from(OUTBOX).where(OUTBOX.c.state == "waiting"))
    return known.issuperset(keys) and not moving and not waiting and not _coming_ends(connection)


def _coming_ends(connection: Connection) -> int:
    """Count the ends that do more by themselves: those to come, and those with a deletion that was decided."""
    deletion, state = CHANGES.c.id == SERVER_ENDS.c.delete_id, SERVER_ENDS.c.state
    query = sa.select(sa.func.count()).select_from(SERVER_ENDS.outerjoin(CHANGES, deletion))
    decided = (state == EndState.STOPPED.value) & (CHANGES.c.state != State.NEEDS_PERSON.value)
    coming = state.in_([EndState.OPEN.value, EndState.STOPPING.value])
    return connection.scalar(query.where(coming | decided)) or 0


def count_running(connection: Connection) -> tuple[int, int]:
    """Return how many plans run now, and how many of their members have begun."""
    plans = sa.select(CHANGES.c.operation).where(CHANGES.c.state == State.WATCHING.value)
    begun = sa.select(sa.func.count()).select_from(PLAN_MEMBERS).where(PLAN_MEMBERS.c.change_id.is_not(None))
    return sum(map(is_plan, connection.scalars(plans))), connection.scalar(begun) or 0


def changes_by_key(connection: Connection) -> dict[str, Change]:
    """Return all changes by the keys of their requests."""
    keys = {row.id: row.key for row in connection.execute(sa.select(CHANGES.c.id, CHANGES.c.key))}
    return {keys[change.id]: change for change in repository.select(connection, limit=10_000)}


def chain_faults(connection: Connection) -> list[chain.ChainFault]:
    """Return what is wrong with the audit trail."""
    return list(chain.verify(chain.read(connection, limit=1_000_000), chain.head(connection)))


def unsent_messages(connection: Connection) -> list[str]:
    """Return the messages that were not delivered."""
    query = sa.select(OUTBOX.c.topic, OUTBOX.c.state, OUTBOX.c.error).where(OUTBOX.c.state != "done")
    return [f"the message {row.topic} is {row.state}: {row.error}" for row in connection.execute(query)]


def event_counts(connection: Connection) -> dict[str, Counter[str]]:
    """Return how often each event is recorded of each change."""
    counts: dict[str, Counter[str]] = {}
    for row in connection.execute(sa.select(AUDIT.c.event, AUDIT.c.change_id)):
        counts.setdefault(row.change_id or "", Counter())[row.event] += 1
    return counts


def due_times(connection: Connection) -> list[datetime]:
    """Return when scheduled plans started, as their times came."""
    query = sa.select(AUDIT.c.at, CHANGES.c.operation).join(CHANGES, CHANGES.c.id == AUDIT.c.change_id)
    rows = connection.execute(query.where(AUDIT.c.event == DUE))
    return [datetime.fromtimestamp(row.at, UTC) for row in rows if is_plan(row.operation)]


def plan_records(connection: Connection) -> dict[str, PlanRecord]:
    """Return all that is stored of each plan, by its key."""
    changes, events = changes_by_key(connection), event_counts(connection)
    numbers = {
        (row.event, row.change_id): row.seq
        for row in connection.execute(sa.select(AUDIT.c.seq, AUDIT.c.event, AUDIT.c.change_id))
    }
    records = {}
    for key, plan in changes.items():
        if is_plan(plan.operation):
            own = {change.id: change for change in changes.values() if change.plan == plan.id}
            begun = {name: numbers["requested", name] for name in own}
            members = members_of(connection, plan.id)
            stopped = numbers.get(("plan_stopped", plan.id))
            records[key] = PlanRecord(plan, members, own, begun, events.get(plan.id, Counter()), stopped)
    return records


def end_records(connection: Connection, reminders: Mapping[str, tuple[int, int]]) -> dict[str, EndRecord]:
    """Return all that is stored of each server with an end, and its reminders, by the key of its create."""
    changes, records = changes_by_key(connection), {}
    for key, create in changes.items():
        if create.arguments.get("lifetime") != LIFETIME:
            continue
        end = ends.of_change(connection, create.id)
        trail = chain.read(connection, limit=10_000, change_id=create.id)
        own = [other for other in changes.values() if end is not None and other.target.id == end.server_id]
        records[key] = EndRecord(
            create,
            end,
            [other for other in own if other.ruling.end == create.id],
            [other for other in own if other.operation == "delete"],
            Counter((record.event, _turn(record.body.get("turn"))) for record in trail),
            [str(record.body[lifecycle.DELETES]) for record in trail if lifecycle.DELETES in record.body],
            reminders.get(create.id, (0, 0)),
        )
    return records


def _turn(stored: object) -> int:
    return stored if isinstance(stored, int) else 0


def posted_reminders(workspace: SimulatedWorkspace) -> dict[str, tuple[int, int]]:
    """Return how many reminders are in channels and in direct messages, by the creates that they are about."""
    channels = _reminders(message for channel in CHANNELS for message in workspace.messages(channel))
    direct = _reminders(workspace.direct_messages(OWNER.account))
    return {name: (channels[name], direct[name]) for name in {*channels, *direct}}


def _reminders(messages: Iterable[Message]) -> Counter[str]:
    texts = (json.dumps(message.blocks) for message in messages)
    return Counter(name for text in texts if REMINDER in text for name in set(CREATE_ID.findall(text)))


async def busy_spans(provider: str) -> list[BusySpan]:
    """Return from when until when each server of the provider was busy."""
    async with aiohttp.ClientSession() as session, session.get(f"{provider}/_sim/effects") as answer:
        effects = (await answer.json())["effects"]
    return [
        BusySpan(
            item["hostname"],
            item["operation"],
            datetime.fromisoformat(item["at"]),
            datetime.fromisoformat(item["ends_at"]),
        )
        for item in effects
    ]
