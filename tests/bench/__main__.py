"""`python -m tests.bench`: measure, and write docs/benchmarks.md."""

import argparse
import importlib
import re
import signal
import sys
import tempfile
import traceback
from pathlib import Path
from typing import Final

import anyio

from tests.bench import machine
from tests.bench.children import ROOT
from tests.bench.plan import BenchPlan, Section
from vpsops.core.common.clock import SystemClock
from vpsops.core.server.event_loop import fast

SUBJECTS: Final = (
    "gate",
    "idle",
    "takeover",
    "replicas",
    "lookups",
    "poller",
    "policy",
    "plans",
    "mcp",
    "cold",
    "front",
    "first_value",
    "slack",
    "socket_mode",
)
LIMIT_SECONDS: Final = 1800.0
PAGE: Final = ROOT / "docs" / "benchmarks.md"
INTRODUCTION: Final = """# Benchmarks

Written by `make bench`; not edited by hand. Everything runs on one machine, over 127.0.0.1, against the simulated
provider and the simulated workspace of this repository: the figures say what vpsops itself costs, not what a network
does. What is compared is measured in turns in one run. Where a figure has runs, it is their median.
"""


def main() -> int:
    """Measure what is asked for; return 1 when a subject could not be measured."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description=__doc__)
    parser.add_argument("--only", nargs="+", choices=SUBJECTS, default=SUBJECTS, help="measure these, keep the others")
    parser.add_argument("--quick", action="store_true", help="try everything in small; prints, and writes no page")
    args = parser.parse_args()
    # Both signals unwind, so that what was started is ended; a shell's background leaves SIGINT ignored.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGTERM, lambda *_: signal.raise_signal(signal.SIGINT))
    sections = {name: measured(name, args.quick) for name in args.only}
    if args.quick:
        sys.stdout.write("\n" + "\n".join(section.markdown("now") for section in sections.values() if section))
    else:
        write({name: section for name, section in sections.items() if section})
    return 0 if all(sections.values()) else 1


def measured(name: str, quick: bool) -> Section | None:
    """Measure one subject within its limit, or say on standard error why it cannot be."""
    clock = SystemClock()
    begun = clock.monotonic()
    sys.stderr.write(f"{name}: measuring\n")
    with tempfile.TemporaryDirectory(prefix="vpsops-bench-") as folder:
        try:
            result = anyio.run(_bounded, name, BenchPlan(quick, Path(folder)), backend_options={"use_uvloop": fast()})
        except Exception:  # noqa: BLE001 - one subject must not take the others with it
            traceback.print_exc()
            sys.stderr.write(f"{name}: not measured\n")
            return None
    sys.stderr.write(f"{name}: {clock.monotonic() - begun:.0f} s\n")
    return result


async def _bounded(name: str, plan: BenchPlan) -> Section:
    with anyio.fail_after(LIMIT_SECONDS):
        section: Section = await importlib.import_module(f"tests.bench.subjects.{name}").measure(plan)
        return section


def write(sections: dict[str, Section]) -> None:
    """Write the page; a subject that was not measured keeps what the page had of it."""
    day = SystemClock().now().date().isoformat()
    kept = split(PAGE.read_text(encoding="utf-8")) if PAGE.exists() else {}
    kept |= {name: section.markdown(day) for name, section in sections.items()}
    parts = [INTRODUCTION, described(day), *(marked(name, kept[name]) for name in SUBJECTS if name in kept)]
    PAGE.write_text("\n".join(parts), encoding="utf-8")


def described(day: str) -> str:
    """Return the table of the machine."""
    rows = "\n".join(f"| {name} | {value} |" for name, value in {"last run": day, **machine.facts()}.items())
    return f"| machine | |\n| --- | --- |\n{rows}\n"


def marked(name: str, text: str) -> str:
    """Return a section behind its mark."""
    return f"<!-- {name} -->\n{text}"


def split(page: str) -> dict[str, str]:
    """Return the sections of a page by their marks."""
    parts = re.split(r"^<!-- (\w+) -->\n", page, flags=re.MULTILINE)
    return {name: text.rstrip() + "\n" for name, text in zip(parts[1::2], parts[2::2], strict=True)}


if __name__ == "__main__":
    sys.exit(main())
