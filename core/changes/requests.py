"""What goes into the gate and what comes out of it."""

from collections.abc import Mapping
from dataclasses import dataclass

from pydantic import BaseModel

from vpsops.core.changes.model import Change, State
from vpsops.core.common.json_types import Json
from vpsops.core.identity.actors import Actor, Origin
from vpsops.core.operations.target import Target
from vpsops.core.policy.decision import Decision, PartRuling
from vpsops.core.schedule.model import LaterRequest


@dataclass(frozen=True, slots=True)
class SetAside:
    """Another person's unconfirmed change that is in the way of a request; `evidence` is how a member was read."""

    change_id: str
    evidence: str = ""


@dataclass(frozen=True, slots=True)
class Request:
    """A request for a run of an operation.

    `arguments` are as typed: a server may be named by id, hostname or an unambiguous prefix.
    `key` deduplicates: the same key is the same request, however often it arrives; empty means
    every arrival is a request of its own. `can_confirm` says that the asker's own human can be
    asked where the request came from; without it a request that needs a confirmation is refused.
    `named_in` says where the human behind an agent is set. `sets_aside` is withdrawn in the transaction that
    stores this request: neither is done without the other. With `later` it runs then, and not at once.
    """

    operation: str
    arguments: Mapping[str, Json]
    actor: Actor
    origin: Origin
    reason: str = ""
    key: str = ""
    can_confirm: bool = False
    named_in: str = ""
    sets_aside: SetAside | None = None
    later: LaterRequest | None = None


@dataclass(frozen=True, slots=True)
class Done:
    """Nothing more is needed from people: a read's `result`, with its server if of one, or a `change` that runs."""

    result: BaseModel | None = None
    change: Change | None = None
    target: Target | None = None


@dataclass(frozen=True, slots=True)
class Held:
    """The change waits: for the asker's confirmation, or for votes."""

    change: Change

    @property
    def needs(self) -> Decision:
        """What it waits for: `confirm` or `approve`."""
        return self.change.ruling.decision


@dataclass(frozen=True, slots=True)
class Refused:
    """It will not run: why, what to do instead, and an id to look up.

    `change` is set where another change is in the way.
    """

    reason: str
    hint: str = ""
    error_id: str = ""
    change: Change | None = None


Outcome = Done | Held | Refused


@dataclass(frozen=True, slots=True)
class DryRun:
    """What would become of a request now: the change as it would be stored, or why it would be refused.

    `change` is there whenever the request makes sense, also where it would be refused. `parts` are the decisions about
    the steps of a runbook, or about the servers of a plan, and `servers` are those servers.
    """

    change: Change
    refusal: Refused | None = None
    parts: tuple[PartRuling, ...] = ()
    servers: tuple[Target, ...] = ()


def outcome_of(change: Change) -> Outcome:
    """Return the outcome of a stored change for its caller."""
    return Held(change) if change.state is State.HELD else Done(change=change)
