"""What is run, how, and what came of it: a suite's own record of each check is read, not its summary."""

import json
import re
import subprocess
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import anyio

TIMED: Final = re.compile(r"-20\d\d-\d\d-\d\dT.*$")
FAILED: Final = "FAILURE"
WARNED: Final = "WARNING"
RUN_SECONDS: Final = 150.0
STABLE: Final = "conformance-stable"
NEXT: Final = "conformance-next"
OLD: Final = "2025-11-25"
NEW: Final = "2026-07-28"


@dataclass(frozen=True, slots=True)
class Suite:
    """One start of a suite: which package, which set of scenarios, and what it is called in the table."""

    package: str
    title: str
    chosen: tuple[str, ...]
    expected: int
    """So many scenarios are in the set; fewer results mean that something was not run."""


WITH_FIXTURES: Final = (
    Suite(STABLE, "0.1.16, all", ("--suite", "all"), 32),
    Suite(NEXT, f"0.2.0-alpha.12, required for {OLD}", ("--requirements", OLD), 33),
    Suite(NEXT, f"0.2.0-alpha.12, required for {NEW}, with tasks", ("--requirements", NEW), 50),
)
OLD_ALONE: Final = (
    "server-initialize",
    "ping",
    "tools-list",
    "resources-list",
    "prompts-list",
    "server-sse-multiple-streams",
    "server-session-lifecycle",
    "dns-rebinding-protection",
)
NEW_ALONE: Final = (
    "tools-list",
    "resources-list",
    "prompts-list",
    "caching",
    "sep-2164-resource-not-found",
    "http-header-validation",
    "input-required-result-unsupported-methods",
    "dns-rebinding-protection",
)
"""The scenarios that need no fixtures, for the server as it is started by its users."""


def alone() -> tuple[Suite, ...]:
    """Return the scenarios for a server without fixtures, one start each."""
    pairs = [(OLD, name) for name in OLD_ALONE] + [(NEW, name) for name in NEW_ALONE]
    return tuple(
        Suite(NEXT, f"{name}, {version}", ("--scenario", name, "--spec-version", version), 1) for version, name in pairs
    )


@dataclass(frozen=True, slots=True)
class SuiteOutcome:
    """What came of a suite: for each scenario how many checks ended how, and which failed."""

    suite: Suite
    scenarios: dict[str, Counter[str]]
    failures: tuple[str, ...]
    warnings: tuple[str, ...]
    exit_code: int
    output: str

    @property
    def passed(self) -> int:
        """How many scenarios have no failed check."""
        return sum(not checks[FAILED] for checks in self.scenarios.values())

    @property
    def checks(self) -> int:
        """How many checks passed."""
        return sum(checks["SUCCESS"] for checks in self.scenarios.values())

    @property
    def is_good(self) -> bool:
        """Say whether every scenario was run and none has a failed check."""
        return not self.exit_code and not self.failures and len(self.scenarios) == self.suite.expected


async def run(suite: Suite, node: str, place: Path, url: str, out: Path) -> SuiteOutcome:
    """Run a suite against an address; its records go to a directory of their own."""
    main = place / "node_modules" / suite.package / "dist" / "index.js"
    command = [node, str(main), "server", "--url", url, *suite.chosen, "-o", str(out)]
    with anyio.fail_after(RUN_SECONDS):
        ended = await anyio.run_process(command, check=False, stderr=subprocess.STDOUT)
    return read(suite, out, ended.returncode, ended.stdout.decode(errors="replace"))


def read(suite: Suite, out: Path, exit_code: int, output: str) -> SuiteOutcome:
    """Return the outcome in a run's records."""
    scenarios: dict[str, Counter[str]] = {}
    failures: list[str] = []
    warnings: list[str] = []
    for path in sorted(out.rglob("checks.json")):
        scenario = TIMED.sub("", path.parent.name.removeprefix("server-"))
        checks: Sequence[dict[str, str]] = json.loads(path.read_text(encoding="utf-8"))
        scenarios[scenario] = Counter(check["status"] for check in checks)
        failures += [_line(scenario, check) for check in checks if check["status"] == FAILED]
        warnings += [_line(scenario, check) for check in checks if check["status"] == WARNED]
    return SuiteOutcome(suite, scenarios, tuple(failures), tuple(warnings), exit_code, output)


def _line(scenario: str, check: dict[str, str]) -> str:
    return f"{scenario}: {check['id']}: {check.get('errorMessage', check.get('description', ''))}"
