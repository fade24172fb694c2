"""One command at a terminal: the core, the console, and who asks."""

import socket
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Final, TypeVar

import anyio

from vpsops.cli.operations.console import Console
from vpsops.core.app import Core
from vpsops.core.changes.requests import Request
from vpsops.core.common.errors import AmbiguousServerError, UnknownServerError
from vpsops.core.common.json_types import Json
from vpsops.core.common.text import whole_number
from vpsops.core.config.local_identity import known_human
from vpsops.core.config.settings import Settings
from vpsops.core.console.terminal import cell
from vpsops.core.identity.actors import LOCAL, TERMINAL, Actor, ActorKind, Origin
from vpsops.core.operations import Operation
from vpsops.core.schedule.model import LaterRequest

T = TypeVar("T")
ORIGIN: Final = Origin(TERMINAL)
NAMED_IN: Final = "VPSOPS_ACTOR"
CHOICES: Final = 20


def requester_of(settings: Settings, *, interactive: bool) -> Actor:
    """Return who asks. Without a person at a terminal it is a program, for which the rules for agents count.

    Its human is empty where neither the settings nor the machine name one; then it may only read.
    """
    human = known_human(settings)
    if interactive:
        return Actor(ActorKind.PERSON, human or LOCAL, human.removeprefix(LOCAL), human)
    host = socket.gethostname()
    return Actor(ActorKind.AGENT, f"{TERMINAL}:{host}", f"vpsops on {host}", human)


@dataclass(frozen=True, slots=True)
class Session:
    """What a command has; `asks` says that a person can be asked, `stop` is set by Ctrl-C and SIGTERM."""

    core: Core
    console: Console
    actor: Actor
    stop: anyio.Event

    @property
    def asks(self) -> bool:
        """Return whether who asks is a person at this terminal."""
        return self.actor.kind is ActorKind.PERSON

    def request(
        self, operation: Operation, arguments: Mapping[str, Json], reason: str = "", later: LaterRequest | None = None
    ) -> Request:
        """Return a request of this terminal."""
        return Request(
            operation.name,
            arguments,
            self.actor,
            ORIGIN,
            reason=reason,
            can_confirm=self.asks,
            named_in=NAMED_IN,
            later=later,
        )

    def chosen_server(self, error: AmbiguousServerError | UnknownServerError) -> str:
        """Ask which server was meant; raises the error where no one can be asked, or none is chosen."""
        candidates = list(error.candidates) if isinstance(error, AmbiguousServerError) else []
        if isinstance(error, UnknownServerError):
            candidates = [(name, name) for name in error.nearest]
        if not self.asks or not candidates or len(candidates) > CHOICES:
            raise error
        self.console.note(error.message.partition(":")[0].rstrip(".") + ".")
        for number, (ident, name) in enumerate(candidates, 1):
            known_by = f" ({cell(ident)})" if ident != name else ""
            self.console.note(f"  {number}  {cell(name, 253)}{known_by}")
        typed = self.console.ask(f"Which one? 1 to {len(candidates)}, or Enter for none: ")
        choice = whole_number(typed, 1, len(candidates))
        if choice is None:
            raise error
        return candidates[choice - 1][0]


async def until_stopped(stop: anyio.Event, call: Callable[[], Awaitable[T]]) -> T | None:
    """Return what a call returns, or None once `stop` is set; raises what the call raises."""
    value: T | None = None
    failure: Exception | None = None
    async with anyio.create_task_group() as group:
        group.start_soon(_cancel_on, stop, group.cancel_scope)
        try:
            value = await call()
        except Exception as error:  # noqa: BLE001 - raised below, outside the group, so that it stays itself
            failure = error
        group.cancel_scope.cancel()
    if failure is not None:
        raise failure
    return value


async def _cancel_on(stop: anyio.Event, scope: anyio.CancelScope) -> None:
    await stop.wait()
    scope.cancel()
