"""The switch that stops agents from changing anything. Only people can set it; no agent can.

Check it inside the transaction that has the effect: what `check` finds holds until that transaction ends. A write
with a stored sending may still leave, within its window of two seconds.
"""

from dataclasses import asdict, dataclass
from datetime import UTC, datetime

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from vpsops.core.audit import chain
from vpsops.core.common.errors import NotAllowedError, StaleChangeError
from vpsops.core.common.json_types import Json
from vpsops.core.common.text import moment
from vpsops.core.grants.lifecycle import PAUSED, end_all
from vpsops.core.identity import serialization
from vpsops.core.identity.actors import Actor, ActorKind, Approvers, is_among
from vpsops.core.messaging import outbox
from vpsops.core.storage import rows
from vpsops.core.storage.rows import JsonText, UnreadableRow
from vpsops.core.storage.tables import CHANGES, SWITCHES

NAME = "agents_paused"
BARRIER = 1987080195
"""The key of the lock that keeps the switch unchanged for those who rely on it, on a database with many writers."""


@dataclass(frozen=True, slots=True)
class Pause:
    """Whether agents are paused; who set that last, when and why. Without a time it was never set."""

    paused: bool = False
    by: Actor | None = None
    at: datetime | None = None
    reason: str = ""

    @property
    def words(self) -> str:
        """Return one sentence: who paused agents, when and why."""
        who = self.by.label if self.by else "a person"
        when = f" at {moment(self.at)}" if self.at else ""
        return f"Agents are paused: {who} paused them{when}{f', because {self.reason}' if self.reason else ''}."


class AgentsPausedError(NotAllowedError):
    """Agents are paused, so nothing is done for one; carries the pause."""

    def __init__(self, pause: Pause) -> None:
        hint = "Reads still work. Ask again once a person in Slack has resumed agents (/vps resume)."
        super().__init__(pause.words, hint=hint)
        self.pause = pause


def read(connection: Connection) -> Pause:
    """Return the switch; one that cannot be understood counts as paused."""
    query = sa.select(SWITCHES).where(SWITCHES.c.name == NAME)
    row = next(iter(rows.fetch(connection, query, SWITCHES.c.name)), None)
    if row is None:
        return Pause()
    if isinstance(row, UnreadableRow):
        rows.note(row)
        return Pause(paused=True)
    value = row["value"] if isinstance(row["value"], dict) else {}
    paused = value.get("paused") is not False
    return Pause(paused, _actor(row["by"]), datetime.fromtimestamp(row["at"], UTC), str(value.get("reason", "")))


def _actor(stored: Json) -> Actor | None:
    try:
        return serialization.actor_of(stored)
    except (KeyError, TypeError, ValueError):
        return None


def check(connection: Connection, *actors: Actor) -> None:
    """Raise `AgentsPausedError` if one of some actors is an agent while agents are paused; people pass."""
    if all(actor.kind is not ActorKind.AGENT for actor in actors):
        return
    _keep_still(connection, "pg_advisory_xact_lock_shared")
    pause = read(connection)
    if pause.paused:
        raise AgentsPausedError(pause)


def check_unlocked(connection: Connection, asker: Actor) -> None:
    """Raise `AgentsPausedError` as `check` does, without a lock; a caller that relies on it checks again."""
    if asker.kind is ActorKind.AGENT and (pause := read(connection)).paused:
        raise AgentsPausedError(pause)


@dataclass(frozen=True, slots=True)
class PauseSwitch:
    """A request to set the switch; `seen` is the time of the pause that the requester saw, if any."""

    pause: Pause
    evidence: str = ""
    seen: float | None = None


def switch_pause(connection: Connection, asked: PauseSwitch, stewards: Approvers) -> Pause:
    """Set the switch, with its audit record and its notices; an unchanged value stays as it is.

    Raises `NotAllowedError` for an agent, and for those who may not resume agents; `StaleChangeError` when the pause
    differs from the one that was seen.
    """
    _may(asked.pause, stewards)
    _keep_still(connection, "pg_advisory_xact_lock")
    now = read(connection)
    if now.paused is asked.pause.paused:
        return now
    if asked.seen is not None and now.at is not None and now.at.timestamp() != asked.seen:
        raise StaleChangeError("Agents were paused again since this was shown.", hint="Check the newest pause first.")
    _write(connection, asked)
    return read(connection)


def _may(pause: Pause, stewards: Approvers) -> None:
    if pause.by is None or pause.by.kind is not ActorKind.PERSON:
        raise NotAllowedError("Only a person can pause or resume agents.")
    if not pause.paused and stewards and not is_among(stewards, pause.by):
        raise NotAllowedError(
            "You are not among those who may resume agents.", hint="Ask a member of the channel where approvals go."
        )


def _write(connection: Connection, asked: PauseSwitch) -> None:
    pause = asked.pause
    if pause.by is None or pause.at is None:
        raise ValueError("a switch needs a person and a time")
    at, who = pause.at.timestamp(), pause.by
    connection.execute(sa.delete(SWITCHES).where(SWITCHES.c.name == NAME))
    if pause.paused:  # changes that wait for the provider are cancelled now, and not only after a resume
        agents = JsonText(CHANGES.c.actor, "kind") == ActorKind.AGENT.value
        connection.execute(sa.update(CHANGES).where(CHANGES.c.not_before.is_not(None), agents).values(not_before=None))
        end_all(connection, PAUSED, pause.at)
    value = {"paused": pause.paused, "reason": pause.reason}
    connection.execute(sa.insert(SWITCHES).values(name=NAME, value=value, by=asdict(who), at=at))
    by = {"kind": who.kind.value, "id": who.id, "name": who.name, "human": who.human}
    event = "agents_paused" if pause.paused else "agents_resumed"
    chain.append(connection, at, event, None, {"by": by, "reason": pause.reason, "evidence": asked.evidence})
    outbox.put(connection, f"switch:{NAME}", "event", {"text": _news(pause, who)}, pause.at)


def _news(pause: Pause, who: Actor) -> str:
    if pause.paused:
        return f"{pause.words} They can read, and change nothing."
    because = f", because {pause.reason}" if pause.reason else ""
    return f"{who.label} resumed agents{because}. Changes cancelled during the pause stay cancelled."


def _keep_still(connection: Connection, lock: str) -> None:
    """SQLite has one writer at a time anyway."""
    if connection.dialect.name == "postgresql":
        connection.execute(sa.text(f"SELECT {lock}({BARRIER})"))
