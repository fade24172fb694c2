"""A file that is there whole or not at all: written beside its place, synced, and then given its name.

What a killed process left beside it is removed by the next one; a lock marks what is still written.
"""

import fcntl
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

from vpsops.core.backup.backup_file import BackupFileError

PARTIAL: Final = "partial"
BESIDE: Final = ("-journal", "-wal", "-shm")
PLACE: Final = "Name a file in a folder that this user may write to."
THERE: Final = "Choose another name, or replace it with --force."


@contextmanager
def new_file(path: Path, *, replace: bool = False) -> Iterator[Path]:
    """Give the path of an empty file, readable by its owner alone, that takes the place of `path` in the end.

    An exception leaves nothing. Raises `BackupFileError` where the place is taken or cannot be written.
    """
    _check_place(path, replace=replace)
    _remove_leftovers(path)
    try:
        number, name = tempfile.mkstemp(dir=path.parent, prefix=_prefix(path))
    except OSError as error:
        raise BackupFileError(f"{path} cannot be written: {error.strerror}.", hint=PLACE) from None
    partial = Path(name)
    try:
        fcntl.flock(number, fcntl.LOCK_EX)
        yield partial
        os.fsync(number)
        _put(partial, path, replace=replace)
    except OSError as error:
        raise BackupFileError(f"{path} cannot be written: {error.strerror}.", hint=PLACE) from None
    finally:
        with suppress(OSError):
            partial.unlink()
        os.close(number)


def _check_place(path: Path, *, replace: bool) -> None:
    if path.is_dir():
        raise BackupFileError(f"{path} is a folder.", hint=PLACE)
    if os.path.lexists(path) and not replace:
        raise BackupFileError(f"{path} is there already, and was not overwritten.", hint=THERE)
    if os.path.lexists(path) and not path.is_file():
        raise BackupFileError(f"{path} is no regular file.", hint=PLACE)


def _prefix(path: Path) -> str:
    return f".{path.name}.{PARTIAL}-"


def _remove_leftovers(path: Path) -> None:
    with suppress(OSError):
        for other in path.parent.iterdir():
            if other.name.startswith(_prefix(path)) and "-" not in other.name.removeprefix(_prefix(path)):
                _remove_unlocked(other)


def _remove_unlocked(partial: Path) -> None:
    with suppress(OSError), partial.open("rb") as file:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        for suffix in BESIDE:
            partial.with_name(f"{partial.name}{suffix}").unlink(missing_ok=True)
        partial.unlink()


def _put(partial: Path, path: Path, *, replace: bool) -> None:
    if replace:
        partial.replace(path)
    else:
        try:
            os.link(partial, path)  # unlike a rename it overwrites nothing that came in between
        except FileExistsError:
            raise BackupFileError(f"{path} is there already, and was not overwritten.", hint=THERE) from None
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
