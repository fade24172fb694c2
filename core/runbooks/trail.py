"""What the audit trail holds of each runbook, for a verification: the newest record of a name decides what is stored.

A run cannot ask for it: records have no index by the name of a runbook, and a verification reads all of them anyway.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field

from sqlalchemy.engine import Connection

from vpsops.core.audit import chain
from vpsops.core.audit.records import TrailRecord, is_whole
from vpsops.core.runbooks.register import APPLIED, REMOVED, RegisteredRunbook, all_runbooks


@dataclass(slots=True)
class RunbookTrail:
    """Notes the newest record of each runbook while a trail is read in its order."""

    _seq: int = 0
    _newest: dict[str, TrailRecord] = field(default_factory=dict)

    def step(self, record: TrailRecord) -> None:
        """Take the next record."""
        self._seq = max(self._seq, record.seq)
        if record.event in {APPLIED, REMOVED} and is_whole(record):
            self._newest[str(record.body.get("runbook"))] = record

    def differences(self, connection: Connection) -> Iterator[tuple[str, str]]:
        """Yield the name of each runbook that is not stored as its newest record has it, and how it differs."""
        for record in chain.read(connection, after=self._seq):  # applied or removed since the trail was read
            self.step(record)
        stored = {runbook.name: runbook for runbook in all_runbooks(connection)}
        for name in sorted(stored.keys() | self._newest.keys()):
            why = _difference(stored.get(name), self._newest.get(name))
            if why:
                yield name, why


def _difference(stored: RegisteredRunbook | None, newest: TrailRecord | None) -> str:
    if stored is None:
        gone = newest is not None and newest.event == APPLIED
        return f"record {newest.seq} applied it, and its row is gone" if newest is not None and gone else ""
    if stored.problem or newest is None:
        return stored.problem or "the audit trail does not hold that it was applied"
    if newest.event == REMOVED:
        return f"record {newest.seq} removed it, and its row is there"
    if newest.seq != stored.record:
        return f"its row is as record {stored.record} applied it, and record {newest.seq} applied it later"
    return ""
