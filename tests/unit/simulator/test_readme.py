"""The simulator's own page tells what there is."""

from importlib.resources import files
from typing import get_args

import pytest

from playground.wayscloud import faults
from playground.wayscloud.dialects import DIALECTS
from playground.wayscloud.faults import Fault, Match
from tests.unit.simulator.bench import bench

PAGE = files("playground.wayscloud").joinpath("README.md").read_text(encoding="utf-8")
WORDS = [
    *get_args(faults.Kind),
    *Match.model_fields,
    *(name for name in Fault.model_fields if name not in ("kind", "status", "retry_after_date")),
    *DIALECTS,
]


@pytest.mark.parametrize("word", WORDS)
def test_the_page_names_every_kind_field_and_dialect(word: str) -> None:
    """A rule's field that is not explained does not exist for its reader."""
    assert f"`{word}`" in PAGE


async def test_the_page_names_every_lever() -> None:
    """Each control endpoint is in the table, and each in the table is served."""
    async with bench() as sim:
        for path in ("requests", "effects", "faults", "time", "servers/web01.example.com"):
            assert f"/_sim/{path.split('/')[0]}" in PAGE
            assert (await sim.api.get(f"/_sim/{path}")).status_code == 200
        assert "POST /_sim/reset" in PAGE
        assert (await sim.api.post("/_sim/reset")).status_code == 200
