"""The simulator's own page describes what exists."""

from importlib.resources import files
from typing import get_args

import pytest

from tests.unit.playground.wayscloud.harness import bench
from vpsops.playground.wayscloud import faults
from vpsops.playground.wayscloud.dialects import DIALECTS
from vpsops.playground.wayscloud.faults import KINDS, Fault
from vpsops.playground.wayscloud.faults.rules import WHEN

PAGE = files("vpsops.playground.wayscloud").joinpath("README.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("dialect", sorted(DIALECTS))
def test_the_page_names_every_dialect(dialect: str) -> None:
    assert f"`{dialect}`" in PAGE


def test_every_kind_has_a_row_and_every_option_a_kind_that_reads_it() -> None:
    """The generated page of faults is made from these rows."""
    assert set(KINDS) == set(get_args(faults.Kind))
    read = {option for row in KINDS.values() for option in row.options}
    assert read == set(Fault.model_fields) - {"kind", "match", *WHEN}


async def test_the_page_names_every_lever() -> None:
    """Each control endpoint is in the table, and each in the table is served."""
    async with bench() as sim:
        for path in ("requests", "effects", "faults", "presets", "time", "servers/web01.example.com"):
            assert f"/_sim/{path.split('/')[0]}" in PAGE
            assert (await sim.api.get(f"/_sim/{path}")).status_code == 200
        assert "POST /_sim/reset" in PAGE
        assert (await sim.api.post("/_sim/reset")).status_code == 200
