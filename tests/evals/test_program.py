"""Any program can play the scenarios: a line of JSON in and out for each turn."""

import sys
from pathlib import Path

import pytest

from tests.evals.runner import FLEET, play_all
from tests.evals.scenarios import SCENARIOS
from tests.harness.patience import PATIENCE_SECONDS
from tests.harness.virtual_time import VirtualClock
from vpsops.playground.agents.program import running_program
from vpsops.playground.wayscloud.serve import running_simulator

pytestmark = [pytest.mark.slow, pytest.mark.real_time]
PROGRAM = """
import json, sys
for line in sys.stdin:
    asked = json.loads(line)
    if not asked["turns"]:
        assert "vps_get" in [tool["name"] for tool in asked["tools"]], asked["tools"]
        answer = {"tool": "vps_get", "arguments": {"server": "web01"}}
    else:
        answer = {"final": asked["turns"][0]["text"]}
    print(json.dumps(answer), flush=True)
"""


async def test_any_program_can_play(tmp_path: Path) -> None:
    """A line of JSON in and out for each turn is all it takes."""
    path = tmp_path / "agent.py"
    path.write_text(PROGRAM, encoding="utf-8")
    async with running_simulator(FLEET, clock=VirtualClock()) as fleet:
        (scenario,) = (each for each in SCENARIOS if each.name == "address of a server")
        (report,) = await play_all(
            (scenario,),
            lambda _: running_program([sys.executable, str(path)], PATIENCE_SECONDS, sys.stderr.write),
            fleet,
        )
    assert (report.complaints, report.turns) == ((), 1)
