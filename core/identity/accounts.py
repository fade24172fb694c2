"""Which account the human behind an agent has in the directory where people decide: exactly one, or none that counts.

The core asks; the owner of the directory (`bot/workspaces/account_directory.py`: Slack) answers. A process of its own,
such as a stdio MCP server, has no token to ask with: it stores its question in the database, and the bot answers it.
"""

import hashlib
import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Protocol

import anyio
import sqlalchemy as sa
import structlog
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine import Connection

from vpsops.core.common import timings
from vpsops.core.common.clock import Clock
from vpsops.core.common.errors import VpsopsError
from vpsops.core.identity.actors import SLACK, Actor
from vpsops.core.storage.commit_notifier import touch
from vpsops.core.storage.database import Database
from vpsops.core.storage.leases import front_alive
from vpsops.core.storage.tables import ACCOUNTS

AT_ONCE: Final = 20
TOPIC: Final = "accounts"
MOST_NAMES: Final = 12
GUEST: Final = "that account is a guest's"
"""The one problem with which someone may still read."""

logger = structlog.get_logger(__name__)
Names = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class AccountAnswer:
    """What a directory says of some names: one active full member's account, or why there is none."""

    account: str = ""
    problem: str = ""


class DirectoryUnavailableError(VpsopsError):
    """The directory cannot be asked now; that is no answer."""


class AccountDirectory(Protocol):
    """Knows people by name."""

    async def find(self, names: Names) -> AccountAnswer:
        """Return the account with these names; raises `DirectoryUnavailableError`, `StorageError`."""


def names_of(actor: Actor) -> Names:
    """Return the names by which a directory may know an actor's human; none where there are none such."""
    names = (actor.human, *actor.aliases)
    return tuple(dict.fromkeys(name for name in names if name.startswith(SLACK) or "@" in name))[:MOST_NAMES]


class AccountQuestions:
    """Asks the directory through the database, where the Slack bot of this set-up answers."""

    __slots__ = ("_clock", "_database")

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    async def answer_from(self, directory: AccountDirectory) -> None:
        """Answer from a directory what other processes ask, until cancelled."""
        await answer_questions(self._database, self._clock, directory)

    async def find(self, names: Names) -> AccountAnswer:
        """Return an answer of the last half minute, or wait for a new one; raises `DirectoryUnavailableError`."""
        number = await self._database.transact(lambda connection: self._ask(connection, names))
        if isinstance(number, AccountAnswer):
            return number
        give_up = self._clock.monotonic() + timings.ACCOUNT_SECONDS
        while True:
            mark = self._database.signals.mark(TOPIC)
            answer = await self._database.read(lambda connection: _answered(connection, names, number))
            left = give_up - self._clock.monotonic()
            if answer is not None:
                return answer
            if left <= 0:
                raise DirectoryUnavailableError(
                    "Slack did not return this account.",
                    hint="Look into the log of `vpsops bot`, or run `vpsops doctor` there; then ask again.",
                )
            await self._database.signals.wait(left, since=mark)

    def _ask(self, connection: Connection, names: Names) -> "AccountAnswer | int":
        row = connection.execute(sa.select(ACCOUNTS).where(ACCOUNTS.c.id == key_of(names))).one_or_none()
        now = self._clock.now().timestamp()
        age = now - row.answered_at if row is not None and row.answered_at is not None else math.inf
        if row is not None and 0 <= age <= timings.ACCOUNT_KEPT_SECONDS:
            return AccountAnswer(row.account, row.problem)
        if not front_alive(connection, self._database.tick(connection), "slack"):
            raise DirectoryUnavailableError(
                "No Slack bot is running on this database, so the account cannot be determined.",
                hint="Start `vpsops bot` (or `vpsops serve`) with the same VPSOPS_DATABASE_URL, then ask again.",
            )
        return _put_question(connection, names, now)


async def answer_questions(database: Database, clock: Clock, directory: AccountDirectory) -> None:
    """Answer from a directory what other processes ask in the database, until cancelled."""
    asked = False
    while True:
        mark = database.signals.mark(TOPIC)
        read = database.read if asked else database.read_along
        open_questions = await read(_open_questions)
        async with anyio.create_task_group() as group:
            for names, number in open_questions:
                group.start_soon(_answer, database, clock, directory, names, number)
        await database.signals.wait(timings.ACCOUNT_LOOK_SECONDS, since=mark)
        asked = mark.is_set()


async def _answer(database: Database, clock: Clock, directory: AccountDirectory, names: Names, number: int) -> None:
    try:
        answer = await directory.find(names)
    except VpsopsError as error:  # it stays open: the asker gives up, or the next round answers
        logger.warning("account_not_found_out", error=error.message, error_id=error.error_id)
        await clock.sleep(1.0)
        return
    values = {"answered": number, "account": answer.account, "problem": answer.problem[:500]}
    values |= {"answered_at": clock.now().timestamp()}
    update = sa.update(ACCOUNTS).where(ACCOUNTS.c.id == key_of(names)).values(**values)

    def work(connection: Connection) -> None:
        touch(connection, TOPIC)
        connection.execute(update)

    await database.transact(work)


def key_of(names: Sequence[str]) -> str:
    """Return the key of some names."""
    return hashlib.sha256(json.dumps(list(names)).encode()).hexdigest()


def _put_question(connection: Connection, names: Names, now: float) -> int:
    touch(connection, TOPIC)
    key = key_of(names)
    insert = sqlite.insert if connection.dialect.name == "sqlite" else postgresql.insert
    row = {"id": key, "names": list(names), "asked": 0, "answered": 0, "account": "", "problem": "", "asked_at": now}
    connection.execute(insert(ACCOUNTS).values(**row).on_conflict_do_nothing())
    number = ACCOUNTS.c.asked + 1
    update = sa.update(ACCOUNTS).where(ACCOUNTS.c.id == key).values(asked=number, asked_at=now)
    return int(connection.execute(update.returning(ACCOUNTS.c.asked)).scalar_one())


def _answered(connection: Connection, names: Names, number: int) -> AccountAnswer | None:
    query = sa.select(ACCOUNTS).where(ACCOUNTS.c.id == key_of(names), ACCOUNTS.c.answered >= number)
    row = connection.execute(query).one_or_none()
    return None if row is None else AccountAnswer(row.account, row.problem)


def _open_questions(connection: Connection) -> list[tuple[Names, int]]:
    query = sa.select(ACCOUNTS.c.names, ACCOUNTS.c.asked).where(ACCOUNTS.c.asked > ACCOUNTS.c.answered)
    rows = connection.execute(query.order_by(ACCOUNTS.c.asked_at.desc()).limit(AT_ONCE)).all()
    return [(tuple(names), asked) for names, asked in rows]
