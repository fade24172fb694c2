"""Reads the live state behind a change, in the same way at the request and just before sending."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

from vpsops.core.changes.model import Change, digest_of, shown_facts
from vpsops.core.common.errors import InvalidInputError
from vpsops.core.common.json_types import Json
from vpsops.core.operations import Operation
from vpsops.core.operations.arguments import Arguments
from vpsops.core.operations.facts import Fact, with_values
from vpsops.core.operations.families.create import UNCHECKED
from vpsops.core.operations.registry import ServerArguments
from vpsops.core.operations.server_lookup import by_full_id, find_server
from vpsops.core.operations.strategies import LiveState, Precheck
from vpsops.core.operations.target import Target
from vpsops.core.schedule.model import Schedule
from vpsops.core.wayscloud.answers.errors import NotFoundError
from vpsops.core.wayscloud.answers.labels import label_words
from vpsops.core.wayscloud.answers.models import Server
from vpsops.core.wayscloud.client import Wayscloud


@dataclass(frozen=True, slots=True)
class Preview:
    """What would run, on what, at what price; everything here but `known` is shown and hashed."""

    operation: str
    arguments: Mapping[str, Json]
    target: Target
    cost: str = ""
    monthly: float | None = None
    currency: str = ""
    warning: str = ""  # what could not be checked, and a person has to know
    known: tuple[str, ...] = ()  # of a create: the ids of the servers there are already
    facts: tuple[Fact, ...] = ()
    schedule: Schedule | None = None

    def digest(self, policy: str) -> str:
        """Hash all that people are shown."""
        facts = shown_facts(self.cost, self.facts)
        return digest_of(self.operation, self.arguments, self.target, facts, policy, self.schedule)

    def as_known_to(self, change: Change) -> "Preview":
        """Return what is seen now for a change's schedule, without what an earlier version did not hold of a target."""
        target = self.target if change.target.system else replace(self.target, system="")
        return replace(self, target=target).scheduled(change.schedule)

    def scheduled(self, schedule: Schedule | None) -> "Preview":
        """Return the preview of a run at another time, which is one of its facts."""
        if schedule is None:
            return self
        return replace(self, schedule=schedule, facts=(*self.facts, schedule.fact))

    def is_news_to(self, change: Change) -> bool:
        """Return whether there is a warning now that no one was given who agreed to a change."""
        return bool(self.warning) and UNCHECKED not in change.effect


@dataclass(frozen=True, slots=True)
class Located:
    """Arguments with the id of the server that they name, and that server in full."""

    arguments: Arguments
    server: Server | None = None


async def locate(api: Wayscloud, arguments: Arguments) -> Located:
    """Read the server that arguments name, if they name one, and put its id into them.

    Raises `InvalidInputError` for an unknown or ambiguous server, and `WayscloudError` where the read fails.
    """
    if not isinstance(arguments, ServerArguments):
        return Located(arguments)
    server = await by_full_id(api, arguments.server)
    if server is None:
        server = await _listed_in_full(api, find_server(arguments.server, await api.list_servers()))
    return Located(on_server(arguments, server.id), server)


async def preview(api: Wayscloud, operation: Operation, located: Located) -> Preview:
    """Read what else a request is decided by, and the catalogue.

    Raises `InvalidInputError` where it makes no sense there (a precondition that is not met, a hostname in use, a
    server that is already there), and `WayscloudError` where the read fails.
    """
    arguments, server = located.arguments, located.server
    seen = previewed(operation, arguments, server, await operation.check(api, arguments, server))
    await operation.check_request(api, arguments)
    return seen


def withheld_preview(operation: Operation, located: Located) -> Preview | None:
    """Return a preview that holds no fact of a server but its id and hostname; nothing without a server."""
    arguments, server = located.arguments, located.server
    if server is None:
        return None
    target = Target(id=server.id, hostname=server.hostname, state="")
    return Preview(operation.name, arguments.model_dump(mode="json", exclude_none=True), target)


async def preview_stored(api: Wayscloud, operation: Operation, arguments: Mapping[str, Json]) -> Preview:
    """Preview stored arguments again; the server in them is an id by now. Raises as `preview` does."""
    checked = operation.arguments.model_validate(dict(arguments))
    server = await api.get_server(checked.server) if isinstance(checked, ServerArguments) else None
    return previewed(operation, checked, server, await operation.check(api, checked, server))


def on_server(arguments: ServerArguments, server_id: str) -> ServerArguments:
    """Return arguments, all of them, on a server by its id."""
    return arguments.model_copy(update={"server": server_id})


def previewed(operation: Operation, arguments: Arguments, server: Server | None, seen: Precheck) -> Preview:
    """Return the preview of a request that meets its preconditions."""
    resolved = seen.arguments or arguments
    target = seen.target or (target_of(server) if server is not None else None)
    if target is None:
        raise InvalidInputError(f"{operation.name} cannot be previewed.")
    checked = resolved if isinstance(resolved, Arguments) else arguments
    return Preview(
        operation=operation.name,
        arguments=resolved.model_dump(mode="json", exclude_none=True),
        target=target,
        cost=seen.cost,
        monthly=seen.monthly,
        currency=seen.currency,
        warning=seen.warning,
        known=seen.known,
        facts=with_values(operation.describe(checked, LiveState(server, seen.details))),
    )


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
        labels=label_words(server.labels),
    )
