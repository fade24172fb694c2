"""A host's file: read once, replaced whole with its rights, its owner and its links as they were, and a backup beside.

What was there before the last change stands in the backup; taking the entry out puts it back to the letter where
nothing else has changed since.
"""

import os
import stat
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Final

from vpsops.core.common.errors import ConfigurationError
from vpsops.core.files.staged_file import replace_file

MOST_BYTES: Final = 50_000_000
SUFFIX: Final = ".vpsops-backup"
BOM: Final = "\ufeff"
NEW_FOLDER: Final = 0o700


@dataclass(frozen=True, slots=True)
class HostFile:
    """A file as it was read: `place` is where it really is, behind links; `content` is None where there is none."""

    path: Path
    place: Path
    content: bytes | None

    @property
    def text(self) -> str:
        """The text without a byte order mark."""
        return (self.content or b"").decode("utf-8").removeprefix(BOM)

    @property
    def backup(self) -> Path:
        """Where the content from before a change is kept."""
        return self.place.with_name(self.place.name + SUFFIX)

    @property
    def backup_text(self) -> str | None:
        """What the backup holds, or None."""
        try:
            return read(self.backup).text if self.backup.exists() else None
        except ConfigurationError:
            return None

    def encoded(self, text: str) -> bytes:
        """Return a text as this file's bytes: with a byte order mark where it has that."""
        marked = (self.content or b"").startswith(BOM.encode())
        return ((BOM if marked else "") + text).encode("utf-8")


def read(path: Path) -> HostFile:
    """Read a file. Raises `ConfigurationError`."""
    try:
        place = path.resolve()
        with suppress(FileNotFoundError):
            about = place.stat()
            if not stat.S_ISREG(about.st_mode):
                raise _refused(path, "it is no file")
            if about.st_size > MOST_BYTES:
                raise _refused(path, "it is larger than a configuration is")
            content = place.read_bytes()
            content.decode("utf-8")
            return HostFile(path, place, content)
    except UnicodeDecodeError:
        raise _refused(path, "it is not UTF-8") from None
    except RuntimeError:
        raise _refused(path, "its links lead in a circle") from None
    except OSError as error:
        raise _refused(path, f"it cannot be read: {error.strerror}") from None
    return HostFile(path, place, None)


def replace(file: HostFile, text: str) -> None:
    """Write another text in its place, after a backup. Raises `ConfigurationError`, after which nothing has changed."""
    try:
        if file.content is None:
            file.place.parent.mkdir(mode=NEW_FOLDER, parents=True, exist_ok=True)
        else:
            _write(file.backup, file.content, like=file.place)
        _check_unchanged(file)
        _write(file.place, file.encoded(text), like=file.place)
    except OSError as error:
        raise _refused(file.path, f"it cannot be written: {error.strerror}") from None


def restore(file: HostFile) -> None:
    """Put the backup in its place; raises `ConfigurationError`."""
    try:
        _check_unchanged(file)
        file.backup.replace(file.place)
    except OSError as error:
        raise _refused(file.path, f"its backup cannot be put back: {error.strerror}") from None


def remove(file: HostFile) -> None:
    """Remove a file that holds nothing but what we wrote; raises `ConfigurationError`."""
    try:
        _check_unchanged(file)
        file.place.unlink()
    except OSError as error:
        raise _refused(file.path, f"it cannot be removed: {error.strerror}") from None


def _check_unchanged(file: HostFile) -> None:
    """Refuse where the host, or another process, wrote the file since it was read."""
    now = file.place.read_bytes() if file.place.exists() else None
    if now != file.content:
        raise ConfigurationError(
            f"{file.path} was changed in between, so nothing was written.", hint="Run the command again."
        )


def _write(path: Path, content: bytes, like: Path) -> None:
    """Replace a file by one with the rights and the owner of another that is there."""
    replace_file(path, content, partial(_give_rights, like))


def _give_rights(like: Path, number: int) -> None:
    if not like.exists():
        return
    about = like.stat()
    if (about.st_uid, about.st_gid) != (os.geteuid(), os.getegid()):
        os.fchown(number, about.st_uid, about.st_gid)
    os.fchmod(number, stat.S_IMODE(about.st_mode))


def _refused(path: Path, why: str) -> ConfigurationError:
    return ConfigurationError(
        f"{path}: {why}. Nothing was changed.", hint="Mend it, name another by --file, or paste what --print prints."
    )
