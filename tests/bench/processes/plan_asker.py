"""A process that asks for what its input names, a line each, approves it, and says how long that took.

A line holds the ids of servers: of several one plan is asked for, of one a change. The answer is a line of JSON; an
empty line approves what was asked last, and is answered at its end.
"""

import json
import resource
import sys
from typing import Final

import anyio

from tests.bench.change_requests import AGENT, decide, hold
from tests.fakes.accounts import EVERYBODY
from vpsops.core.app import Core, open_core
from vpsops.core.changes.model import Change
from vpsops.core.changes.requests import Held, Request
from vpsops.core.changes.scope import OPERATOR
from vpsops.core.common.clock import SystemClock
from vpsops.core.config.logging import configure_logging
from vpsops.core.config.settings import load_settings
from vpsops.core.identity.actors import Origin
from vpsops.core.plans.model import PlanOptions
from vpsops.core.plans.requests import PlanRequest
from vpsops.core.plans.selection import selection_from

AT_ONCE: Final = 10
LONGEST_RUN_SECONDS: Final = 800.0


async def main() -> None:
    """Serve lines until there are no more."""
    settings = load_settings()
    configure_logging(settings)
    clock = SystemClock()
    async with open_core(settings, front="cli", accounts=EVERYBODY) as core:
        say(ready=True)
        change: Change | None = None
        while line := await anyio.to_thread.run_sync(sys.stdin.readline):
            begun, servers = clock.monotonic(), line.split()
            change = await approved(core, change) if change is not None and not servers else await ask(core, servers)
            say(seconds=clock.monotonic() - begun, id=change.id, state=change.state.value, note=change.note)


async def approved(core: Core, change: Change) -> Change:
    """Approve a change or plan, and return it at its end."""
    await decide(core, change)
    return await core.changes.wait(
        change.id, seconds=LONGEST_RUN_SECONDS, until=lambda current: current.state.final, scope=OPERATOR
    )


async def ask(core: Core, servers: list[str]) -> Change:
    """Ask for a reboot of one server, or of many as one plan."""
    if len(servers) == 1:
        return await hold(core, "reboot", AGENT, server=servers[0])
    request = Request("reboot", {}, AGENT, Origin("mcp"), reason="patch night", can_confirm=True)
    planned = PlanRequest(request, selection_from(servers), PlanOptions(at_once=AT_ONCE))
    outcome = await core.gate.submit_plan(planned, scope=OPERATOR)
    if not isinstance(outcome, Held):
        raise TypeError(f"the plan was not held: {outcome}")
    return outcome.change


def say(**facts: object) -> None:
    """Write a line: the facts, and the most memory that the process had."""
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    sys.stdout.write(f"{json.dumps({**facts, 'most_mib': most})}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    anyio.run(main)
