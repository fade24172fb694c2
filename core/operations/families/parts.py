"""What the families of a server's parts share: the server, what is typed, and the end of a disk that is replaced."""

from collections.abc import Mapping
from typing import Any, Final

from vpsops.core.common.errors import InvalidInputError, PreconditionError, Remedy
from vpsops.core.common.json_types import Json
from vpsops.core.common.text import duration
from vpsops.core.common.timings import DEFAULT_TIMING, Pace
from vpsops.core.operations.arguments import Arguments
from vpsops.core.operations.facts import Fact
from vpsops.core.operations.strategies import Inspected, Inspection, Sent, TypedName
from vpsops.core.operations.target import Target
from vpsops.core.wayscloud.answers.models import ProviderList, Server
from vpsops.core.wayscloud.client import Wayscloud

OF_ANOTHER: Final = "and the request was refused: it may be another one's. Compare when and why it was made."


def server_of(server: Server | None) -> Server:
    """Return the server of a request; raises `InvalidInputError` where it names none."""
    if server is None:
        raise InvalidInputError("This is about a server.", hint="Name the server.")
    return server


def check_stopped(server: Server, rule: str) -> None:
    """Raise `PreconditionError` with the stop to ask for first, where a server is not known to be off.

    One that is on its way is waited for: `InvalidInputError`.
    """
    if server.off:
        return
    refusal = f"{server.hostname} is {server.state}; {rule}."
    if server.pending:
        raise InvalidInputError(refusal, hint="Wait until it is stopped, or can be; then ask again.")
    stop = Remedy("stop", {"server": server.id}, server.hostname)
    raise PreconditionError(refusal, stop, hint="Stop it first, as a change of its own; then ask again.")


def typed_part(argument: str) -> TypedName:
    """Return what is typed to decide about a part: the server's name and the part's."""

    def typed(arguments: Mapping[str, Json], target: Target) -> str:
        return f"{target.hostname} {arguments.get(argument, '')}".strip()

    return typed


def total_of(listed: ProviderList[Any]) -> int:
    """Return how many a list has, those that could not be read included."""
    return max(listed.total or 0, len(listed) + len(listed.unreadable))


def stopped_afterwards(pace: Pace) -> Fact:
    """Return the fact that a server whose disk is replaced is stopped, and from when it can be started again."""
    later = duration(DEFAULT_TIMING.limit(pace))
    return Fact(
        "Afterwards",
        f"the server stays stopped. It can be started {later} later: the API does not show when its disk is ready",
    )


async def inspect_disk(api: Wayscloud, sent: Sent, unshown: str) -> Inspection:
    """See whether the server is busy; once it is not, nothing in this API shows which disk it has."""
    server = await api.get_server(sent.target.id)
    if server.failed:
        return Inspection(Inspected.FAILED, f"The server is {server.state}.")
    if server.pending:
        return Inspection(Inspected.UNDER_WAY)
    return Inspection(Inspected.NOT_KNOWABLE, unshown)


def started(server: Server, _arguments: Arguments, _details: object) -> Server:
    """Return a server that runs, where its API tells whether it does."""
    return server if server.power_unknown else server.model_copy(update={"status": "running", "power_state": None})


def stopped(server: Server, _arguments: Arguments, _details: object) -> Server:
    """Return a server that is stopped, where its API tells whether it is."""
    return server if server.power_unknown else server.model_copy(update={"status": "stopped", "power_state": None})
