"""Questions about accounts as they stand in the database, and their answers."""

import hashlib
import json
import math
from collections.abc import Sequence
from typing import Final

import anyio
import sqlalchemy as sa
import structlog
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine import Connection

from vpsops.core.common import timings
from vpsops.core.common.clock import Clock
from vpsops.core.common.errors import VpsopsError
from vpsops.core.identity.accounts import TOPIC, AccountAnswer, AccountDirectory, DirectoryUnavailableError, Names
from vpsops.core.storage.commit_notifier import touch
from vpsops.core.storage.database import Database
from vpsops.core.storage.leases import front_alive
from vpsops.core.storage.tables import ACCOUNTS

AT_ONCE: Final = 20

logger = structlog.get_logger(__name__)


def asked(connection: Connection, names: Names, now: float, tick: float) -> AccountAnswer | int:
    """Return an answer of the last half minute, or the number of a new question; raises `DirectoryUnavailableError`."""
    row = connection.execute(sa.select(ACCOUNTS).where(ACCOUNTS.c.id == key_of(names))).one_or_none()
    age = now - row.answered_at if row is not None and row.answered_at is not None else math.inf
    if row is not None and 0 <= age <= timings.ACCOUNT_KEPT_SECONDS:
        return AccountAnswer(row.account, row.problem)
    if not front_alive(connection, tick, "slack"):
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
        questions = await read(open_questions_in)
        async with anyio.create_task_group() as group:
            for names, number in questions:
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


def answered(connection: Connection, names: Names, number: int) -> AccountAnswer | None:
    """Return the answer to a question, once it was given."""
    query = sa.select(ACCOUNTS).where(ACCOUNTS.c.id == key_of(names), ACCOUNTS.c.answered >= number)
    row = connection.execute(query).one_or_none()
    return None if row is None else AccountAnswer(row.account, row.problem)


def open_questions_in(connection: Connection) -> list[tuple[Names, int]]:
    """Return the questions without an answer, with their numbers, the newest first."""
    query = sa.select(ACCOUNTS.c.names, ACCOUNTS.c.asked).where(ACCOUNTS.c.asked > ACCOUNTS.c.answered)
    rows = connection.execute(query.order_by(ACCOUNTS.c.asked_at.desc()).limit(AT_ONCE)).all()
    return [(tuple(names), asked) for names, asked in rows]


def has_answers(connection: Connection) -> bool:
    """Return whether a Slack bot ever answered for an account here."""
    return connection.execute(sa.select(ACCOUNTS.c.id).where(ACCOUNTS.c.answered > 0).limit(1)).first() is not None
