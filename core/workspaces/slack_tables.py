"""Transactions on the tables that Slack's SDK defines: installations and OAuth states."""

from collections.abc import Callable
from typing import TypeVar

from sqlalchemy.engine import Connection

from vpsops.core.storage.database import Database

T = TypeVar("T")


class SlackTables:
    """Runs the SDK's statements; it wakes no process, since nothing waits for these tables."""

    __slots__ = ("_database",)

    def __init__(self, database: Database) -> None:
        self._database = database

    async def read(self, work: Callable[[Connection], T]) -> T:
        """Run a read; raises `StorageError`."""
        return await self._database.read(work)

    async def change(self, work: Callable[[Connection], T]) -> T:
        """Run a transaction; raises `StorageError`."""
        return await self._database.transact(work, wake=False)
