"""Providers drawn from a space: a dialect, faults with their timing, and changes that people approve."""

from dataclasses import dataclass, replace
from random import Random
from typing import Final, TypeVar

from vpsops.playground.wayscloud.faults import PRESETS, Fault

T = TypeVar("T")
DIALECTS: Final = ("live", "seed", "terraform", "sdk")
SERVERS: Final = {"stop": "stop.example.com", "start": "start.example.com", "reboot": "reboot.example.com"}
CREATED: Final = "new.example.com"
# When the rules of a preset strike: as they are, once, from the second matching request on, or half of the time.
TIMINGS: Final[tuple[dict[str, object], ...]] = ({}, {"times": 1}, {"after": 1}, {"probability": 0.5})

ONE_FORM: Final = frozenset({"seed", "sdk", "terraform"})
SOCKET_SHARE: Final = 20  # one in that many is met over a real socket; the rest in this process


@dataclass(frozen=True, slots=True)
class Trouble:
    """A preset, and when its rules strike."""

    preset: str
    timing: int = 0

    def faults(self) -> tuple[Fault, ...]:
        """Return the rules; a preset that sets its own time of striking is left as it is."""
        return tuple(
            fault
            if fault.model_fields_set & {"times", "after", "nth", "probability"}
            else fault.model_copy(update=TIMINGS[self.timing])
            for fault in PRESETS[self.preset].faults
        )


@dataclass(frozen=True, slots=True)
class Case:
    """One provider and the changes asked of it."""

    dialect: str = "live"
    troubles: tuple[Trouble, ...] = ()
    changes: tuple[str, ...] = ("create",)
    seed: int = 0
    socket: bool = False

    def faults(self) -> tuple[Fault, ...]:
        """Return all rules in force."""
        return tuple(fault for trouble in self.troubles for fault in trouble.faults())

    @property
    def is_blind(self) -> bool:
        """Whether nothing can be read: each list is redirected to a form that this dialect does not serve."""
        return self.dialect in ONE_FORM and any(name.startswith("redirect_30") for name in self.presets)

    @property
    def presets(self) -> frozenset[str]:
        """The names of the presets."""
        return frozenset(trouble.preset for trouble in self.troubles)


def drawn(number: int) -> Case:
    """Return a case by its number; a hundred numbers meet each preset about twice, alone or with another."""
    names, rng = list(PRESETS), Random(f"provider/{number}")  # noqa: S311 - seeded, not secret
    first = names[number % len(names)]
    others = rng.sample(names, rng.choice((0, 0, 1, 1, 2)))
    chosen = [first, *(name for name in others if name != first)]
    operations = rng.sample(["create", "stop", "start", "reboot"], rng.choice((1, 1, 2, 3)))
    return Case(
        dialect=rng.choice(DIALECTS),
        troubles=tuple(Trouble(name, rng.randrange(len(TIMINGS))) for name in chosen),
        changes=tuple(sorted(operations)),
        seed=number,
        socket=number % SOCKET_SHARE == 0,
    )


def smaller(case: Case) -> list[Case]:
    """Return cases with one thing less, to find the smallest that still fails."""
    fewer = [replace(case, changes=left) for left in without_each(case.changes) if left]
    calmer = [replace(case, troubles=left) for left in without_each(case.troubles)]
    plainer = [
        replace(case, troubles=(*case.troubles[:index], Trouble(trouble.preset), *case.troubles[index + 1 :]))
        for index, trouble in enumerate(case.troubles)
        if trouble.timing
    ]
    usual = [replace(case, dialect="live")] if case.dialect != "live" else []
    return [*fewer, *calmer, *plainer, *usual]


def without_each(items: tuple[T, ...]) -> list[tuple[T, ...]]:
    """Return the items without each of them in turn."""
    return [(*items[:index], *items[index + 1 :]) for index in range(len(items))]
