"""Follows a value through the product: which files receive it, or an object that holds it."""

import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import fields, is_dataclass
from pathlib import Path
from types import FrameType
from typing import Any, Final

from pydantic import BaseModel

ROOT: Final = Path(__file__).parents[2]
PRODUCT: Final = ("core", "bot", "mcp_server")
DEPTH: Final = 6


def holds(thing: object, word: str, depth: int = DEPTH) -> bool:
    """Return whether a value is a text with the word in it, or a plain object or container that holds such a text."""
    if isinstance(thing, str):
        return word in thing
    if depth == 0:
        return False
    return any(holds(part, word, depth - 1) for part in parts(thing))


def parts(thing: object) -> Iterator[object]:
    """Yield what plain containers and objects of fields hold; services have none that count."""
    if isinstance(thing, Mapping):
        yield from thing.values()
    elif isinstance(thing, list | tuple | set | frozenset):
        yield from thing
    elif isinstance(thing, BaseModel):
        yield from (getattr(thing, name) for name in type(thing).model_fields)
    elif is_dataclass(thing) and not isinstance(thing, type):
        yield from (getattr(thing, field.name, None) for field in fields(thing))


def is_resumed(frame: FrameType) -> bool:
    """Return whether a call event is of a coroutine or generator that goes on, and of no new call."""
    return frame.f_code.co_code[frame.f_lasti + 1] != 0  # the argument of RESUME


class Walk:
    """The files that a word enters, in order, from a call of `first` to the return of `last`, in any thread."""

    def __init__(self, word: str, first: str, last: str) -> None:
        self.files: list[str] = []
        self.finished = False
        self._word = word
        self._first = first
        self._last = last
        self._begun = False
        self._known: dict[str, str] = {}

    def profile(self, frame: FrameType, event: str, _argument: object) -> None:
        """Take note of one call or return; called by the interpreter."""
        if self.finished or event not in {"call", "return"} or (event == "call" and is_resumed(frame)):
            return
        file = self._file_of(frame.f_code.co_filename)
        if not file:
            return
        place = f"{file}:{frame.f_code.co_name}"
        self._begun = self._begun or place == self._first
        if event == "return":
            self.finished = self._begun and place == self._last
        elif self._begun and file not in self.files and self._enters(frame):
            self.files.append(file)

    def _enters(self, frame: FrameType) -> bool:
        code = frame.f_code
        values: Mapping[str, Any] = frame.f_locals
        names = code.co_varnames[: code.co_argcount + code.co_kwonlyargcount]
        return any(holds(values.get(name), self._word) for name in names)

    def _file_of(self, filename: str) -> str:
        known = self._known.get(filename)
        if known is None:
            path = Path(filename).resolve()
            inside = path.relative_to(ROOT).as_posix() if path.is_relative_to(ROOT) else ""
            known = self._known[filename] = inside if inside.split("/")[0] in PRODUCT else ""
        return known


@contextmanager
def followed(word: str, *, first: str, last: str) -> Iterator[Walk]:
    """Follow a word in this thread and in those that are started within the block."""
    walk = Walk(word, first, last)
    threading.setprofile(walk.profile)
    sys.setprofile(walk.profile)
    try:
        yield walk
    finally:
        sys.setprofile(None)
        threading.setprofile(None)
