"""Admission of calls by rate, and the record of what is refused."""

from collections.abc import Mapping
from dataclasses import dataclass

import structlog

from vpsops.core.changes.audit_entries import asked_for, clean_actor, clean_request, not_allowed, requested
from vpsops.core.changes.preview import Preview
from vpsops.core.changes.requests import Refused, Request
from vpsops.core.changes.scope import Scope
from vpsops.core.common.errors import VpsopsError
from vpsops.core.common.json_types import Json
from vpsops.core.identity.actors import Actor
from vpsops.core.limits.guard import refusal_for
from vpsops.core.limits.model import Exceeded
from vpsops.core.policy.decision import Ruling
from vpsops.core.service.backend import Backend

logger = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class RateExceeded:
    """An exceeded rate; `first` of the refusals in a row."""

    limit: Exceeded
    first: bool


class Admission:
    """Counts calls against the rates of their principals, and stores refusals in the audit trail."""

    __slots__ = ("_backend",)

    def __init__(self, backend: Backend) -> None:
        self._backend = backend

    async def admit(self, request: Request) -> Refused | None:
        """Count a call against its principal's rate; return why it is refused, or None."""
        exceeded = await self.count(request.actor)
        return None if exceeded is None else await self.refuse_for_rate(request, exceeded)

    async def count(self, actor: Actor) -> RateExceeded | None:
        """Count a call against its principal's rate; return the rate where it is exceeded."""
        backend = self._backend
        await backend.policy.refresh()
        limits = backend.policy.latest_limits()
        exceeded, first = backend.guard.admit(limits, actor, backend.clock.monotonic())
        return None if exceeded is None else RateExceeded(exceeded, first)

    async def refuse_for_rate(self, request: Request, rate: RateExceeded) -> Refused:
        """Refuse a request for its principal's rate."""
        if rate.first:
            return await self.refuse_for_limit(request, rate.limit)
        refusal = refusal_for(rate.limit)  # of those in a row only the first is on record
        logger.info("call_refused", limit=rate.limit.limit, operation=request.operation, error_id=refusal.error_id)
        return refusal

    async def refuse_for_limit(self, request: Request, exceeded: Exceeded) -> Refused:
        """Refuse a request for a limit; the record names the limit, its value and the refusal's id."""
        refusal = refusal_for(exceeded)
        about = {"limit": exceeded.limit, "value": exceeded.value, "error": refusal.error_id}
        return await self.refuse(request, refusal, about)

    async def refuse(self, request: Request, refusal: Refused, about: Mapping[str, Json] | None = None) -> Refused:
        """Record the refusal of a request, and return it."""
        body = {**asked_for(clean_request(request, self._backend.redactor)), "why": refusal.reason, **(about or {})}
        await self._append(None, body)
        return refusal

    async def refuse_change(self, request: Request, preview: Preview, ruling: Ruling, refusal: Refused) -> Refused:
        """Record the refusal of a change with what it would have done, and return it."""
        await self._append(None, {**requested(request, preview, ruling), "why": refusal.reason})
        return refusal

    async def record_refused_decision(self, change_id: str, actor: Actor, error: VpsopsError, *, scope: Scope) -> None:
        """Record that a person's decision about a change was not taken, and why."""
        by = clean_actor(actor, self._backend.redactor)
        await self._append(None, not_allowed(change_id, by, scope.team, error))

    async def _append(self, change_id: str | None, body: Mapping[str, Json]) -> None:
        from vpsops.core.audit import chain  # noqa: PLC0415 - not for what only reads

        now = self._backend.clock.now().timestamp()
        await self._backend.database.transact(
            lambda connection: chain.append(connection, now, "refused", change_id, body)
        )
