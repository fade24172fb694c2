"""Reads the status report from the provider and from what is stored; what cannot be read is said in its place."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Final

from vpsops.core.changes.queries import MAX_CHANGES
from vpsops.core.changes.requests import Done, Request
from vpsops.core.changes.scope import ChangeQuery, Scope
from vpsops.core.common.clock import Clock
from vpsops.core.common.errors import InvalidInputError, VpsopsError
from vpsops.core.operations.catalogue import Plans
from vpsops.core.operations.prices import costs_by_label, monthly, sums_of
from vpsops.core.reports.status_report import LONGEST_KEY, SHOWN, CostQuery, FleetCounts, MonthlyCosts, StatusReport
from vpsops.core.service.change_queries import ChangeQueries
from vpsops.core.service.server_queries import ServerQueries
from vpsops.core.wayscloud.answers.models import Plan, Server

LATELY: Final = timedelta(hours=24)
READ_IN_FULL: Final = 40


class ReportQueries:
    """Makes status reports, each within a scope and by the policy for who asks."""

    __slots__ = ("_changes", "_clock", "_servers")

    def __init__(self, servers: ServerQueries, changes: ChangeQueries, clock: Clock) -> None:
        self._servers = servers
        self._changes = changes
        self._clock = clock

    async def status(self, request: Request, costs: CostQuery, *, scope: Scope) -> StatusReport:
        """Return how everything stands; `request` is the list of servers as its reader asks for it.

        Raises `InvalidInputError` for what is no label's key, `StorageError`.
        """
        if costs.label and not is_label_key(costs.label):
            raise InvalidInputError("That is not a label's key.", hint="Name the key alone, such as team.")
        now, changes = self._clock.now(), self._changes
        recent = ChangeQuery(since=now - LATELY, limit=MAX_CHANGES)
        going_on = (await changes.page(ChangeQuery(open_only=True, limit=MAX_CHANGES), scope=scope)).changes
        counted = await changes.count_by_state(recent, scope=scope)
        moved = (await changes.page(recent, scope=scope)).changes
        return StatusReport(
            at=now,
            fleet=await self._fleet(request, costs, scope),
            pause=await changes.agents_paused(),
            going_on=going_on,
            crowded=len(going_on) == MAX_CHANGES,
            ended=tuple([item for item in moved if item.state.final][:SHOWN]),
            counted={state: count for state, count in counted.items() if state.final},
            label=costs.label,
        )

    async def _fleet(self, request: Request, costs: CostQuery, scope: Scope) -> FleetCounts:
        try:
            servers = await self._servers.list_all(request, scope=scope)
        except VpsopsError as error:
            return FleetCounts(problem=f"{error.message} ({error.error_id})", failure=error)
        known = await self._with_details(request, servers, scope, labels=costs.priced)
        states = Counter(server.state for server in known)
        if not costs.priced:
            return FleetCounts(states, lack=servers.lack)
        plans = await self._plans(request, known, scope)
        labelled = costs_by_label(known, plans, costs.label or costs.owner_label)
        return FleetCounts(states, costs_of(known, plans), lack=servers.lack, labelled=labelled)

    async def _with_details(
        self, request: Request, servers: Sequence[Server], scope: Scope, *, labels: bool
    ) -> Sequence[Server]:
        """Return servers with what the list leaves out, of some at most: price, power, with `labels` those."""
        lacks = _is_unlabelled if labels else _is_bare
        try:
            wanted = replace(request, operation="get")
            return await self._servers.in_full(wanted, servers, READ_IN_FULL, lacks, scope=scope)
        except VpsopsError:
            return servers

    async def _plans(self, request: Request, servers: Sequence[Server], scope: Scope) -> Sequence[Plan]:
        """Plans are asked for only where a server's own price is missing; without them that price is unknown."""
        if all(server.monthly_price is not None or not server.plan for server in servers):
            return ()
        try:
            outcome = await self._servers.read(replace(request, operation="plans", arguments={}), scope=scope)
        except VpsopsError:
            return ()
        return outcome.result.plans if isinstance(outcome, Done) and isinstance(outcome.result, Plans) else ()


def is_label_key(text: str) -> bool:
    """Return whether a text can be a label's key."""
    return 0 < len(text) <= LONGEST_KEY and "=" not in text and text.isprintable()


def _is_bare(server: Server) -> bool:
    return server.power_unknown or (server.monthly_price is None and not server.plan)


def _is_unlabelled(server: Server) -> bool:
    return server.labels is None or _is_bare(server)


def costs_of(servers: Sequence[Server], plans: Sequence[Plan]) -> MonthlyCosts:
    """Add up what a month costs, by currency, and count the servers without a known price."""
    by_code: Mapping[str, Plan] = {plan.code.lower(): plan for plan in plans}
    prices = [monthly(server, by_code.get((server.plan or "").lower())) for server in servers]
    known = [price for price in prices if price is not None]
    return MonthlyCosts(sums_of(known), len(prices) - len(known), sum(not price.currency for price in known))
