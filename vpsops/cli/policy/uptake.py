"""Which processes took a policy that was applied, and which did not: a part of `vpsops policy apply` that waits."""

from collections.abc import Sequence
from functools import partial

from vpsops.core.common.clock import Clock
from vpsops.core.common.timings import POLICY_APPLIED_POLL_SECONDS, POLICY_APPLIED_SECONDS
from vpsops.core.console.terminal import cell, print_line
from vpsops.core.policy_register.diagnostics import ProcessPolicy, read_process_policies
from vpsops.core.storage import Database
from vpsops.core.storage.leases import observe

NO_PROCESS = "No process of this database sends heartbeats now; each takes it when it starts, or with its next request."
MOST_SHOWN = 50


async def report_uptake(database: Database, version: str, clock: Clock) -> None:
    """Wait until every living process took a version, for a bound, and print which did and which did not."""
    await observe(database)
    end = clock.monotonic() + POLICY_APPLIED_SECONDS
    while True:
        processes = await database.read(partial(read_process_policies, database=database))
        if all(process.version == version for process in processes) or clock.monotonic() >= end:
            break
        await clock.sleep(POLICY_APPLIED_POLL_SECONDS)
    for line in uptake_lines(processes, version):
        print_line(line)


def uptake_lines(processes: Sequence[ProcessPolicy], version: str) -> list[str]:
    """Return what to print of the living processes and the policy of each."""
    if not processes:
        return [NO_PROCESS]
    same = [cell(process.id) for process in processes if process.version == version]
    lines = [f"Taken by {len(same)} of {len(processes)} processes{': ' if same else '.'}{', '.join(same[:MOST_SHOWN])}"]
    others = [process for process in processes if process.version != version]
    return lines + [
        f"Not taken by {cell(process.id)}, which has {cell(process.named, 200)}. It changes nothing: give it the same"
        " file and send it SIGHUP."
        for process in others[:MOST_SHOWN]
    ]
