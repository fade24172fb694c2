"""The shape of an operation, and the table of all of them."""

import re
from collections.abc import Awaitable, Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Final

from pydantic import BaseModel

from vpsops.core.common.timings import Pace
from vpsops.core.operations.arguments import ArgumentKind, Arguments, ArgumentSpec, arguments_of
from vpsops.core.operations.strategies import (
    Check,
    CheckRequest,
    Choices,
    Describe,
    Inspect,
    LeadsTo,
    TypedName,
    always,
    hostname,
    no_advice,
    no_check,
    no_choices,
    no_facts,
)
from vpsops.core.wayscloud.answers.models import Server, Usage
from vpsops.core.wayscloud.requests.endpoints import Route
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


class NoArguments(Arguments):
    """An operation that takes nothing."""


class ServerArguments(Arguments):
    """An operation on one server."""

    server: Annotated[str, ArgumentSpec(ArgumentKind.SERVER, "Server")]


class Proof(StrEnum):
    """What shows that an operation on a server was done."""

    STATE = "state"
    UPTIME = "uptime"  # an effect in progress need not show as a state


@dataclass(frozen=True, slots=True)
class Synonyms:
    """Other words of people for an operation.

    `exact` ones mean it and nothing else, so they run it; `offered` ones may mean it, so they only suggest it.
    """

    exact: tuple[str, ...] = ()
    offered: tuple[str, ...] = ()


NO_SYNONYMS = Synonyms()
DANGLING: Final = re.compile(r" (?:of|to|on|for)$")
Run = Callable[["Wayscloud", Arguments, SendHook | None], Awaitable[BaseModel]]
Settle = Callable[[Observation], Progress]


@dataclass(frozen=True, slots=True)
class Operation:
    """One thing the API can do, whole: what front ends, gate, runner and poller need to know of it.

    `summary` is for people, `guidance` for models; `effect` says in words what a run does to a server and to the bill.
    `run` makes exactly one client call. `check` states preconditions, at the request and before the send;
    `check_request` only advises who asks. `describe` makes the facts that are shown and hashed. A change is settled by
    `settled`, from the list of servers, or by `inspect`, a read of its own that answers a lost answer too; both are
    absent for reads.
    """

    name: str
    summary: str
    guidance: str
    risk: Risk
    arguments: type[Arguments]
    result: type[BaseModel]
    run: Run
    title: str = ""  # what a run does, as an order in plain English, with {server} for its name; by its word if absent
    effect: str = ""
    settled: Settle | None = None
    toolset: str = "servers"
    command: str = ""  # the word of people, where it is not the name
    synonyms: Synonyms = NO_SYNONYMS
    check: Check = no_check
    check_request: CheckRequest = no_advice
    describe: Describe = no_facts
    inspect: Inspect | None = None
    removes: bool = False  # its success is the absence of what it was about
    secret: bool = False  # the result of a read is for the asker alone: not stored, logged, shared or for models
    documented: bool = True
    billed: bool = False  # it has a monthly price
    makes_server: bool = False  # there is no server yet: it is found by its hostname
    proof: Proof = Proof.STATE
    pace: Pace = Pace.POWER
    typed_name: TypedName = hostname  # what is typed to decide about a destructive one
    fits: Callable[[Server], bool] = always  # whether it makes sense for a server in its state
    lists: ArgumentKind | None = None  # its result holds the values of this kind of argument, of a server or at all
    choices: Choices = no_choices  # those values, as a menu offers them
    idempotent: bool = False  # a second run changes nothing more
    leaves_down: bool = False  # its server is down afterwards, until it is started
    plannable: bool = False  # one question may be about many servers; decision 0044 says which and why
    leads_to: LeadsTo | None = None  # the server after a run, for the later steps of a runbook; absent: it is no step
    counts_runs: bool = False  # its facts count its own runs, so that a runbook has it once for a server
    outcomes: tuple[str, str] = ("It happened", "It did not happen")  # the buttons that settle an unknown outcome
    done: str = ""  # the sentence of success, with {hostname}
    advice: str = ""  # to a model after a failure, before it asks again
    routes: tuple[Route, ...] = ()  # those that it cannot do without and an API may lack, its own first

    @property
    def reads(self) -> bool:
        """Return whether a run alters nothing."""
        return self.risk is Risk.READ

    @property
    def word(self) -> str:
        """The word of people: of `/vps` and of the terminal."""
        return self.command or self.name

    def titled(self, server: str) -> str:
        """Return the title for a server: `Delete a backup of web01`."""
        return (self.title or f"{self.word.replace('-', ' ').capitalize()} {{server}}").replace("{server}", server)

    @property
    def action(self) -> str:
        """The title without its server: `Delete a backup`; of a read its word: `Backups`. For buttons and menus."""
        if self.reads:
            return self.word.replace("_", " ").replace("-", " ").capitalize()
        return DANGLING.sub("", self.titled("").strip())

    @property
    def words(self) -> frozenset[str]:
        """All words that only this operation may have."""
        return frozenset({self.name, self.word, *self.synonyms.exact, *self.synonyms.offered})

    @property
    def takes_server(self) -> bool:
        """Return whether the operation is about one existing server."""
        return issubclass(self.arguments, ServerArguments)

    @property
    def takes_only_server(self) -> bool:
        """Return whether a server is all that the operation has to be given."""
        return self.takes_server and not [
            argument for argument in arguments_of(self.arguments)[1:] if argument.required
        ]


def _may_be_planned(operation: Operation) -> bool:
    """Return whether an operation acts on a server there is, destroys nothing and costs nothing."""
    return _may_be_step(operation) and not operation.billed


def _may_be_step(operation: Operation) -> bool:
    """Return whether an operation acts on a server there is, and destroys nothing."""
    mild = operation.risk in {Risk.CHANGE, Risk.DISRUPTIVE}
    return mild and operation.takes_server and not operation.removes


class OperationTable(Mapping[str, Operation]):
    """All operations by their names, in the order of their families."""

    def __init__(self, *families: tuple[Operation, ...]) -> None:
        self._entries: dict[str, Operation] = {}
        for family in families:
            self.include(family)

    def include(self, family: tuple[Operation, ...]) -> None:
        """Add a family, before front ends are loaded: they derive their words and tools from the table then.

        Raises `ValueError` for a name or a word that is there, and for an entry that contradicts itself.
        """
        for operation in family:
            taken = sorted(operation.words & {word for entry in self._entries.values() for word in entry.words})
            if taken:
                raise ValueError(f"operation {operation.name}: another one has {', '.join(taken)}")
            if operation.plannable and not _may_be_planned(operation):
                raise ValueError(f"operation {operation.name}: it cannot be asked for about many servers")
            if operation.leads_to is not None and not _may_be_step(operation):
                raise ValueError(f"operation {operation.name}: it cannot be a step of a runbook")
            if operation.secret and not operation.reads:
                raise ValueError(f"operation {operation.name}: only the result of a read can be secret")
            self._entries[operation.name] = operation

    @property
    def exact_words(self) -> Mapping[str, Operation]:
        """The operations by every word that means exactly one of them."""
        entries = self._entries.values()
        return {word: entry for entry in entries for word in (entry.name, entry.word, *entry.synonyms.exact)}

    @property
    def offered_words(self) -> Mapping[str, Operation]:
        """The operations by the words that may mean them."""
        return {word: entry for entry in self._entries.values() for word in entry.synonyms.offered}

    def __getitem__(self, name: str) -> Operation:
        return self._entries[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._entries)

    def __len__(self) -> int:
        return len(self._entries)
