"""Anchors: the audit trail's head, left once a day where a writer of the database cannot reach it.

Each place (a Slack channel, a file, a webhook) gets one a day for each database, from the first of its processes.
What a place got is stored in the database; one that failed, or was left by a process that died, is tried again.
"""

import hashlib
import hmac
import json
import os
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Final

import sqlalchemy as sa
import structlog
from anyio import to_thread
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine import Connection

from vpsops.core.audit import chain
from vpsops.core.common import timings
from vpsops.core.common.clock import Clock
from vpsops.core.common.errors import ConfigurationError, InvalidInputError, StorageError, VpsopsError
from vpsops.core.common.supervision import RoundRecorder, no_record
from vpsops.core.config.settings import LOCAL, Settings
from vpsops.core.continuity.anchor_webhook import post
from vpsops.core.messaging import outbox
from vpsops.core.storage.database import Database
from vpsops.core.storage.tables import SWITCHES
from vpsops.core.workspaces.model import Workspaces

logger = structlog.get_logger(__name__)
ANCHOR: Final = re.compile(r"(?<![0-9A-Za-z])(\d{1,18}):([0-9a-fA-F]{64})(?![0-9A-Za-z])")
MOST_ANCHORS: Final = 100_000
CHANNEL, FILE, WEBHOOK = "channel", "file", "webhook"


class AnchorError(VpsopsError):
    """An anchor could not be left at its place."""


@dataclass(frozen=True, slots=True)
class TrailHead:
    """The head of the trail as it leaves the machine."""

    seq: int
    hash: str
    at: datetime

    def __str__(self) -> str:
        """Write it as `vpsops audit verify --anchor` reads it."""
        return f"{self.seq}:{self.hash}"


@dataclass(frozen=True, slots=True)
class AnchorTargets:
    """Where anchors are left; empty ones are not used. `team` is the channel's workspace, where there are several."""

    channel: str = ""
    file: Path | None = None
    webhook: str = field(default="", repr=False)
    secret: str = field(default="", repr=False)
    team: str = ""

    @property
    def named(self) -> Mapping[str, str]:
        """The places that are used, by kind."""
        every = {CHANNEL: self.channel, FILE: str(self.file or ""), WEBHOOK: self.webhook}
        return {kind: place for kind, place in every.items() if place}


def anchor_targets_from(settings: Settings, workspaces: Workspaces) -> AnchorTargets:
    """Return where the settings want anchors left; raises `ConfigurationError`."""
    secret = settings.anchor_secret.get_secret_value() if settings.anchor_secret else ""
    team = workspaces.home if workspaces.several else ""
    webhook = settings.anchor_webhook.get_secret_value() if settings.anchor_webhook else ""
    if webhook and not webhook.startswith("https://") and not LOCAL.fullmatch(webhook):
        raise ConfigurationError("VPSOPS_AUDIT_ANCHOR_WEBHOOK must begin with https://.", hint="Correct it.")
    return AnchorTargets(settings.anchor_channel, settings.anchor_file, webhook, secret, team)


@dataclass(frozen=True, slots=True)
class AnchorPublisher:
    """Leaves the head at its places, once a day each."""

    database: Database
    clock: Clock
    places: AnchorTargets

    async def keep(self, record_round: RoundRecorder = no_record) -> None:
        """Check every minute whether a place is due for today's head, until cancelled."""
        while True:
            if await self.leave():
                record_round()
            await self.clock.sleep(timings.ANCHOR_LOOK_SECONDS)

    async def leave(self) -> bool:
        """Leave the head wherever it is due; return whether nothing failed."""
        well = True
        for kind in self.places.named:
            try:
                await self._leave_at(kind)
            except (AnchorError, StorageError) as error:
                well = False
                logger.error("anchor_failed", place=kind, error=error.message, error_id=error.error_id)
        return well

    async def _leave_at(self, kind: str) -> None:
        now = self.clock.now()
        if not await self.database.read(partial(_is_due, kind, now)):
            return
        head = await self.database.transact(partial(self._take, kind, now))
        if head is None or kind == CHANNEL:
            return
        if kind == FILE and self.places.file is not None:
            await to_thread.run_sync(_append, self.places.file, head)
        elif kind == WEBHOOK:
            await self._post(head)
        await self.database.transact(partial(_done, kind, head))
        logger.info("anchor_left", place=kind, seq=head.seq)

    def _take(self, kind: str, now: datetime, connection: Connection) -> TrailHead | None:
        """Take today's anchor of a place, unless another process has; a message to Slack is stored with it."""
        value = _locked(connection, kind)
        seq, digest = chain.head(connection)
        if not _due(value, now) or seq == 0:
            return None
        head = TrailHead(seq, digest, now)
        if kind == CHANNEL:
            payload = {"text": anchor_text(head), "channel": self.places.channel, "team": self.places.team}
            outbox.put(connection, "audit:anchor", "event", payload, now)
            _done(kind, head, connection)
        else:
            _write(connection, kind, {**value, "taken_at": now.timestamp()}, now)
        return head

    async def _post(self, head: TrailHead) -> None:
        stamp = int(head.at.timestamp())
        fields = {"anchor": str(head), "seq": head.seq, "hash": head.hash, "at": head.at.isoformat()}
        body = json.dumps(fields).encode()
        headers = {"Content-Type": "application/json", "X-Vpsops-Timestamp": str(stamp)}
        if self.places.secret:
            headers["X-Vpsops-Signature"] = signature(self.places.secret, stamp, body)
        why = await post(self.places.webhook, body, headers)
        if why:
            raise AnchorError(f"The webhook did not take the head of the audit trail: {why}.")


