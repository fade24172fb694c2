"""The files that `vpsops init` writes: shown before they replace others, for their owner alone, whole or not at all."""

import difflib
import stat
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from vpsops.core.common.errors import ConfigurationError
from vpsops.core.files.staged_file import stage_file

PRIVATE: Final = 0o600
PRIVATE_FOLDER: Final = 0o700
OTHERS: Final = stat.S_IRWXG | stat.S_IRWXO


@dataclass(frozen=True, slots=True)
class PlannedFile:
    """A file and its new content; a secret's content is never shown."""

    path: Path
    text: str
    secret: bool = False

    @property
    def present(self) -> str | None:
        """The text that is there, or None. Raises `ConfigurationError` where it cannot be read."""
        try:
            return self.path.read_text(encoding="utf-8")
        except FileNotFoundError:
            return None
        except (OSError, UnicodeDecodeError) as error:
            why = error.strerror if isinstance(error, OSError) else "it is not UTF-8"
            raise ConfigurationError(f"{self.path} cannot be read: {why}.", hint="Name another --folder.") from None

    @property
    def is_written(self) -> bool:
        """Whether the file is there as planned."""
        return self.present == self.text


def differences(files: Sequence[PlannedFile]) -> Iterator[str]:
    """Yield, in lines, what would become of the files that are there with another content."""
    for file in files:
        present = file.present
        if present is None or present == file.text:
            continue
        if file.secret:
            yield f"{file.path}: it holds another secret, which would be replaced"
            continue
        lines = difflib.unified_diff(present.splitlines(), file.text.splitlines(), str(file.path), "new", lineterm="")
        yield from lines


def write_files(files: Sequence[PlannedFile]) -> list[Path]:
    """Write what is not there as planned, and return the paths; raises `ConfigurationError`.

    All are written beside their places before the first one is put in place, so that a full disk changes nothing.
    """
    staged: list[tuple[Path, Path]] = []
    try:
        for file in files:
            if not file.is_written:
                _make_folder(file.path.parent)
                staged.append((stage_file(file.path, file.text.encode()), file.path))
        for temporary, path in staged:
            temporary.replace(path)
        for file in files:
            _close_to_others(file.path)
    except OSError as error:
        for temporary, _ in staged:
            with suppress(OSError):
                temporary.unlink(missing_ok=True)
        raise ConfigurationError(
            f"{error.filename or 'A file'} cannot be written: {error.strerror}.",
            hint="Let this user write there, or name another --folder.",
        ) from None
    return [path for _, path in staged]


def _make_folder(folder: Path) -> None:
    folder.mkdir(mode=PRIVATE_FOLDER, parents=True, exist_ok=True)


def _close_to_others(path: Path) -> None:
    """Take the rights of others away, also from a file that was there before."""
    mode = stat.S_IMODE(path.stat().st_mode)
    if mode & OTHERS:
        path.chmod(mode & ~OTHERS)
