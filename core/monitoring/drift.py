"""A server that changed state, came or went although it was not requested here."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from vpsops.core.common.json_types import Json
from vpsops.core.wayscloud.answers.models import Server


@dataclass(frozen=True, slots=True)
class Drift:
    """One such difference between two polls."""

    server_id: str
    hostname: str
    before: str
    after: str

    @property
    def payload(self) -> dict[str, Json]:
        """The event as the outbox holds it."""
        return {
            "event": "drift",
            "server": self.server_id,
            "hostname": self.hostname,
            "before": self.before,
            "after": self.after,
            "text": f"{self.hostname} was {self.before}, is {self.after}; it was not requested here.",
        }


def drifts(
    before: Mapping[str, Server], now: Mapping[str, Server], ours: Collection[str], *, complete: bool
) -> list[Drift]:
    """Compare two polls, leaving out the servers our own changes touch (ids and hostnames)."""
    seen = []
    for server_id in [*before, *(ident for ident in now if ident not in before)]:
        old, new = before.get(server_id), now.get(server_id)
        server = new or old
        if server is None or server_id in ours or server.hostname.lower() in ours:
            continue
        if (new is None and not complete) or (old is not None and old.pending):  # where it came from is not known
            continue
        words = (_word(old, "not there"), _word(new, "gone"))
        if words[0] != words[1] and not (new and new.pending) and not _is_unreported(old, new):
            seen.append(Drift(server_id, server.hostname, *words))
    return seen


def baseline(before: Mapping[str, Server], now: Sequence[Server], *, complete: bool) -> dict[str, Server]:
    """Return the fleet to compare the next poll with: a server's last settled state, while it is pending or not read.

    A server that the very first poll finds pending was there before; one that comes later is new.
    """
    first = not before
    kept = {server.id: _last_stand(before.get(server.id), server, first=first) for server in now}
    unread = {} if complete else {ident: server for ident, server in before.items() if ident not in kept}
    return unread | {server_id: server for server_id, server in kept.items() if server is not None}


def _last_stand(before: Server | None, now: Server, *, first: bool) -> Server | None:
    if now.pending and not first:
        return before
    return before if before is not None and now.power_unknown and before.in_order else now


def _is_unreported(old: Server | None, new: Server | None) -> bool:
    """Return whether two polls differ only in that one of them did not report the power."""
    if old is None or new is None or not (old.power_unknown or new.power_unknown):
        return False
    return old.in_order and new.in_order


def _word(server: Server | None, absent: str) -> str:
    return absent if server is None else server.state
