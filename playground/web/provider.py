"""The provider's panel: what its servers really do, and buttons for what the world does to them."""

from collections.abc import Callable, Mapping
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict

from vpsops.playground.slack.workspace.protocol import Json
from vpsops.playground.wayscloud.dialects import DIALECTS
from vpsops.playground.wayscloud.faults import PRESETS, Fault, Match
from vpsops.playground.wayscloud.hardware.model import ServerState, SimulatedServer
from vpsops.playground.wayscloud.serve import SimulatorHandle

REQUESTS = 14
SPEEDS = (1, 10, 60)
CHOSEN = (
    *("boot_fails", "list_behind", "five_fields", "no_uptime", "pages_total", "wrong_body", "ghost", "name_short"),
    *("redirect_301_slash", "effect_then_429", "proxy_repeats", "quota_403", "out_of_stock", "maintenance"),
)

TROUBLES: dict[str, tuple[str, Fault]] = {
    "fail_create": ("The next new server fails to provision", Fault(kind="fail_provision", times=1)),
    "drop_create": (
        "The next create takes effect, and its answer is lost",
        Fault(kind="drop_after", match=Match(operation="create"), times=1),
    ),
    "drop_write": (
        "The next start, stop or reboot takes effect, and its answer is lost",
        Fault(kind="drop_after", match=Match(method="POST", path="/v1/vps/*/*"), times=1),
    ),
    "down": ("The API is down: 503 to everything", Fault(kind="status", status=503)),
    "limit": (
        "The next three requests get 429, Retry-After 2",
        Fault(kind="status", status=429, retry_after=2, times=3),
    ),
    "slow": ("The next three answers take four seconds", Fault(kind="slow", seconds=4.0, times=3)),
    "garbled": ("The next answer is half a document", Fault(kind="malformed", times=1)),
}
TROUBLES |= {name: (f"The provider {PRESETS[name].says}", PRESETS[name].faults[0]) for name in CHOSEN}


def known(name: str) -> str:
    """Return the name of a trouble there is."""
    if name not in TROUBLES:
        raise ValueError("there is no such trouble")
    return name


Trouble = Annotated[str, AfterValidator(known)]


class PageOrder(BaseModel):
    """One press of a lever; unknown fields are refused."""

    model_config = ConfigDict(extra="forbid")


class Cause(PageOrder):
    """Let something go wrong."""

    trouble: Trouble


class Nothing(PageOrder):
    """An order without arguments."""


class PageChange(PageOrder):
    """Change a server outside the product, or let it vanish."""

    server: str
    status: ServerState | None = None
    vanish: bool = False


class Speed(PageOrder):
    """Let the world's time pass this many times as fast."""

    speed: Literal[1, 10, 60]


class Speak(PageOrder):
    """Speak another dialect."""

    dialect: Literal["live", "seed", "terraform", "sdk"]


def cause(handle: SimulatorHandle, order: Cause) -> None:
    """Put the rule in force."""
    simulator = handle.simulator
    simulator.faults.add([TROUBLES[order.trouble][1]], simulator.world.time.seconds())


def calm(handle: SimulatorHandle, _order: Nothing) -> None:
    """Let nothing go wrong any more."""
    handle.simulator.faults.clear()


def change(handle: SimulatorHandle, order: PageChange) -> None:
    """Override a server's state. Raises KeyError when it is gone."""
    world = handle.simulator.world
    server = world.find(order.server)
    if server is None:
        raise KeyError(order.server)
    if order.vanish:
        world.remove(server)
    elif order.status is not None:
        world.override(server, order.status, None, None)


def speed(handle: SimulatorHandle, order: Speed) -> None:
    """Set the speed."""
    handle.simulator.world.time.set_speed(order.speed)


def speak(handle: SimulatorHandle, order: Speak) -> None:
    """Switch the dialect; the servers start afresh."""
    handle.app.speak(order.dialect)


LEVERS: Mapping[str, tuple[type[PageOrder], Callable[[SimulatorHandle, Any], None]]] = {
    "cause": (Cause, cause),
    "calm": (Nothing, calm),
    "change": (PageChange, change),
    "speed": (Speed, speed),
    "speak": (Speak, speak),
}


def board(handle: SimulatorHandle) -> Json:
    """Return the panel: servers, armed faults, the latest requests, and the available levers."""
    simulator = handle.simulator
    world = simulator.world
    at = world.time.seconds()
    return {
        "servers": [_server(each, at) for each in world.servers()],
        "speed": world.time.speed,
        "speeds": SPEEDS,
        "dialect": simulator.dialect.name,
        "dialects": list(DIALECTS),
        "states": [ServerState.RUNNING, ServerState.STOPPED, ServerState.ERROR],
        "troubles": [{"name": name, "says": says} for name, (says, _) in TROUBLES.items()],
        "armed": [_armed(each.fault, each.matched, each.fired) for each in simulator.faults.armed],
        "effects": [
            {"seq": each.seq, "operation": each.operation, "hostname": each.hostname}
            for each in list(world.effects)[-30:]
        ],
        "requests": [
            {"seq": each.seq, "method": each.method, "path": each.path, "status": each.status, "outcome": each.outcome}
            | {"effect": each.effect, "faults": list(each.faults)}
            for each in simulator.journal.entries(since=simulator.journal.total - REQUESTS)
        ],
    }


def _server(server: SimulatedServer, at: float) -> Json:
    return {
        "id": server.id,
        "hostname": server.hostname,
        "state": server.state.value,
        "address": server.ipv4 if server.addressed else "",
        "plan": server.plan,
        "settles": None if server.until is None else max(0, round(server.until - at)),
    }


def _armed(fault: Fault, matched: int, fired: int) -> Json:
    says = next((words for words, known in TROUBLES.values() if known == fault), fault.kind)
    spent = fault.times is not None and fired >= fault.times
    return {"says": says, "matched": matched, "fired": fired, "spent": spent}
