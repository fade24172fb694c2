"""Plays the operator scenarios with an agent and grades it; ends with 1 where a scenario does not pass."""

import argparse
import json
import logging
import sys
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import anyio
import structlog

from tests.evals.model import Model, Program, Scripted
from tests.evals.play import FLEET, Report, play_all
from tests.evals.scenario import Scenario, hurried
from tests.evals.scenarios import SCENARIOS
from tests.harness.virtual_time import VirtualClock
from vpsops.playground.wayscloud.serve import running_simulator

ACT_SECONDS = 120.0


def main() -> int:
    """Play, tell, keep."""
    chosen = _arguments()
    logging.disable(logging.CRITICAL)
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    wanted = [one for one in SCENARIOS if chosen.only in one.name or chosen.only == one.kind]
    if chosen.model == "careless":
        wanted = [hurried(one) for one in wanted]
    reports = anyio.run(_play, wanted, chosen)
    tell(reports)
    chosen.out.parent.mkdir(parents=True, exist_ok=True)
    chosen.out.write_text(json.dumps(written(reports, chosen.model), indent=1, ensure_ascii=False) + "\n")
    return 0 if reports and all(one.passed for one in reports) else 1


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
    def model_of(scenario: Scenario) -> Model:
        if chosen.model in {"careful", "careless"}:
            return Scripted(scenario.good if chosen.model == "careful" else scenario.careless)
        return Program(chosen.model, chosen.seconds)

    async with running_simulator(FLEET, clock=VirtualClock()) as provider:
        return await play_all(scenarios, model_of, provider)


def tell(reports: Sequence[Report]) -> None:
    """Print the table, what is wrong, and how many passed of each kind."""
    width = max((len(one.scenario.name) for one in reports), default=0)
    for one in reports:
        word = "pass" if one.passed else "FAIL"
        name = one.scenario.name.ljust(width)
        sys.stdout.write(f"{word}  {name}  {one.turns:2} calls  {one.seconds:5.2f} s  {one.scenario.kind}\n")
        for complaint in one.complaints:
            sys.stdout.write(f"      {complaint}\n")
    totals = Counter(one.scenario.kind for one in reports)
    passed = Counter(one.scenario.kind for one in reports if one.passed)
    kinds = ", ".join(f"{kind} {passed[kind]}/{total}" for kind, total in totals.items())
    sys.stdout.write(f"{passed.total()} of {totals.total()} passed: {kinds}\n")


def written(reports: Sequence[Report], model: str) -> dict[str, Any]:
    """Return the results as they are kept."""
    return {
        "model": model,
        "passed": sum(one.passed for one in reports),
        "total": len(reports),
        "scenarios": [
            {
                "name": one.scenario.name,
                "kind": one.scenario.kind,
                "passed": one.passed,
                "complaints": list(one.complaints),
                "calls": one.turns,
                "seconds": round(one.seconds, 2),
                "final": one.final,
            }
            for one in reports
        ],
    }


if __name__ == "__main__":
    sys.exit(main())
