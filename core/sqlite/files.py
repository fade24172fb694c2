"""The files of a SQLite database: whether the path still leads to those that this process has open.

A process that continues in a deleted or moved file shares its locks, leases and history with no other: another one
makes a new file at the path and acts on the same servers. SQLite itself does not check
(https://www.sqlite.org/howtocorrupt.html, section 2.5), so every transaction does, and every write that leaves.
"""

import os
import sqlite3
import threading
import weakref
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import structlog

from vpsops.core.common.errors import StorageError

logger = structlog.get_logger(__name__)
BESIDE: Final = ("-wal", "-shm")
READ_WRITE: Final = "mode=rw"
HINT: Final = (
    "Nothing is stored or sent any more. Find out who moved it, put the right file there, and restart this process."
)


class StoreMovedError(StorageError):
    """The path of the database leads to another file than the open one, or to none; only a restart helps."""


@dataclass(frozen=True, slots=True)
class FileIdentity:
    """The identity of a file on one machine, for as long as it is open."""

    device: int
    inode: int


def identity_at(path: str) -> FileIdentity | None:
    """Return the identity of the file at a path, or None if it is missing or cannot be read."""
    try:
        status = os.stat(path)  # noqa: PTH116 - twice as fast as Path, and asked before every transaction
    except OSError:
        return None
    return FileIdentity(status.st_dev, status.st_ino)


def read_only_query(path: Path) -> str:
    """Return the query that opens a copy that may only be read.

    SQLite would make the two files beside it to read it; without either, there is no writer, and it need not
    (https://www.sqlite.org/wal.html, "Read-Only Databases"). With them it is read as it is, if that can be.
    """
    alone = all(identity_at(f"{path}{suffix}") is None for suffix in BESIDE)
    return "mode=ro&immutable=1" if alone else "mode=ro"


class _TrackedConnection(sqlite3.Connection):
    """A connection that can be referred to weakly."""


class StoreFiles:
    """A database file and the two that SQLite keeps beside it, as they were when they were opened."""

    def __init__(self, path: Path, identity: FileIdentity, *, query: str = READ_WRITE) -> None:
        self.path = str(path)
        self.uri = f"{path.as_uri()}?{query}"  # without a mode SQLite makes a missing file again, empty
        self._identity = identity
        self.read_only = query != READ_WRITE
        self._beside: dict[str, FileIdentity] = {}
        self._open: weakref.WeakSet[_TrackedConnection] = weakref.WeakSet()
        self._lock = threading.Lock()
        self._problem = ""

    def connect(self) -> sqlite3.Connection:
        """Open a connection; raises `StoreMovedError`, `sqlite3.Error`."""
        self._verify_file()
        with self._lock:
            if not self._open:  # after the last one SQLite removes the files beside, and makes new ones
                self._beside.clear()
            connection = sqlite3.connect(self.uri, uri=True, check_same_thread=False, factory=_TrackedConnection)
            self._open.add(connection)
        return connection

    def close(self, connection: object) -> None:
        """Count a connection out that was closed."""
        with self._lock:
            self._open = weakref.WeakSet(kept for kept in self._open if kept is not connection)

    @property
    def in_place(self) -> bool:
        """Return whether the path leads to the open file, now and at all earlier checks."""
        try:
            self._verify_file()
        except StoreMovedError:
            return False
        return True

    @property
    def free_bytes(self) -> int | None:
        """Return the room for this user on the disk of the file, in bytes, where that is known."""
        try:
            status = os.statvfs(os.path.dirname(self.path))  # noqa: PTH120 - as above
        except (OSError, AttributeError):
            return None
        return status.f_bavail * status.f_frsize

    def verify(self) -> None:
        """Raise `StoreMovedError` unless all files are in their place; within a transaction, when all are there."""
        self._verify_file()
        for suffix in BESIDE:
            identity = identity_at(self.path + suffix)
            with self._lock:
                known = self._beside.setdefault(suffix, identity) if identity is not None else self._beside.get(suffix)
            if known is not None and identity != known:
                self._refuse(f"{self.path}{suffix}", identity)

    def _verify_file(self) -> None:
        if self._problem:  # once is enough: by now another process may have worked in another file
            raise StoreMovedError(self._problem, hint=HINT)
        identity = identity_at(self.path)
        if identity != self._identity:
            self._refuse(self.path, identity)

    def _refuse(self, path: str, identity: FileIdentity | None) -> None:
        what = "is gone" if identity is None else "is another file now"
        problem = f"The database was moved, replaced or deleted while this process had it open: {path} {what}."
        with self._lock:
            first, self._problem = not self._problem, self._problem or problem
        error = StoreMovedError(self._problem, hint=HINT)
        if first:
            logger.error("database_file_moved", error=error.message, hint=HINT, error_id=error.error_id)
        raise error
