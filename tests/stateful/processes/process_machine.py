"""What happens to the processes in every state machine: they freeze, die and start, and the provider fails them."""

from collections.abc import Callable
from typing import Any, Generic, TypeVar

from hypothesis import strategies as st
from hypothesis.stateful import precondition, rule

from tests.stateful.database_machine import DatabaseMachine
from tests.stateful.harness import StatefulHarness
from tests.stateful.processes.crashable_process import CrashableProcess, StopPoint
from vpsops.playground.wayscloud import faults

P = TypeVar("P", bound=CrashableProcess)
SLOTS = st.integers(0, 2)
POINTS = st.one_of(st.none(), st.integers(0, 15), st.integers(0, 15))  # a run has fifteen or so
STOPS = st.sampled_from(StopPoint)
WRITE: dict[str, Any] = {"match": {"method": "POST"}, "times": 1}
FAULTS: tuple[dict[str, Any], ...] = (
    {"kind": "drop_before", **WRITE},
    {"kind": "drop_after", **WRITE},
    {"kind": "status", "status": 500, **WRITE},
    {"kind": "status", "status": 502, "after_effect": True, **WRITE},
    {"kind": "status", "status": 429, "retry_after": 1, **WRITE},
    {"kind": "status", "status": 409, **WRITE},
    {"kind": "malformed", **WRITE},
    {"kind": "status", "status": 500, "match": {"method": "GET"}, "times": 2},
)


class ProcessMachine(DatabaseMachine, Generic[P]):
    """Three processes on one database, made by `start`."""

    def __init__(self, start: Callable[[StatefulHarness], P]) -> None:
        super().__init__()
        self.scene = StatefulHarness(self.new_database())
        self._start = start
        self.slots = [start(self.scene) for _ in range(3)]

    @rule(slot=SLOTS)
    def wake(self, slot: int) -> None:
        """Let a frozen process continue."""
        if self.slots[slot].task is not None:
            self.scene.call(self.slots[slot].wake())

    @rule(slot=SLOTS)
    def start_anew(self, slot: int) -> None:
        """Let a process die where it is, and another one start."""
        self.scene.call(self.slots[slot].wake(dead=True))
        self.slots[slot] = self._start(self.scene)

    @precondition(lambda self: len(self.scene.app.simulator.faults.armed) < 4)
    @rule(which=st.sampled_from(FAULTS))
    def go_wrong(self, which: dict[str, Any]) -> None:
        """Let something go wrong at the provider."""
        self.scene.app.simulator.faults.add(faults.parse(which))
