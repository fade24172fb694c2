"""The plans of a crash run: one question about ten servers each, and people's acts on it."""

import random
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from math import ceil

from tests.crash.plan import AGENT, ASKER, CHANNELS, POLICY
from tests.crash.server_ends import RULE
from vpsops.core.changes.requests import Request
from vpsops.core.identity.actors import Origin
from vpsops.core.plans.model import PlanOptions
from vpsops.core.plans.requests import PlanRequest
from vpsops.core.plans.selection import Selection
from vpsops.core.schedule.model import LaterRequest

MEMBERS = 10
FATES = (
    "confirm",
    "approve",
    "stop",
    "approve",
    "confirm",
    "cancel",
    "confirm",
    "approve",
    "confirm",
    "deny",
    "expire",
)
"""What people do; `stop` confirms, and lets no other member begin once the first one has."""
TIMES = ("", "", "", "in window always", "in 1m")
LATER = ("", "in 1m", "in window opening", "in 2m", "in 3m", "")
"""When the plans that run to their ends run: at once, and later, while processes are killed."""
SURE_FATES = ("confirm", "approve")
SPARE_SHARE = 0.05
"""More members than are to begin: a server that cannot be read does not."""
OPENING_MINUTES = 2
"""After so long the window `opening` opens."""
AT_ONCE = (1, 3)
STOP_AFTER = (1, 3, MEMBERS)
CLOSING = "in window closing"
CLOSING_AT = 8
"""The place among the fates of the plan that runs in the window that closes."""
CLOSING_PAUSE_SECONDS = 30
CLOSING_MINUTES = 3
"""After so long the window closes; ten members with their pauses take longer."""


@dataclass(frozen=True, slots=True)
class ServerPlanItem:
    """One plan: its request, and people's acts on it."""

    number: int
    operation: str
    servers: Sequence[str]
    fate: str
    time: str
    at_once: int
    stop_after: int

    @property
    def key(self) -> str:
        """The key under which every process requests this plan."""
        return f"crash-plan-{self.number}"

    @property
    def options(self) -> PlanOptions:
        """How it runs; one in the window that closes has to pause, so that the end of the window meets it."""
        pause = CLOSING_PAUSE_SECONDS if self.time == CLOSING else 0
        return PlanOptions(at_once=self.at_once, pause=pause, stop_after=self.stop_after)

    @property
    def planned(self) -> PlanRequest:
        """What goes to the gate, as often as a new process asks."""
        actor = AGENT if self.fate in {"approve", "deny"} else ASKER
        origin = Origin("slack", "T0ACME", CHANNELS[self.number % len(CHANNELS)])
        later = LaterRequest(self.time) if self.time else None
        request = Request(self.operation, {}, actor, origin, key=self.key, can_confirm=True, later=later)
        return PlanRequest(request, Selection(tuple(self.servers)), self.options)


def sure_plans(members: int) -> int:
    """Return how many plans have so many members that begin."""
    return ceil(members * (1 + SPARE_SHARE) / MEMBERS)


def draw_plans(
    seed: int, plans: int, members: int, running: Sequence[str], stopped: Sequence[str]
) -> list[ServerPlanItem]:
    """Draw plans over servers of their own; of one in eleven the window closes on the way.

    With `members`, further plans follow that are agreed to and stopped by nothing, of which so many members begin.
    """
    dice = random.Random(f"plans/{seed}")  # noqa: S311 - plans that can be drawn again
    up, down = list(running), list(stopped)
    dice.shuffle(up)
    dice.shuffle(down)
    items = []
    for number in range(plans + sure_plans(members)):
        operation = dice.choice(("reboot", "reboot", "stop", "start"))
        if operation == "start" and len(down) < MEMBERS:
            operation = "reboot"
        pool = down if operation == "start" else up
        servers, pool[:MEMBERS] = pool[:MEMBERS], []
        fate, time = FATES[number % len(FATES)], dice.choice(TIMES)
        at_once, stop_after = dice.choice(AT_ONCE), dice.choice(STOP_AFTER)
        if number >= plans:
            fate, time, stop_after = dice.choice(SURE_FATES), LATER[number % len(LATER)], MEMBERS
        elif number % len(FATES) == CLOSING_AT:
            time, at_once, stop_after = CLOSING, 1, MEMBERS
        items.append(ServerPlanItem(number, operation, servers, fate, time, at_once, stop_after))
    return items


def policy_from(now: datetime) -> str:
    """Return the policy of a run that begins now, with a window that closes within minutes, and one that opens."""
    hour, minute = timedelta(hours=1), timedelta(minutes=1)
    closing = _window("closing", now - hour, now + CLOSING_MINUTES * minute + minute)
    return f"{POLICY}{RULE}\n{closing}{_window('opening', now + OPENING_MINUTES * minute, now + hour)}"


def _window(name: str, opens: datetime, closes: datetime) -> str:
    hours = f"Mon-Sun {opens:%H:%M}-{closes:%H:%M}"
    return f'[[window]]\nname = "{name}"\nhours = "{hours}"\ntime_zone = "UTC"\n'
