"""The newest audit head that this machine has seen of each database, in a file with the user's other state.

It outlives the processes, so that a restart notices a database that went back. Losing it loses that and nothing
else, so what cannot be read counts as nothing seen. Several processes write it; the newer head of a database wins.
"""

import fcntl
import json
import os
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

import sqlalchemy as sa
import structlog
from pydantic import TypeAdapter, ValidationError

logger = structlog.get_logger(__name__)
NAME: Final = "heads.json"
MOST_DATABASES: Final = 64
MOST_FINDINGS: Final = 16
MOST_BYTES: Final = 262_144


@dataclass(frozen=True, slots=True)
class Mark:
    """The newest record of a database's audit trail that was seen, and the findings that were known by then."""

    seq: int
    hash: str
    findings: tuple[str, ...] = ()  # the last ones, oldest first

    def follows(self, other: "Mark") -> bool:
        """Return whether this one was seen after another of the same database."""
        if self.findings != other.findings:
            return set(other.findings[-1:]) <= set(self.findings)
        return self.seq > other.seq


@dataclass(frozen=True, slots=True)
class _HeadEntry:
    seq: int
    hash: str
    findings: tuple[str, ...]
    at: float


ENTRIES: Final = TypeAdapter(dict[str, _HeadEntry])


def database_name(url: str) -> str:
    """Return the name of a database on this machine, without user and password."""
    parsed = sa.make_url(url)
    if parsed.get_backend_name() == "sqlite":
        return f"sqlite:///{Path(parsed.database or '').expanduser().resolve()}"
    host = parsed.query.get("host", parsed.host or "")
    return f"postgresql://{host}:{parsed.port or 5432}/{parsed.database or ''}"


class HeadFile:
    """The part of one database in the file of all."""

    def __init__(self, folder: Path, url: str) -> None:
        self.path = folder / NAME
        self._name = database_name(url)
        self._failed = False

    @property
    def writable(self) -> bool:
        """Return whether the file can be written, or made with its folder."""
        place = next(folder for folder in (self.path, *self.path.parents) if folder.exists())
        return os.access(place, os.W_OK if place == self.path else os.W_OK | os.X_OK)

    def read(self) -> Mark | None:
        """Return the mark of this database; None where none was kept, or it cannot be read."""
        entry = self._entries().get(self._name)
        return None if entry is None else Mark(entry.seq, entry.hash, entry.findings)

    def write(self, mark: Mark, at: float) -> bool:
        """Keep a mark unless a later one is there; return whether the file can be written."""
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            with self._locked():
                entries = self._entries()
                known = entries.get(self._name)
                if known is None or mark.follows(Mark(known.seq, known.hash, known.findings)):
                    entries[self._name] = _HeadEntry(mark.seq, mark.hash, mark.findings[-MOST_FINDINGS:], at)
                    self._replace(entries)
        except OSError as error:
            if not self._failed:
                logger.warning("head_file_not_written", path=str(self.path), error=error.strerror or str(error))
            self._failed = True
            return False
        self._failed = False
        return True

    @contextmanager
    def _locked(self) -> Iterator[None]:
        lock = os.open(self.path.with_suffix(".lock"), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield
        finally:
            os.close(lock)

    def _entries(self) -> dict[str, _HeadEntry]:
        try:
            with self.path.open("rb") as file:
                return ENTRIES.validate_json(file.read(MOST_BYTES))
        except FileNotFoundError:
            return {}
        except (OSError, ValidationError) as error:
            logger.warning("head_file_not_read", path=str(self.path), error=type(error).__name__)
            return {}

    def _replace(self, entries: Mapping[str, _HeadEntry]) -> None:
        """Write the newest entries to a temporary file, and rename it into place."""
        newest = sorted(entries.items(), key=lambda entry: entry[1].at)[-MOST_DATABASES:]
        text = json.dumps({name: asdict(entry) for name, entry in newest}, indent=1)
        number, beside = tempfile.mkstemp(dir=self.path.parent, prefix=f".{NAME}-")
        try:
            with os.fdopen(number, "w", encoding="utf-8") as file:
                file.write(text)
            Path(beside).replace(self.path)
        except BaseException:
            with suppress(OSError):
                Path(beside).unlink()
            raise
