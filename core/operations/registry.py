"""The shape of an operation, and the table of all of them."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import TYPE_CHECKING

from pydantic import BaseModel, ConfigDict

from vpsops.core.wayscloud.answers.models import Server, Usage
from vpsops.core.wayscloud.requests.send_hook import SendHook

if TYPE_CHECKING:
    from vpsops.core.wayscloud.client import Wayscloud


class Risk(StrEnum):
    """How much a run can hurt; the default policy is drawn from it."""

    READ = "read"
    CHANGE = "change"
    DISRUPTIVE = "disruptive"
    DESTRUCTIVE = "destructive"


class Progress(StrEnum):
    """The progress of a sent change, as a read of its server shows it."""

    PENDING = "pending"
    SETTLED = "settled"
    FAILED = "failed"
    NEEDS_SERVER = "needs_server"  # the list does not show it; read the server in full
    NEEDS_USAGE = "needs_usage"  # nor does the server; read its usage
    UNSEEN = "unseen"  # nothing in this API shows whether it happened


@dataclass(frozen=True, slots=True)
class Observation:
    """One read of a server, beside what was known when the change was sent."""

    server: Server
    usage: Usage | None
    last_uptime: int | None  # seconds, read just before the sending
    sent_at: datetime
    now: datetime
    was_away: bool = False  # an earlier poll, after the send, saw it down or on its way
    status_moved: bool = False  # an earlier poll, after the send, saw that in its `status`
    in_full: bool = False  # the server was read by itself, not from the list
    waited: float | None = None  # seconds since the sending, by what a steady clock lets them be; else the date's

    @property
    def elapsed(self) -> float:
        """Return the seconds since the sending."""
        return (self.now - self.sent_at).total_seconds() if self.waited is None else self.waited


class Arguments(BaseModel):
    """Base of every operation's arguments: unknown names are refused."""

    model_config = ConfigDict(extra="forbid", frozen=True, str_strip_whitespace=True)


class NoArguments(Arguments):
    """An operation that takes nothing."""


class ServerArguments(Arguments):
    """An operation on one server."""

    server: str


Run = Callable[["Wayscloud", Arguments, SendHook | None], Awaitable[BaseModel]]
Settle = Callable[[Observation], Progress]


@dataclass(frozen=True, slots=True)
class Operation:
    """One thing the API can do.

    `summary` is for people, `guidance` for models; `effect` says in words what a run does to a
    server and to the bill. `run` makes exactly one client call. `settled` is absent for reads.
    """

    name: str
    summary: str
    guidance: str
    risk: Risk
    arguments: type[Arguments]
    result: type[BaseModel]
    run: Run
    effect: str = ""
    settled: Settle | None = None

    @property
    def reads(self) -> bool:
        """Return whether a run alters nothing."""
        return self.risk is Risk.READ

    @property
    def takes_server(self) -> bool:
        """Return whether the operation is about one existing server."""
        return issubclass(self.arguments, ServerArguments)


def table(*families: tuple[Operation, ...]) -> Mapping[str, Operation]:
    """Join families of operations into one table, in their order; a repeated name is a bug."""
    joined: dict[str, Operation] = {}
    for operation in (item for family in families for item in family):
        if operation.name in joined:
            raise ValueError(f"operation {operation.name} is defined twice")
        joined[operation.name] = operation
    return joined
