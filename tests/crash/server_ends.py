"""The servers with an end of a crash run: stopped at their ends, and people decide about their deletion."""

import random
from dataclasses import dataclass, replace

from tests.crash.plan import ASKER, CHANNELS
from vpsops.core.changes.requests import Request
from vpsops.core.ends import model
from vpsops.core.identity.actors import Origin
from vpsops.core.operations.families import lifetimes

LIFETIME = "15m"
MINUTE_SECONDS = 2
"""Of a lifetime, in the processes of a crash run; a server lives for half a minute, and its owner is asked half way."""
LOOK_SECONDS = 5.0
"""Between looks at a server after its end, in place of a quarter of an hour."""
OWNER = replace(ASKER, account=ASKER.id)
"""Known to Slack, as a deletion is asked for in the name of an active account alone."""
FATES = ("approve", "deny", "leave", "keep")
"""What people do about the deletion; who keeps a server has its next end then, and its deletion approved."""
RULE = """
[[rule]]
id = "deletions"
risk = "destructive"
decision = "approve"
votes = 1
expires = "1m"
approvers = { groups = ["S0CRASH"] }
"""


@dataclass(frozen=True, slots=True)
class ServerEndItem:
    """One server with an end: its request, and people's acts on its deletion."""

    number: int
    hostname: str
    fate: str

    @property
    def key(self) -> str:
        """The key under which every process requests this server."""
        return f"crash-end-{self.number}"

    @property
    def is_deleted(self) -> bool:
        """Return whether people approve its deletion."""
        return self.fate in {"approve", "keep"}

    @property
    def request(self) -> Request:
        """What goes to the gate, as often as a new process asks."""
        arguments = {"hostname": self.hostname, "plan": "vps-2gb-1cpu", "region": "oslo", "os_template": "debian-12"}
        origin = Origin("slack", "T0ACME", CHANNELS[self.number % len(CHANNELS)])
        return Request("create", {**arguments, "lifetime": LIFETIME}, OWNER, origin, key=self.key, can_confirm=True)

    def keeping(self, server_id: str) -> Request:
        """The request of its owner to keep it."""
        arguments = {"server": server_id, "lifetime": LIFETIME}
        return Request("keep", arguments, OWNER, self.request.origin, can_confirm=True)


def draw_ends(seed: int, ends: int) -> list[ServerEndItem]:
    """Draw servers, which are made in the run."""
    dice = random.Random(f"ends/{seed}")  # noqa: S311 - servers that can be drawn again
    fates = [FATES[number % len(FATES)] for number in range(ends)]
    dice.shuffle(fates)
    return [ServerEndItem(number, f"crash-end-{seed}-{number}.example.com", fate) for number, fate in enumerate(fates)]


def shorten_lifetimes() -> None:
    """Let ends come, and be looked at, within this process's part of a crash run; the least of them is 15 minutes."""
    lifetimes.UNITS["m"] = MINUTE_SECONDS
    lifetimes.LIFETIME_LEAST_SECONDS = 1  # type: ignore[attr-defined] # in this process alone
    model.END_LOOK_SECONDS = LOOK_SECONDS  # type: ignore[attr-defined] # the same
