"""What is shipped at once: some records of the trail, each as the line that an export has."""

import socket
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final, Protocol

from vpsops.core.audit.export import record_line
from vpsops.core.audit.records import TrailRecord
from vpsops.core.common.errors import VpsopsError
from vpsops.core.common.redaction import redact

MOST_RECORDS: Final = 200
MOST_BYTES: Final = 262_144
HOST: Final = socket.gethostname() or "-"


class ShipmentError(VpsopsError):
    """A destination did not take records; they are sent again."""


@dataclass(frozen=True, slots=True)
class ShippedRecord:
    """A record, and its line without anything that is a secret of this process."""

    record: TrailRecord
    line: str


Batch = Sequence[ShippedRecord]


class Destination(Protocol):
    """Where records go."""

    async def send(self, batch: Batch) -> None:
        """Return once all are taken; raises `ShipmentError` where that is not known, and they come again."""


def batch_of(records: Sequence[TrailRecord], secrets: Sequence[str]) -> Batch:
    """Return the first of some records, as many as are sent at once."""
    return list(_bounded(records, lambda record: redact(record_line(record), *secrets)))


def _bounded(records: Sequence[TrailRecord], line_of: Callable[[TrailRecord], str]) -> Iterator[ShippedRecord]:
    size = 0
    for count, record in enumerate(records[:MOST_RECORDS]):
        line = line_of(record)
        size += len(line.encode()) + 1
        if count and size > MOST_BYTES:
            return
        yield ShippedRecord(record, line)
