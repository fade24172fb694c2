"""A file's new content, written beside its place and synced, for a caller that then renames it into place."""

import os
import tempfile
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path


def keep_private(_: int) -> None:
    """Leave the rights as they are made: the owner's alone."""


def stage_file(place: Path, content: bytes, prepare: Callable[[int], None] = keep_private) -> Path:
    """Write content beside a place and return where; it is its owner's alone unless `prepare` gives it other rights.

    `prepare` takes the open descriptor. Whatever ends the writing leaves nothing. Raises `OSError`.
    """
    number, name = tempfile.mkstemp(prefix=f".{place.name}.", dir=place.parent)  # mode 0600
    staged = Path(name)
    try:
        with os.fdopen(number, "wb") as stream:
            stream.write(content)
            stream.flush()
            prepare(number)
            os.fsync(number)
    except BaseException:
        with suppress(OSError):
            staged.unlink()
        raise
    return staged


def replace_file(place: Path, content: bytes, prepare: Callable[[int], None] = keep_private) -> None:
    """Replace a file, or make it, by one with this content: whole or not at all. Raises `OSError`."""
    staged = stage_file(place, content, prepare)
    try:
        staged.replace(place)
    except BaseException:
        with suppress(OSError):
            staged.unlink()
        raise
