"""The values that an operation exchanges with gate, runner and poller: preconditions, facts, inspections."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import TYPE_CHECKING

from pydantic import BaseModel

from vpsops.core.common.json_types import Json
from vpsops.core.operations.arguments import Arguments
from vpsops.core.operations.facts import Fact
from vpsops.core.operations.target import Target
from vpsops.core.wayscloud.answers.models import Server

if TYPE_CHECKING:
    from vpsops.core.wayscloud.client import Wayscloud


@dataclass(frozen=True, slots=True)
class Precheck:
    """What the preconditions of a request found: `details` are for `describe`, the rest is stored with the change.

    `arguments` replace those that were given, resolved: they are what is shown, hashed and sent. `target` replaces the
    server; `warning` is what could not be checked, and a person has to know; `known` are the ids of all servers.
    """

    details: object = None
    arguments: BaseModel | None = None
    target: Target | None = None
    cost: str = ""
    monthly: float | None = None
    currency: str = ""
    warning: str = ""
    known: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class LiveState:
    """The live state that facts are made from: the server, and what the preconditions read."""

    server: Server | None = None
    details: object = None


class Inspected(StrEnum):
    """What a read of its own shows of a change that was sent."""

    DONE = "done"
    NOT_DONE = "not_done"  # surely without an effect so far
    UNDER_WAY = "under_way"
    FAILED = "failed"  # the provider says so
    AMBIGUOUS = "ambiguous"  # more than one thing may be its effect
    NOT_KNOWABLE = "not_knowable"  # this API shows nothing by which it can be seen


@dataclass(frozen=True, slots=True)
class Inspection:
    """A finding, its reason as text, and what is stored of it in the change's result."""

    finding: Inspected
    note: str = ""
    result: Mapping[str, Json] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Sent:
    """A change that was sent, as an inspection needs it.

    `accepted` says that the provider clearly took it on, `refused` that it said no. A no may follow the effect, and it
    may be about what another request made: an inspection tells the two apart, or says that it cannot.
    """

    arguments: Arguments
    target: Target
    result: Mapping[str, Json]
    facts: tuple[Fact, ...]
    sent_at: datetime
    now: datetime
    accepted: bool
    refused: bool = False


@dataclass(frozen=True, slots=True)
class Choice:
    """One value that an argument may have, as a menu offers it."""

    value: str
    label: str
    note: str = ""


Choices = Callable[[BaseModel], tuple[Choice, ...]]
Check = Callable[["Wayscloud", Arguments, Server | None], Awaitable[Precheck]]
CheckRequest = Callable[["Wayscloud", Arguments], Awaitable[None]]
Describe = Callable[[Arguments, LiveState], tuple[Fact, ...]]
Inspect = Callable[["Wayscloud", Sent], Awaitable[Inspection]]
LeadsTo = Callable[[Server, Arguments, object], Server]
"""A server, the resolved arguments and the details of a precheck, to the server as a run would leave it."""
TypedName = Callable[[Mapping[str, Json], Target], str]


async def no_check(_api: "Wayscloud", _arguments: Arguments, _server: Server | None) -> Precheck:
    """Find nothing that speaks against a request."""
    return Precheck()


async def no_advice(_api: "Wayscloud", _arguments: Arguments) -> None:
    """Find nothing more to say to who asks."""


def no_facts(_arguments: Arguments, _live: LiveState) -> tuple[Fact, ...]:
    """Return no facts: the server says all."""
    return ()


def no_choices(_result: BaseModel) -> tuple[Choice, ...]:
    """Offer nothing: the operation lists no values of an argument."""
    return ()


def hostname(_arguments: Mapping[str, Json], target: Target) -> str:
    """Return the name of a change's server."""
    return target.hostname


def as_before(server: Server, _arguments: Arguments, _details: object) -> Server:
    """Return a server that shows nothing of a run."""
    return server


def always(_server: Server) -> bool:
    """Fit every state of a server."""
    return True
