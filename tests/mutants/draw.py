"""Which mutants a run tries: by a seed, from each area as many, and the same ones while their lines stay."""

import hashlib
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from tests.docs.generate import ROOT
from tests.mutants.areas import AREAS, Area
from tests.mutants.operators import Mutant, mutants_of

SURVIVORS: Final = Path(__file__).parent / "survivors.toml"


@dataclass(frozen=True, slots=True)
class Survivor:
    """A mutant that no test can notice, and why that is no matter."""

    ident: str
    path: str
    why: str


def all_mutants(areas: Mapping[str, Area] = AREAS) -> dict[str, list[Mutant]]:
    """Return every mutant there is, by area."""
    return {
        name: [mutant for module in area.modules for mutant in mutants_of(module, (ROOT / module).read_bytes())]
        for name, area in areas.items()
    }


def drawn(mutants: Mapping[str, Sequence[Mutant]], seed: int, number: int) -> list[tuple[str, Mutant]]:
    """Draw mutants, as many from each area; what is drawn of a line does not depend on the other lines."""
    ranked = {name: sorted(value, key=lambda mutant: _rank(seed, mutant)) for name, value in mutants.items()}
    taken: list[tuple[str, Mutant]] = []
    for turn in range(max(map(len, ranked.values()), default=0)):
        taken += [(name, value[turn]) for name, value in ranked.items() if turn < len(value)]
    return taken[:number]


def _rank(seed: int, mutant: Mutant) -> bytes:
    return hashlib.sha256(f"{seed}:{mutant.ident}".encode()).digest()


def survivors(path: Path = SURVIVORS) -> dict[str, Survivor]:
    """Return the named survivors by their ident."""
    rows = tomllib.loads(path.read_text(encoding="utf-8")).get("survivor", [])
    return {row["ident"]: Survivor(row["ident"], row["path"], row["why"]) for row in rows}
