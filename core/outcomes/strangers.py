"""Servers that a create without an answer may have made under a name that the provider chose.

Before a create leaves, the existing servers are kept with it, in few bytes. A server that came since, fits the plan
and the region as far as these are reported, and belongs to no other change, may be the one that was ordered.
"""

import hashlib
from collections.abc import Collection, Iterable, Sequence
from datetime import datetime
from typing import Final

from vpsops.core.changes.model import KNOWN, Change
from vpsops.core.common.json_types import Json
from vpsops.core.operations.traits import makes_server
from vpsops.core.wayscloud.answers.hostnames import same_hostname
from vpsops.core.wayscloud.answers.models import Server, same_region

LETTERS: Final = 8
MOST: Final = 2000
"""Of more servers none is kept: then only a server's own date shows that it is new."""


def kept_while_sent(change: Change, ids: Collection[str]) -> dict[str, Json]:
    """Return the data kept in a change's result while its write is out: of a create, the servers from before it."""
    if not makes_server(change.operation) or (KNOWN not in change.result and len(ids) > MOST):
        return {}
    return {KNOWN: change.result.get(KNOWN, "".join(sorted(_mark(ident) for ident in ids)))}


def strangers(
    change: Change, servers: Iterable[Server], ours: Collection[str], earliest: datetime | None
) -> Sequence[Server]:
    """Return the servers that may be what a create made, but for their name.

    `ours` holds the ids and hostnames that other changes are about, `earliest` when the provider's clock may have
    shown at the sending.
    """
    stored = change.result.get(KNOWN)
    known = _marks(stored) if isinstance(stored, str) else None
    return [
        server
        for server in servers
        if not same_hostname(server.hostname, change.target.hostname)
        and not {server.id, server.hostname.lower()} & set(ours)
        and _is_new(server, known, earliest)
        and _fits(server, change)
    ]


def _is_new(server: Server, known: Collection[str] | None, earliest: datetime | None) -> bool:
    if known is not None and _mark(server.id) in known:
        return False
    if server.created_at is not None and earliest is not None:
        return server.created_at >= earliest
    return known is not None


def _fits(server: Server, change: Change) -> bool:
    plan, expected_plan = (server.plan or "").casefold(), change.target.plan.casefold()
    region = server.region is None or not change.target.region or same_region(server.region, change.target.region)
    return region and (plan in expected_plan or expected_plan in plan)


def _mark(ident: str) -> str:
    return hashlib.blake2s(ident.encode(), digest_size=LETTERS // 2).hexdigest()


def _marks(stored: str) -> frozenset[str]:
    return frozenset(stored[at : at + LETTERS] for at in range(0, len(stored), LETTERS))
