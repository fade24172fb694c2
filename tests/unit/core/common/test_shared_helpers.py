"""What several parts of the product do alike: texts within JSON, lists with commas, tasks that end with a block."""

import anyio
import pytest

from vpsops.core.common.json_types import map_texts
from vpsops.core.common.supervision import block_tasks
from vpsops.core.common.text import comma_separated, whole_number


def test_every_text_within_json_is_changed() -> None:
    """Names only where that is asked for; numbers and the shape stay; what is deeper than the bound is empty."""
    document = {"a": ["b", 1, {"c": None, "d": "e"}]}
    assert map_texts(document, str.upper) == {"A": ["B", 1, {"C": None, "D": "E"}]}
    assert map_texts(document, str.upper, keys=False) == {"a": ["B", 1, {"c": None, "d": "E"}]}
    assert map_texts(document, str.upper, depth=2) == {"A": ["B", 1, {}]}


def test_a_list_with_commas_has_no_empty_words() -> None:
    """Spaces around a word do not count."""
    assert comma_separated(" a, b,, c ,") == ["a", "b", "c"]
    assert comma_separated(" ") == []


@pytest.mark.parametrize(
    ("text", "number"),
    [("0", 0), ("007", 7), ("65535", 65535), ("65536", None), ("9" * 5_000, None), ("0" * 5_000 + "7", 7)]
    + [(text, None) for text in ("", "-1", "+1", "1.0", "²", "٣", " 7", "1_0")],
)
def test_a_whole_number_has_digits_alone_and_its_bounds(text: str, number: int | None) -> None:
    """Python itself raises for 5,000 digits, and takes signs, spaces and the digits of other scripts."""
    assert whole_number(text, 0, 65535) == number


async def test_tasks_end_with_their_block() -> None:
    """Also where it fails, and its error comes out as itself."""
    ended = anyio.Event()

    async def run() -> None:
        try:
            await anyio.sleep_forever()
        finally:
            ended.set()

    async def fail() -> None:
        async with block_tasks() as group:
            group.start_soon(run)
            await anyio.lowlevel.checkpoint()
            raise KeyError("of the block")

    with pytest.raises(KeyError, match="of the block"):
        await fail()
    assert ended.is_set()
