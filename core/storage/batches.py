"""Reads that are batched into the transaction of a heartbeat.

Queries that every process makes every few seconds would cost as much as all the rest while the system is
idle. So they wait for the next heartbeat, and an idle process makes one transaction a second.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, Generic, TypeVar

import anyio

from vpsops.core.common.errors import StorageError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from sqlalchemy.engine import Connection

T = TypeVar("T")
BOARD: Final = "SAVEPOINT riders; SET LOCAL lock_timeout = '300ms'"
"""A heartbeat does not wait for locks: the rows that its riders want to read may be locked for long."""
DROP: Final = "ROLLBACK TO SAVEPOINT riders"


class Rider(Generic[T]):
    """One read that waits for a heartbeat."""

    def __init__(self, work: Callable[[Connection], T]) -> None:
        self._work = work
        self._there = anyio.Event()
        self._answers: list[T] = []
        self._error: Exception | None = None

    async def arrival(self) -> T:
        """Wait for the heartbeat to be stored; raises what the read raised, or `StorageError`."""
        await self._there.wait()
        if self._error is not None:
            raise self._error
        return self._answers[0]

    def read(self, connection: Connection) -> bool:
        """Read in the heartbeat's transaction; return whether that succeeded. Raises where the connection is lost."""
        from sqlalchemy.exc import DBAPIError  # noqa: PLC0415 - not for what reads a file

        self._answers, self._error = [], None
        try:
            self._answers.append(self._work(connection))
        except DBAPIError as error:
            if error.connection_invalidated:
                raise
            self._error = StorageError("The database did not answer.", hint="Nothing was stored.")
            self._error.__cause__ = error
        except Exception as error:  # noqa: BLE001 - it is raised where the answer is waited for
            self._error = error
        return self._error is None

    def arrive(self, error: Exception | None = None) -> None:
        """Deliver the answer; an error is one of the heartbeat itself."""
        self._error = error or self._error
        self._there.set()


def carry(connection: Connection, riders: Sequence[Rider[Any]]) -> None:
    """Read for all of them in the caller's transaction; a failure of one does not affect the others."""
    savepoint = connection.dialect.name == "postgresql" and bool(riders)
    if savepoint:
        connection.exec_driver_sql(BOARD)
    for rider in riders:
        if not rider.read(connection) and savepoint:
            connection.exec_driver_sql(DROP)
