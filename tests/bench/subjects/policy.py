"""How long a decision takes among two hundred rules."""

import importlib

from anyio import to_thread

from tests.bench.plan import BenchPlan, Section, Table


async def measure(_plan: BenchPlan) -> Section:
    """Let the measurement beside this one run."""
    counts: dict[str, float] = await to_thread.run_sync(importlib.import_module("tests.bench.policy").run)
    rows = [[name.replace("_", " "), f"{value:,.4g}"] for name, value in counts.items()]
    return Section(
        "Policy",
        "One process, 200 rules of all kinds, requests of several actors, operations and servers. Target: well under a"
        " millisecond for a decision.",
        [Table(["figure", "value"], rows)],
    )
