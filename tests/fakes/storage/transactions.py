"""Counts the transactions of every database that this process has open, by the work that was done in them."""

import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

import sqlalchemy as sa

KINDS = {"_write_once": "write", "_read_once": "read"}


@contextmanager
def counted() -> Iterator[Counter[str]]:
    """Count what begins while the block runs: by `read` or `write` and the name of the work."""
    counts: Counter[str] = Counter()

    def begun(_: sa.Connection) -> None:
        counts[_name(sys._getframe())] += 1

    sa.event.listen(sa.Engine, "begin", begun)
    try:
        yield counts
    finally:
        sa.event.remove(sa.Engine, "begin", begun)


def _name(frame: Any) -> str:
    while frame is not None and frame.f_code.co_name not in KINDS:
        frame = frame.f_back
    if frame is None:
        return "other"
    work = frame.f_locals["work"]
    while isinstance(work, partial):
        work = work.func
    return f"{KINDS[frame.f_code.co_name]} {work.__qualname__.replace('.<locals>', '')}"
