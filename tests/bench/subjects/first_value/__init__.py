"""How long it takes from a clone to a rebooted simulated server, by the README's first step."""

import os
from pathlib import Path
from typing import Final

import anyio
import anyio.to_thread

from tests.bench.children import ROOT, running
from tests.bench.plan import BenchPlan, Section, Table
from tests.fakes.screen import Screen
from vpsops.core.common.clock import SystemClock

TARGET_SECONDS: Final = 120.0
KEY: Final = "wayscloud_vps_try"


async def measure(plan: BenchPlan) -> Section:
    """Take each step once, as it is pasted; a person's reading and typing is not in it."""
    clock, folder = SystemClock(), plan.folder / "clone"
    taken: dict[str, float] = {}
    begun = clock.monotonic()

    async def step(name: str, *command: str, **env: str) -> None:
        start = clock.monotonic()
        await anyio.run_process(command, env={**_environment(plan.folder), **env}, cwd=plan.folder)
        taken[name] = clock.monotonic() - start

    await step("`git clone`", "git", "clone", "--quiet", str(ROOT), str(folder))
    await step("the environment of `make demo`", "make", "-C", str(folder), ".venv-run/.ready")
    vpsops = str(folder / ".venv-run" / "bin" / "vpsops")
    async with running([vpsops, "simulator", "--port", "0"], _environment(plan.folder)) as simulator:
        url = await simulator.line("simulator: ")
        mine = {"WAYSCLOUD_API_URL": url, "WAYSCLOUD_API_KEY": KEY}
        init = ("init", "--folder", "mine", "--non-interactive", "--actor", "you@example.com")
        await step("`vpsops init`", vpsops, *init, **mine)
        mine |= {"VPSOPS_CONFIG": str(plan.folder / "mine" / "vpsops.toml")}
        await step("`vpsops list`", vpsops, "list", **mine)
        start = clock.monotonic()
        await anyio.to_thread.run_sync(_reboot, vpsops, {**_environment(plan.folder), **mine})
        taken["`vpsops reboot web01`, confirmed"] = clock.monotonic() - start
    total = clock.monotonic() - begun
    rows = [[name, f"{seconds:.0f}"] for name, seconds in taken.items()]
    return Section(
        "From a clone to a reboot",
        "The README's first step on a fresh clone, each command once and as it is pasted, with the simulator in place"
        " of the provider and packages from this machine's index, all by their hashes.",
        [Table(["step", "s"], [*rows, ["all of it", f"{total:.0f}"]])],
        [
            f"Target: at most {TARGET_SECONDS:.0f} s on two cores.",
            f"Other work shared the cores: the load average was {os.getloadavg()[0]:.0f}.",
        ],
    )


def _environment(home: Path) -> dict[str, str]:
    """Return the caller's environment without settings of ours, and a home of its own for state."""
    kept = {
        name: value for name, value in os.environ.items() if not name.startswith(("VPSOPS_", "WAYSCLOUD_", "SLACK_"))
    }
    return {**kept, "XDG_STATE_HOME": str(home / "state"), "TERM": "xterm"}


def _reboot(vpsops: str, env: dict[str, str]) -> None:
    screen = Screen(env, "reboot", "web01", "--because", "first try", program=(vpsops,))
    screen.wait_for_next("[y/N]")
    screen.type("y\n")
    screen.wait_for_next("Reboot web01.example.com: done.")
    screen.end()
