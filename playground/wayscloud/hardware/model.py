"""A simulated server and how it moves: pure functions of the server and of the world's seconds."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import StrEnum


class ServerState(StrEnum):
    """What a server really does, before any dialect names it."""

    PROVISIONING = "provisioning"
    STARTING = "starting"
    RUNNING = "running"
    STOPPING = "stopping"
    STOPPED = "stopped"
    REBOOTING = "rebooting"
    ERROR = "error"
    TERMINATED = "terminated"


class Power(StrEnum):
    """The power operations."""

    START = "start"
    STOP = "stop"
    REBOOT = "reboot"


# Seconds, lowest and highest. Provision, start and reboot are documented; stop is an assumption.
DURATIONS: dict[ServerState, tuple[float, float]] = {
    ServerState.PROVISIONING: (60.0, 180.0),
    ServerState.STARTING: (30.0, 60.0),
    ServerState.REBOOTING: (60.0, 120.0),
    ServerState.STOPPING: (5.0, 20.0),
}
MOVES = {Power.START: ServerState.STARTING, Power.STOP: ServerState.STOPPING, Power.REBOOT: ServerState.REBOOTING}
UP = frozenset({ServerState.RUNNING, ServerState.STOPPING, ServerState.REBOOTING})


@dataclass(frozen=True, slots=True)
class Habits:
    """How busy a server is on average: percentages, and bytes a second."""

    cpu: float
    memory: float
    disk: float
    bytes_in: float
    bytes_out: float
    phase: float = 0.0


@dataclass(frozen=True, slots=True)
class SimulatedServer:
    """One server; `until` and `booted` are in the world's seconds, `created_at` and `ready_at` in time of day."""

    id: str
    number: int
    hostname: str
    display_name: str
    plan: str
    location: str
    template: str
    ipv4: str
    ipv6: str
    created_at: datetime
    ready_at: datetime | None
    state: ServerState
    habits: Habits
    until: float | None = None
    booted: float | None = None
    doomed: bool = False
    moves: int = 0
    labels: Mapping[str, str] = field(default_factory=dict, hash=False)
    tags: tuple[str, ...] = ()

    @property
    def busy(self) -> bool:
        """Whether the server is between two states."""
        return self.state in DURATIONS

    @property
    def addressed(self) -> bool:
        """Whether the server has its addresses: not before it was ready once."""
        return self.state is not ServerState.PROVISIONING and self.ready_at is not None


def settle(server: SimulatedServer, at: float) -> SimulatedServer:
    """Return the server as it is at `at`: a move past its time is finished, at the moment it was due."""
    if server.until is None or at < server.until:
        return server
    if server.state is ServerState.STOPPING:
        return replace(server, state=ServerState.STOPPED, until=None, booted=None)
    if server.doomed:
        ready = None if server.state is ServerState.PROVISIONING else server.ready_at
        return replace(server, state=ServerState.ERROR, until=None, booted=None, ready_at=ready, doomed=False)
    return replace(server, state=ServerState.RUNNING, until=None, booted=server.until)


def begin(server: SimulatedServer, state: ServerState, until: float, *, doomed: bool = False) -> SimulatedServer:
    """Return the server on its way: in the transitional `state` until `until`, and in `error` then when doomed."""
    return replace(server, state=state, until=until, moves=server.moves + 1, doomed=doomed)


def refusal(server: SimulatedServer, power: Power, *, strict: bool) -> str | None:
    """Return why the server cannot do this now, or None.

    No source documents the provider's answer here. A server between states refuses, as the SDK's "resource busy"
    hints; a request for the state it is already in is refused only when `strict`; a server that is off cannot reboot.
    """
    if server.busy:
        return f"VPS is busy ({server.state})"
    if server.state in (ServerState.ERROR, ServerState.TERMINATED):
        return f"VPS is in state {server.state}"
    if power is Power.REBOOT and server.state is ServerState.STOPPED:
        return "VPS must be running"
    if strict and already(server, power):
        return "VPS is already running" if power is Power.START else "VPS is already stopped"
    return None


def already(server: SimulatedServer, power: Power) -> bool:
    """Return whether the server is already in the operation's target state, so that nothing happens."""
    return (power, server.state) in {(Power.START, ServerState.RUNNING), (Power.STOP, ServerState.STOPPED)}


def uptime(server: SimulatedServer, at: float) -> int:
    """Return the seconds since the last boot, zero when off; a reboot keeps counting until it is over."""
    if server.booted is None or server.state not in UP:
        return 0
    return max(0, int(at - server.booted))


@dataclass(frozen=True, slots=True)
class SimulatedUsage:
    """What a server uses: percentages, and bytes since boot."""

    cpu: float
    memory: float
    disk: float
    bytes_in: int
    bytes_out: int


def usage(server: SimulatedServer, at: float) -> SimulatedUsage:
    """Return the usage at `at`: percentages swing around the habit, counters only grow until the next boot."""
    habits, up = server.habits, uptime(server, at)

    def swing(middle: float, width: float, period: float) -> float:
        value = middle + width * math.sin(2 * math.pi * (at / period + habits.phase))
        return round(min(100.0, max(0.0, value)), 1)

    return SimulatedUsage(
        cpu=swing(habits.cpu, habits.cpu / 3, 420.0),
        memory=swing(habits.memory, 4.0, 3600.0),
        disk=swing(habits.disk, 0.4, 86400.0),
        bytes_in=round(habits.bytes_in * up),
        bytes_out=round(habits.bytes_out * up),
    )
