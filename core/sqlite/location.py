"""Where a SQLite database may be, and its file opened for this user."""

import errno
import os
from collections.abc import Iterable
from pathlib import Path

from vpsops.core.common.errors import ConfigurationError
from vpsops.core.sqlite.files import FileIdentity, StoreFiles, read_only_query

IN_MEMORY = (":memory:", "file:")
NETWORK_FILE_SYSTEMS = frozenset(
    {"nfs", "nfs4", "cifs", "smb3", "smbfs", "9p", "afs", "ceph", "fuse.glusterfs", "fuse.sshfs", "lustre"}
)


class NotReadyError(ConfigurationError):
    """The database, or the schema of this version, is not there yet: a start makes it, a read does not."""


class NotWritableError(ConfigurationError):
    """This user may not write to the file."""


def local_path(name: str) -> Path:
    """Return the full path of a database's file; raises `ConfigurationError` for one where SQLite loses data."""
    path = _full_path(name)
    kind = file_system_of(path.parent)
    if kind in NETWORK_FILE_SYSTEMS:
        raise ConfigurationError(
            f"{path.parent} is on a network file system ({kind}), where SQLite loses data.",
            hint="Put the file on a local disk, or use PostgreSQL for several machines.",
        )
    return path


def _full_path(name: str) -> Path:
    if not name or name.startswith(IN_MEMORY):
        raise ConfigurationError("The database must be a file: changes must survive a restart.")
    return Path(name).expanduser().resolve()


def opened_files(path: Path, *, make: bool) -> StoreFiles:
    """Open the files to read and write; or to read, for a copy that is read-only."""
    try:
        identity = _touch(path, make=make)
        if make or os.access(path.parent, os.W_OK):
            return StoreFiles(path, identity)
    except NotWritableError:
        if make:
            raise
    return StoreFiles(path, _touch(path, make=False, flags=os.O_RDONLY), query=read_only_query(path))


def _touch(path: Path, *, make: bool, flags: int = os.O_RDWR) -> FileIdentity:
    """Open the file once and return its identity; made, with its folder, for its owner alone: it holds private reasons.

    The files that SQLite puts beside it follow its mode.
    """
    try:
        if make:
            path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        opened = os.open(path, flags | os.O_CLOEXEC | (os.O_CREAT if make else 0), 0o600)
        try:
            status = os.fstat(opened)
        finally:
            os.close(opened)
        return FileIdentity(status.st_dev, status.st_ino)
    except FileNotFoundError:
        if make:
            raise ConfigurationError(
                f"The database's folder, {path.parent}, cannot be made.",
                hint="Make it, or set VPSOPS_DATABASE_URL to a place on a local disk.",
            ) from None
        raise NotReadyError(
            f"There is no database at {path}.",
            hint="The first command that uses it makes it, such as `vpsops list`; or set VPSOPS_DATABASE_URL.",
        ) from None
    except OSError as error:
        kind = NotWritableError if error.errno in {errno.EACCES, errno.EPERM, errno.EROFS} else ConfigurationError
        raise kind(
            f"The database at {path} cannot be opened: {error.strerror}.",
            hint="Check VPSOPS_DATABASE_URL, and that this user may write to the file and its folder.",
        ) from None


def _mounts() -> list[str]:
    try:
        return Path("/proc/self/mounts").read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:  # not Linux: nothing to read, nothing refused
        return []


def file_system_of(folder: Path) -> str:
    """Name the kind of file system a folder is on, or nothing where that is unknown."""
    return file_system(folder, _mounts())


def file_system(folder: Path, mounts: Iterable[str]) -> str:
    """Name the kind of file system a folder is on, by the deepest mount above it."""
    best, kind = "", ""
    for line in mounts:
        fields = line.split()
        point = fields[1].replace("\\040", " ") if len(fields) > 2 else ""  # noqa: PLR2004 - the kind is the third
        if point and _holds(point, str(folder)) and len(point) >= len(best):
            best, kind = point, fields[2]
    return kind


def _holds(point: str, folder: str) -> bool:
    return os.path.commonpath([point, folder]) == point
