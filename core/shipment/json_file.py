"""Records as lines of JSON at the end of a file, which may be rotated by renaming it."""

import os
from dataclasses import dataclass
from pathlib import Path

from anyio import to_thread

from vpsops.core.shipment.batch import Batch, ShipmentError


@dataclass(frozen=True, slots=True)
class JsonFile:
    """A file, readable by its owner alone where it is made."""

    path: Path

    async def send(self, batch: Batch) -> None:
        """Append and sync; a line that a crash left half-written is ended first."""
        try:
            await to_thread.run_sync(self._append, "".join(f"{shipped.line}\n" for shipped in batch).encode())
        except OSError as error:
            raise ShipmentError(f"{self.path} cannot be written: {error.strerror}.") from None

    def _append(self, text: bytes) -> None:
        handle = os.open(self.path, os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            size = os.fstat(handle).st_size
            if size and os.pread(handle, 1, size - 1) != b"\n":
                text = b"\n" + text
            while text:
                text = text[os.write(handle, text) :]
            os.fsync(handle)
        finally:
            os.close(handle)
