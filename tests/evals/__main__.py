"""Plays the operator scenarios with an agent and grades it; ends with 1 where a scenario does not pass."""

import argparse
import json
import logging
import sys
from collections import Counter
from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager, nullcontext
from pathlib import Path
from typing import Any

import anyio
import structlog

from tests.evals.runner import FLEET, Report, play_all
from tests.evals.scenario import Scenario, hurried
from tests.evals.scenarios import SCENARIOS
from tests.harness.virtual_time import VirtualClock
from vpsops.playground.agents.model import Model, Scripted
from vpsops.playground.agents.program import program_words, running_program
from vpsops.playground.wayscloud.serve import running_simulator

ACT_SECONDS = 120.0


def main() -> int:
    """Play the scenarios, print and store the results."""
    chosen = _arguments()
    logging.disable(logging.CRITICAL)
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    scenarios = [scenario for scenario in SCENARIOS if chosen.only in scenario.name or chosen.only == scenario.kind]
    if chosen.model == "careless":
        scenarios = [hurried(item) for item in scenarios]
    reports = anyio.run(_play, scenarios, chosen)
    print_results(reports)
    chosen.out.parent.mkdir(parents=True, exist_ok=True)
    chosen.out.write_text(json.dumps(written(reports, chosen.model), indent=1, ensure_ascii=False) + "\n")
    return 0 if reports and all(report.has_passed for report in reports) else 1


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.evals", description=__doc__)
    parser.add_argument(
        "--model",
        default="careful",
        metavar="COMMAND",
        help="a program that plays: a line of JSON in and out for each turn (docs/evals.md);"
        " or careful, careless: the scripts that come with each scenario",
    )
    parser.add_argument("--only", default="", metavar="WORDS", help="scenarios with these words in their name")
    parser.add_argument("--seconds", type=float, default=ACT_SECONDS, help="how long a program may think about a turn")
    parser.add_argument("--out", type=Path, default=Path("build/evals.json"), help="where the results are kept")
    return parser.parse_args()


async def _play(scenarios: Sequence[Scenario], chosen: argparse.Namespace) -> list[Report]:
    def model_of(scenario: Scenario) -> AbstractAsyncContextManager[Model]:
        if chosen.model in {"careful", "careless"}:
            return nullcontext(Scripted(scenario.good if chosen.model == "careful" else scenario.careless))
        return running_program(program_words(chosen.model), chosen.seconds, sys.stderr.write)

    async with running_simulator(FLEET, clock=VirtualClock()) as provider:
        return await play_all(scenarios, model_of, provider)


def print_results(reports: Sequence[Report]) -> None:
    """Print the table, what is wrong, and how many passed of each kind."""
    width = max((len(report.scenario.name) for report in reports), default=0)
    for item in reports:
        word = "pass" if item.has_passed else "FAIL"
        name = item.scenario.name.ljust(width)
        sys.stdout.write(f"{word}  {name}  {item.turns:2} calls  {item.seconds:5.2f} s  {item.scenario.kind}\n")
        for complaint in item.complaints:
            sys.stdout.write(f"      {complaint}\n")
    totals = Counter(report.scenario.kind for report in reports)
    passed = Counter(report.scenario.kind for report in reports if report.has_passed)
    kinds = ", ".join(f"{kind} {passed[kind]}/{total}" for kind, total in totals.items())
    sys.stdout.write(f"{passed.total()} of {totals.total()} passed: {kinds}\n")


def written(reports: Sequence[Report], model: str) -> dict[str, Any]:
    """Return the results as they are kept."""
    return {
        "model": model,
        "passed": sum(report.has_passed for report in reports),
        "total": len(reports),
        "scenarios": [
            {
                "name": report.scenario.name,
                "kind": report.scenario.kind,
                "passed": report.has_passed,
                "complaints": list(report.complaints),
                "calls": report.turns,
                "seconds": round(report.seconds, 2),
                "final": report.final,
            }
            for report in reports
        ],
    }


if __name__ == "__main__":
    sys.exit(main())
