"""What the processes of a crash run are to do: drawn from a seed, so that a failure can be reproduced."""

import random
from collections.abc import Sequence
from dataclasses import dataclass

from tests.fakes.policies import two_votes_for_agents
from vpsops.core.changes.requests import Request
from vpsops.core.identity.actors import Actor, ActorKind, Origin
from vpsops.core.schedule.model import LaterRequest

FATES = ("confirm", "confirm", "approve", "approve", "deny", "cancel", "expire")
CHANNELS = tuple(f"C{number:04d}CRASH" for number in range(20))
ASKER = Actor(ActorKind.PERSON, "U0ALICE", "alice", "U0ALICE")
AGENT = Actor(ActorKind.AGENT, "mcp:crash", "crash", "slack:U0ALICE")
VOTERS = tuple(Actor(ActorKind.PERSON, f"U0V{n}", f"voter{n}", f"U0V{n}", groups=("S0CRASH",)) for n in range(3))
CARD_EVERY = 5
WINDOW = '[[window]]\nname = "always"\nhours = "Mon-Sun"\ntime_zone = "UTC"\n'
POLICY = two_votes_for_agents("S0CRASH") + 'expires = "2m"\n' + WINDOW
TIMES = ("", "", "in window always", "in 1m")
"""When changes run: at once, scheduled and due as soon as they are agreed to, or in a minute."""


@dataclass(frozen=True, slots=True)
class PlanItem:
    """One change: its request, and people's acts on it."""

    number: int
    operation: str
    server: str
    fate: str
    time: str = ""

    @property
    def is_by_agent(self) -> bool:
        """Return whether an agent asks, so that votes decide."""
        return self.fate in {"approve", "deny"}

    @property
    def request(self) -> Request:
        """What goes to the gate; the key makes it the same request however often a new process asks."""
        card = self.number % CARD_EVERY == 0
        origin = Origin("slack", "T0ACME", CHANNELS[self.number % len(CHANNELS)]) if card else Origin("mcp")
        actor = AGENT if self.is_by_agent else ASKER
        return Request(
            self.operation,
            self.arguments,
            actor,
            origin,
            key=f"crash-{self.number}",
            can_confirm=True,
            later=LaterRequest(self.time) if self.time else None,
        )

    @property
    def arguments(self) -> dict[str, str]:
        """The operation's arguments."""
        if self.operation == "create":
            return {"hostname": self.server, "plan": "vps-2gb-1cpu", "region": "oslo", "os_template": "debian-12"}
        return {"server": self.server}


def draw(seed: int, changes: int, running: Sequence[str], stopped: Sequence[str]) -> list[PlanItem]:
    """Draw a run: each server is used once, so that every change has its own effect to count."""
    dice = random.Random(seed)  # noqa: S311 - a plan that can be drawn again
    up, down = list(running), list(stopped)
    dice.shuffle(up)
    dice.shuffle(down)
    items = []
    for number in range(changes):
        operation = dice.choice(("create", "reboot", "stop", "start"))
        if operation == "start":
            server = down.pop() if down else ""
        else:
            server = up.pop() if operation != "create" and up else ""
        name = server or f"crash-{seed}-{number}.example.com"
        items.append(PlanItem(number, operation if server else "create", name, dice.choice(FATES), dice.choice(TIMES)))
    return items
