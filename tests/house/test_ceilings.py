"""No count is above its ceiling, and no ceiling is far above its count."""

import pytest

from tests.house.counts import CEILINGS, SLACK, ceilings, counts
from tests.house.figures import MARK, PAGE, table
from tests.house.tree import read_tree
from tests.house.words import WORDS, occurrences, rate

KNOWN = ceilings()
ALL = [*read_tree().code, *read_tree().tests]
PARTS = ("core", "bot", "mcp_server", "playground", "vpsops", "tests")


@pytest.mark.parametrize("part", PARTS)
@pytest.mark.parametrize("name", WORDS)
def test_each_part_of_the_tree_has_reached_the_aims(part: str, name: str) -> None:
    """Not only on average: the words of the private dialect are rare in each folder."""
    modules = [module for module in ALL if module.path.parts[0] == part]
    places = list(occurrences(WORDS[name], modules))
    assert modules
    assert rate(len(places), modules) <= WORDS[name].aim, "\n".join(places)


@pytest.mark.parametrize(("section", "name"), sorted(KNOWN), ids=lambda word: str(word).replace(" ", "_"))
def test_a_count_is_not_above_its_ceiling(section: str, name: str) -> None:
    """New code follows the style page: CONTRIBUTING.md#style."""
    count = counts()[section, name]
    assert count.value <= KNOWN[section, name], f"ceiling {KNOWN[section, name]:g}, but {count.text}"


@pytest.mark.parametrize(("section", "name"), sorted(KNOWN), ids=lambda word: str(word).replace(" ", "_"))
def test_a_ceiling_comes_down_with_its_count(section: str, name: str) -> None:
    """What was put right stays right."""
    count, ceiling = counts()[section, name], KNOWN[section, name]
    fits = count.ceiling >= SLACK * ceiling
    assert fits, f"{name} ({section}) is {count.value:g}: run `python -m tests.house`, which lowers {ceiling:g}"


def test_everything_that_is_counted_has_a_ceiling() -> None:
    """And nothing else has."""
    assert counts().keys() == KNOWN.keys(), CEILINGS


def test_the_page_has_the_figures() -> None:
    """docs/architecture.md shows the ceilings of today."""
    assert PAGE.read_text("utf-8").endswith(f"{MARK}\n{table()}"), "run `python -m tests.house`"
