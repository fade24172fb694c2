"""Runs the public conformance suite against our server; ends with 1 on any failed check or missing scenario."""

import argparse
import logging
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

import anyio
import structlog

from tests.conformance.install import MissingToolError, installed, node_of
from tests.conformance.servers import as_it_is, core_in, provider, with_fixtures
from tests.conformance.suites import WITH_FIXTURES, Suite, SuiteOutcome, alone, run
from vpsops.core.app import Core

AT_ONCE = 3


def main() -> int:
    """Install the suites, serve, run them, print the results."""
    parser = argparse.ArgumentParser(prog="python -m tests.conformance", description=__doc__)
    parser.add_argument("--verbose", action="store_true", help="show what the suites print")
    chosen = parser.parse_args()
    logging.disable(logging.CRITICAL)  # the suites provoke every error there is
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    try:
        place = installed()
        node = node_of(place)
    except MissingToolError as missing:
        sys.stderr.write(f"{missing}\n")
        return 2
    outcomes = anyio.run(run_all, place, node)
    print_results(outcomes, verbose=chosen.verbose)
    return 0 if all(outcome.is_good for outcome in outcomes) else 1


async def run_all(place: Path, node: str) -> list[SuiteOutcome]:
    """Run every suite, a few at a time, each set of fixtures on a server of its own."""
    outcomes: dict[Suite, SuiteOutcome] = {}
    few = anyio.CapacityLimiter(AT_ONCE)
    with tempfile.TemporaryDirectory() as base:

        async def one(suite: Suite, url: str) -> None:
            async with few:
                out = Path(tempfile.mkdtemp(dir=base))
                outcomes[suite] = await run(suite, node, place, url, out)

        async def own(suite: Suite, core: Core) -> None:
            async with with_fixtures(core) as url:
                await one(suite, url)

        async def unmodified(settings: dict[str, str]) -> None:
            async with as_it_is(Path(tempfile.mkdtemp(dir=base)), settings) as url, anyio.create_task_group() as inner:
                for suite in alone():
                    inner.start_soon(one, suite, url)

        async with provider() as settings, core_in(Path(base), settings) as core, anyio.create_task_group() as group:
            for suite in WITH_FIXTURES:
                group.start_soon(own, suite, core)
            group.start_soon(unmodified, settings)
    return [outcomes[suite] for suite in (*WITH_FIXTURES, *alone())]


def print_results(outcomes: Sequence[SuiteOutcome], *, verbose: bool) -> None:
    """Print the table, then whatever did not pass."""
    rows = [("suite", "scenarios", "checks", "warnings")]
    rows += [
        (item.suite.title, f"{item.passed}/{item.suite.expected}", str(item.checks), str(len(item.warnings)))
        for item in outcomes
    ]
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    for row in rows:
        sys.stdout.write("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() + "\n")
    for outcome in outcomes:
        lines = [f"FAILED   {line}" for line in outcome.failures] + [f"warning  {line}" for line in outcome.warnings]
        for line in lines:
            sys.stdout.write(f"{outcome.suite.title}: {line}\n")
        if verbose or (not outcome.is_good and not outcome.failures):
            sys.stdout.write(f"{outcome.suite.title}: ended with {outcome.exit_code}\n{outcome.output[-3000:]}\n")


if __name__ == "__main__":
    sys.exit(main())
