"""Reads the live state behind a change, in the same way at the request and just before sending."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Final

from pydantic import ValidationError

from vpsops.core.changes.choices import check_choices, find_plan, read_plans
from vpsops.core.changes.model import Change, digest_of
from vpsops.core.common.errors import InvalidInputError
from vpsops.core.common.json_types import Json
from vpsops.core.operations import Operation
from vpsops.core.operations.registry import Arguments, ServerArguments
from vpsops.core.operations.server_lookup import by_full_id, find_server
from vpsops.core.operations.servers import CreateArguments
from vpsops.core.operations.target import Target
from vpsops.core.wayscloud.answers.errors import NotFoundError
from vpsops.core.wayscloud.answers.hostnames import same_hostname
from vpsops.core.wayscloud.answers.models import NewServer, Plan, Server
from vpsops.core.wayscloud.client import Wayscloud


@dataclass(frozen=True, slots=True)
class Preview:
    """What would run, on what, at what price; `facts` enter the digest beside the target."""

    operation: str
    arguments: Mapping[str, Json]
    target: Target
    cost: str = ""
    monthly: float | None = None
    currency: str = ""
    warning: str = ""  # what could not be checked, and a person has to know
    known: tuple[str, ...] = ()  # of a create: the ids of the servers there are already

    def digest(self, policy: str) -> str:
        """Hash all that people are shown."""
        return digest_of(self.operation, self.arguments, self.target, [self.cost], policy)

    def as_known_to(self, change: Change) -> "Preview":
        """Return what is seen now without what a change of an earlier version did not hold of its target."""
        return self if change.target.system else replace(self, target=replace(self.target, system=""))

    def is_news_to(self, change: Change) -> bool:
        """Return whether there is a warning now that no one was given who agreed to a change."""
        return bool(self.warning) and UNCHECKED not in change.effect


async def preview(api: Wayscloud, operation: Operation, arguments: Arguments) -> Preview:
    """Look at the live state behind a request, and at the catalogue.

    Raises `InvalidInputError` where it cannot make sense there (unknown or ambiguous server, a hostname
    in use, a server that is already there), and `WayscloudError` where the read fails.
    """
    if isinstance(arguments, CreateArguments):
        seen = await _preview_create(api, operation, arguments)
        await check_choices(api, arguments)
        return seen
    if isinstance(arguments, ServerArguments):
        server = await by_full_id(api, arguments.server)
        if server is None:
            server = await _listed_in_full(api, find_server(arguments.server, await api.list_servers()))
        return preview_power(operation, server)
    raise InvalidInputError(f"{operation.name} cannot be previewed.")


async def preview_stored(api: Wayscloud, operation: Operation, arguments: Mapping[str, Json]) -> Preview:
    """Preview stored arguments again; the server in them is an id by now. Raises as `preview` does."""
    checked = operation.arguments.model_validate(dict(arguments))
    if isinstance(checked, ServerArguments):
        return preview_power(operation, await api.get_server(checked.server))
    if isinstance(checked, CreateArguments):
        return await _preview_create(api, operation, checked)
    return await preview(api, operation, checked)


async def _listed_in_full(api: Wayscloud, listed: Server) -> Server:
    """Return a listed server in full; raises `NotFoundError` that says so for one that is only in the list."""
    try:
        return await api.get_server(listed.id)
    except NotFoundError as error:
        raise NotFoundError(
            f"{listed.hostname} is in the provider's list, and the provider knows no such server.",
            hint="It was removed a moment ago, or the list is wrong. Ask again in some minutes, then the provider.",
            status=error.status,
            operation=error.operation,
            detail=error.detail,
        ) from None


def ordered(spec: CreateArguments) -> NewServer:
    """Return an order as it would be sent, names in one spelling; raises `InvalidInputError` for what is none."""
    try:
        return NewServer.model_validate(spec.model_dump())
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False, include_context=False)[0]
        raise InvalidInputError(f"{'.'.join(str(part) for part in first['loc'])}: {first['msg']}.") from None


async def _preview_create(api: Wayscloud, operation: Operation, asked: CreateArguments) -> Preview:
    order = ordered(asked)
    servers, hostname = await api.list_servers(), order.hostname
    twin = next((server for server in servers if same_hostname(server.hostname, hostname)), None)
    if twin is not None:
        raise InvalidInputError(
            f"A server called {twin.hostname} exists already ({twin.id}, {twin.state}).",
            hint="Choose another hostname, so that no server is paid for twice.",
        )
    plan = find_plan(await read_plans(api), order.plan)
    return Preview(
        operation=operation.name,
        arguments=order.model_dump(mode="json", exclude_none=True),
        target=Target(id="", hostname=hostname, region=order.region, plan=plan.code if plan else order.plan),
        cost=price(plan),
        monthly=plan.monthly_price if plan else None,
        currency=(plan.currency or "") if plan else "",
        warning="" if servers.complete else TAKEN_OR_NOT.format(lack=servers.lack),
        known=tuple(server.id for server in servers),
    )


UNCHECKED: Final = "The provider's list of servers is not whole"
TAKEN_OR_NOT: Final = f"{UNCHECKED} ({{lack}}), so a server by this name may exist already, and be paid for twice."


def price(plan: Plan | None) -> str:
    """Say a plan's monthly price in words."""
    if plan is None or plan.monthly_price is None:
        return "price unknown"
    return f"{plan.monthly_price:g} {plan.currency or ''}".strip() + " a month"


def preview_power(operation: Operation, server: Server) -> Preview:
    """Preview a power operation, or say why it makes no sense in this state."""
    if operation.name == "start" and server.ready:
        raise InvalidInputError(f"{server.hostname} is running already.", hint="There is nothing to do.")
    if operation.name == "stop" and server.off:
        raise InvalidInputError(f"{server.hostname} is stopped already.", hint="There is nothing to do.")
    if operation.name == "reboot" and server.off:
        raise InvalidInputError(f"{server.hostname} is stopped.", hint="Start it instead.")
    return Preview(operation=operation.name, arguments={"server": server.id}, target=target_of(server))


def target_of(server: Server) -> Target:
    """Return what a change remembers of a server."""
    return Target(
        id=server.id,
        hostname=server.hostname,
        state=server.state,
        region=server.region or "",
        address=server.ipv4 or server.ipv6 or "",
        plan=server.plan or "",
        system=server.os_template or "",
    )
