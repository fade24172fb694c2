"""Writes docs/reference/endings.md from runs of every operation on every dialect."""

import tempfile
from pathlib import Path

import anyio

from tests.harness.virtual_time import VirtualLoop
from tests.provider.ends.endings import DIALECTS, changing, endings
from tests.provider.ends.table import PAGE, page, row


async def rows() -> list[str]:
    """Play everything and return the lines of the table."""
    lines = []
    for operation in changing():
        for dialect in DIALECTS:
            with tempfile.TemporaryDirectory() as folder:
                url = f"sqlite:///{Path(folder) / 'ends.sqlite3'}"
                lines.append(row(operation.name, dialect, await endings(url, operation, dialect)))
    return lines


if __name__ == "__main__":
    PAGE.write_text(page(anyio.run(rows, backend_options={"loop_factory": VirtualLoop})), encoding="utf-8")
