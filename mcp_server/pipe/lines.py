"""Splits a stream into lines and keeps little of it: a long line is passed on in pieces."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

HOLD = 65_536
LINE = "line"
BEGIN = "begin"
MORE = "more"
END = "end"


class LineSplitter:
    """Yields whole lines, and longer ones as a beginning, pieces and an end, each with its newline."""

    def __init__(self) -> None:
        self._kept = bytearray()
        self._long = False

    @property
    def is_within(self) -> bool:
        """Return whether a long line has begun and not ended."""
        return self._long

    def feed(self, data: bytes) -> Iterator[tuple[str, bytes]]:
        """Yield what a piece of the stream completes."""
        while data:
            line, newline, data = data.partition(b"\n")
            if self._long:
                self._long = not newline
                yield END if newline else MORE, line + newline
                continue
            self._kept += line
            if newline:
                whole = bytes(self._kept + newline)
                self._kept.clear()
                yield LINE, whole
            elif len(self._kept) > HOLD:
                head = bytes(self._kept)
                self._kept.clear()
                self._long = True
                yield BEGIN, head

    def rest(self) -> bytes:
        """Return a last line that has no newline."""
        rest = bytes(self._kept)
        self._kept.clear()
        return rest