def signature(secret: str, stamp: int, body: bytes) -> str:
    """Return the signature of a webhook's body: HMAC-SHA-256 over `v1:`, its timestamp, a colon and the body."""
    return f"v1={hmac.new(secret.encode(), f'v1:{stamp}:'.encode() + body, hashlib.sha256).hexdigest()}"


def anchor_text(head: TrailHead) -> str:
    """Return the message for a channel."""
    return f"Head of the audit trail on {head.at:%Y-%m-%d}, to verify it later (vpsops audit verify --anchor -): {head}"


def _append(path: Path, head: TrailHead) -> None:
    line = f"{head} {head.at.isoformat(timespec='seconds')}\n".encode()
    try:
        handle = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        try:
            os.write(handle, line)
            os.fsync(handle)
        finally:
            os.close(handle)
    except OSError as error:
        raise AnchorError(f"The head of the audit trail could not be appended to {path}: {error.strerror}.") from None


def _name(kind: str) -> str:
    return f"audit_anchor_{kind}"


def _stored(connection: Connection, kind: str, *, lock: bool = False) -> Mapping[str, object]:
    query = sa.select(SWITCHES.c.value).where(SWITCHES.c.name == _name(kind))
    value = connection.scalar(query.with_for_update() if lock else query)
    return value if isinstance(value, dict) else {}


def _locked(connection: Connection, kind: str) -> Mapping[str, object]:
    insert = sqlite.insert if connection.dialect.name == "sqlite" else postgresql.insert
    empty = insert(SWITCHES).values(name=_name(kind), value={}, by={}, at=0.0)
    connection.execute(empty.on_conflict_do_nothing())  # two may be the first
    return _stored(connection, kind, lock=True)


def _write(connection: Connection, kind: str, value: Mapping[str, object], now: datetime) -> None:
    values = {"value": dict(value), "at": now.timestamp()}
    connection.execute(sa.update(SWITCHES).where(SWITCHES.c.name == _name(kind)).values(**values))


def _done(kind: str, head: TrailHead, connection: Connection) -> None:
    value = {"day": _day(head.at), "seq": head.seq, "hash": head.hash}
    _write(connection, kind, value, head.at)


def _is_due(kind: str, now: datetime, connection: Connection) -> bool:
    return _due(_stored(connection, kind), now)


def _due(value: Mapping[str, object], now: datetime) -> bool:
    """Return whether a place has not got today's head, and no process is about to leave it."""
    taken_at = value.get("taken_at")
    waits = isinstance(taken_at, int | float) and abs(now.timestamp() - taken_at) < timings.ANCHOR_RETRY_SECONDS
    return value.get("day") != _day(now) and not waits


def _day(now: datetime) -> str:
    return now.astimezone(UTC).date().isoformat()


def last_days(connection: Connection, kinds: Iterable[str]) -> Mapping[str, str]:
    """Return the day of the last anchor at each place; empty where there was none."""
    return {kind: str(_stored(connection, kind).get("day", "")) for kind in kinds}


def read_anchors(lines: Iterable[str], name: str) -> Mapping[int, str]:
    """Return the anchors in a text, with anything around them: pasted from Slack, a file's lines, JSON of a webhook.

    Raises `InvalidInputError` where there are too few, too many, or two that contradict each other.
    """
    anchors: dict[int, str] = {}
    for line in lines:
        for match in ANCHOR.finditer(line):
            seq, digest = int(match[1]), match[2].lower()
            if anchors.setdefault(seq, digest) != digest:
                raise InvalidInputError(
                    f"{name} names two hashes for record {seq}.",
                    hint="One of them was forged, or the trail was rewritten between them: find out which.",
                )
            if len(anchors) > MOST_ANCHORS:
                raise InvalidInputError(f"{name} holds more than {MOST_ANCHORS:,} anchors.", hint="Give fewer.")
    if not anchors:
        raise InvalidInputError(
            f"{name} holds no anchor.", hint="An anchor is a record's number, a colon and its hash."
        )
    return anchors
