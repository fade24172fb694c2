"""A runbook as its file has it: steps in their order, each with what is done where it fails."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

from vpsops.core.common.errors import StorageError
from vpsops.core.common.json_types import Json

MOST_STEPS: Final = 10
"""Steps of a runbook: a card shows each of them, and no one reads more."""
MOST_COMPENSATIONS: Final = 5
MOST_ARGUMENTS: Final = 10


class RunbookBrokenError(StorageError):
    """A runbook was altered after it was applied: it is never run."""


class ValueKind(StrEnum):
    """The kind of value that an argument of a runbook takes."""

    SERVERS = "servers"  # names, patterns and filters
    PLAN = "plan"
    TEXT = "text"
    CHOICE = "choice"


class StepOrder(StrEnum):
    """Whether a step is done to all of its servers before the next step, or all steps to a server before the next."""

    STEPS = "steps"
    SERVERS = "servers"


@dataclass(frozen=True, slots=True)
class RunbookArgument:
    """What a request gives to a runbook; without a default it has to be given."""

    name: str
    kind: ValueKind
    description: str = ""
    default: str | None = None
    choices: tuple[str, ...] = ()

    @property
    def placeholder(self) -> str:
        """The argument in a line of usage: `server=SERVERS`, or `[tier=web|db]` where it may be left out."""
        shown = f"{self.name}={'|'.join(self.choices) or self.kind.value.upper()}"
        return shown if self.default is None else f"[{shown}]"


@dataclass(frozen=True, slots=True)
class RunbookStep:
    """One operation on some servers; `compensations` are done in their order where it fails, and have none."""

    operation: str
    servers: tuple[str, ...]
    arguments: Mapping[str, Json] = field(default_factory=dict)
    compensations: tuple["RunbookStep", ...] = ()
    probe: str = ""


@dataclass(frozen=True, slots=True)
class Runbook:
    """A runbook, and the text that it was read from; `pause` in seconds between two members."""

    name: str
    description: str
    steps: tuple[RunbookStep, ...]
    arguments: tuple[RunbookArgument, ...] = ()
    order: StepOrder = StepOrder.STEPS
    pause: int = 0
    text: str = ""

    @property
    def operations(self) -> tuple[str, ...]:
        """The names of the operations of all steps and compensations, each once."""
        steps = [each for step in self.steps for each in (step, *step.compensations)]
        return tuple(dict.fromkeys(step.operation for step in steps))

    @property
    def usage(self) -> str:
        """The name with the arguments that it takes: `grow server=SERVERS [plan=PLAN]`."""
        return " ".join((self.name, *(argument.placeholder for argument in self.arguments)))
