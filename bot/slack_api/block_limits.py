"""Checks outgoing messages and views against Slack's limits, with a plain layout as the fallback.

The SDK's models miss several limits (long fields, repeated ids, wide tables, the number of blocks in a
message, blocks on the wrong surface). Source of the figures: the Block Kit reference and the method pages.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final, Literal

from vpsops.bot.blocks.elements import MAX_FALLBACK, Block, Post, plain, section
from vpsops.core.common.text import bound

Surface = Literal["message", "modal", "home"]

MAX_BLOCKS: Final[Mapping[Surface, int]] = {"message": 50, "modal": 100, "home": 100}
MAX_TEXT: Final = 4000
"""Characters. `chat.update` refuses more; `chat.postMessage` accepts ten times as much."""
MAX_ID: Final = 255
MAX_POSTED_TEXT: Final = 39_000
"""Characters of a message that is never edited."""
MAX_TABLE: Final = (100, 20, 10_000)
MAX_DATA_TABLE: Final = (201, 20, 20_000)
SURFACES: Final[Mapping[str, frozenset[str]]] = {
    "input": frozenset({"modal", "home"}),
    "table": frozenset({"message", "home"}),
    "data_table": frozenset({"message", "home"}),
    "header": frozenset({"message", "modal", "home"}),
}


@dataclass(frozen=True, slots=True)
class LimitViolation:
    """An exceeded limit: its location and description."""

    where: str
    what: str


def fit_post(post: Post, longest: int = MAX_TEXT) -> Post:
    """Return the message unchanged if it is within all limits, else its text and controls in a plain layout."""
    text = bound(post.text, longest) or "-"
    if not list(limit_violations(post.blocks, "message")):
        return Post(post.blocks, text)
    return Post(_plain_layout(text, post.blocks), text)


def fit_view(view: Block) -> Block:
    """Return the view unchanged if it is within all limits, else a view that explains that it cannot be displayed."""
    if not list(view_limit_violations(view)):
        return view
    title = plain("vpsops", 24)
    words = section(plain("This does not fit into what Slack can show. Nothing was changed."))
    if view.get("type") == "home":
        return {"type": "home", "blocks": [words]}
    return {"type": "modal", "title": title, "close": plain("Close", 24), "blocks": [words]}


def view_limit_violations(view: Block) -> Iterator[LimitViolation]:
    """Yield every limit that a view exceeds."""
    surface: Surface = "home" if view.get("type") == "home" else "modal"
    blocks = view.get("blocks", [])
    yield from limit_violations(tuple(blocks), surface)
    yield from _check_lengths(view, {"callback_id": MAX_ID, "private_metadata": 3000, "external_id": MAX_ID}, "view")
    for name in ("title", "submit", "close"):
        if len(_text_of(view.get(name))) > 24:  # noqa: PLR2004 - Slack's
            yield LimitViolation(f"view.{name}", "over 24 characters")
    if surface == "modal" and not view.get("title"):
        yield LimitViolation("view.title", "missing")
    if surface == "modal" and any(block.get("type") == "input" for block in blocks) and not view.get("submit"):
        yield LimitViolation("view.submit", "missing, with inputs")


def limit_violations(blocks: tuple[Block, ...], surface: Surface) -> Iterator[LimitViolation]:
    """Yield every limit that the blocks of a message or view exceed."""
    if len(blocks) > MAX_BLOCKS[surface]:
        yield LimitViolation("blocks", f"more than {MAX_BLOCKS[surface]}")
    named = [str(block["block_id"]) for block in blocks if block.get("block_id")]
    if len(named) != len(set(named)):
        yield LimitViolation("blocks", "the same block_id twice")
    if sum(block.get("type") == "table" for block in blocks) > 1:
        yield LimitViolation("blocks", "more than one table")
    for at, block in enumerate(blocks):
        yield from _check_block(block, surface, f"blocks/{at}")


def _check_block(block: Block, surface: Surface, at: str) -> Iterator[LimitViolation]:
    kind = str(block.get("type", ""))
    if kind not in BLOCK_CHECKS:
        yield LimitViolation(at, f"a kind of block we do not send: {kind}")
        return
    if surface not in SURFACES.get(kind, frozenset(MAX_BLOCKS)):
        yield LimitViolation(at, f"{kind} is not for a {surface}")
    yield from _check_lengths(block, {"block_id": MAX_ID}, at)
    yield from BLOCK_CHECKS[kind](block, at)


def _check_section(block: Block, at: str) -> Iterator[LimitViolation]:
    fields = block.get("fields", [])
    if not fields and not block.get("text"):
        yield LimitViolation(at, "neither text nor fields")
    if block.get("text"):
        yield from _check_text(block["text"], 3000, f"{at}/text")
    yield from _check_count(fields, 10, f"{at}/fields")
    for number, element in enumerate(fields):
        yield from _check_text(element, 2000, f"{at}/fields/{number}")
    if block.get("accessory"):
        yield from _check_element(block["accessory"], f"{at}/accessory")


def _check_header(block: Block, at: str) -> Iterator[LimitViolation]:
    yield from _check_text(block.get("text"), 150, f"{at}/text")


def _check_context(block: Block, at: str) -> Iterator[LimitViolation]:
    elements = block.get("elements", [])
    yield from _check_count(elements, 10, at, least=1)
    for number, element in enumerate(elements):
        yield from _check_text(element, 3000, f"{at}/elements/{number}")


def _check_actions(block: Block, at: str) -> Iterator[LimitViolation]:
    elements = block.get("elements", [])
    yield from _check_count(elements, 25, at, least=1)
    names = [element.get("action_id") for element in elements]
    if len(names) != len(set(names)):
        yield LimitViolation(at, "the same action_id twice")
    for number, element in enumerate(elements):
        yield from _check_element(element, f"{at}/elements/{number}")


def _check_input(block: Block, at: str) -> Iterator[LimitViolation]:
    yield from _check_text(block.get("label"), 2000, f"{at}/label")
    if block.get("hint"):
        yield from _check_text(block["hint"], 2000, f"{at}/hint")
    yield from _check_element(block.get("element", {}), f"{at}/element")


def _check_data_table(block: Block, at: str) -> Iterator[LimitViolation]:
    if not block.get("caption"):
        yield LimitViolation(at, "no caption")
    yield from _check_count(block.get("rows", []), MAX_DATA_TABLE[0], at, least=2)
    yield from _check_table(block, at, MAX_DATA_TABLE)


def _check_table(block: Block, at: str, limits: tuple[int, int, int] = MAX_TABLE) -> Iterator[LimitViolation]:
    rows = block.get("rows", [])
    most, wide, characters = limits
    yield from _check_count(rows, most, at, least=1)
    if any(len(row) > wide for row in rows):
        yield LimitViolation(at, f"a row of more than {wide} cells")
    if sum(len(str(cell.get("text", ""))) for row in rows for cell in row) > characters:
        yield LimitViolation(at, f"more than {characters} characters")


def _check_nothing(_block: Block, _at: str) -> Iterator[LimitViolation]:
    yield from ()


BlockCheck = Callable[[Block, str], Iterator[LimitViolation]]
BLOCK_CHECKS: Final[Mapping[str, BlockCheck]] = {
    "section": _check_section,
    "header": _check_header,
    "context": _check_context,
    "actions": _check_actions,
    "input": _check_input,
    "table": _check_table,
    "data_table": _check_data_table,
    "divider": _check_nothing,
}


def _check_element(element: Block, at: str) -> Iterator[LimitViolation]:
    kind = str(element.get("type", ""))
    yield from _check_lengths(element, {"action_id": MAX_ID, "url": 3000}, at)
    if kind == "button":
        yield from _check_text(element.get("text"), 75, f"{at}/text")
        yield from _check_lengths(element, {"value": 2000, "accessibility_label": 75}, at)
    elif kind in {"static_select", "external_select", "overflow"}:
        yield from _check_menu(element, at, most=5 if kind == "overflow" else 100)
    elif kind != "plain_text_input":
        yield LimitViolation(at, f"a kind of control we do not send: {kind}")
    if element.get("placeholder"):
        yield from _check_text(element["placeholder"], 150, f"{at}/placeholder")
    if element.get("confirm"):
        yield from _check_confirm(element["confirm"], f"{at}/confirm")


def _check_menu(element: Block, at: str, most: int) -> Iterator[LimitViolation]:
    groups = element.get("option_groups", [])
    yield from _check_count(groups, 100, f"{at}/option_groups")
    for group in groups:
        yield from _check_text(group.get("label"), 75, f"{at}/label")
        yield from _check_options(group.get("options", []), at, most)
    if not groups and element["type"] != "external_select":
        yield from _check_options(element.get("options", []), at, most)


def _check_options(options: list[Block], at: str, most: int) -> Iterator[LimitViolation]:
    yield from _check_count(options, most, f"{at}/options", least=1)
    for number, element in enumerate(options):
        yield from _check_text(element.get("text"), 75, f"{at}/options/{number}")
        yield from _check_lengths(element, {"value": 150}, f"{at}/options/{number}")
        if element.get("description"):
            yield from _check_text(element["description"], 75, f"{at}/options/{number}/description")


def _check_confirm(confirm: Block, at: str) -> Iterator[LimitViolation]:
    for name, most in (("title", 100), ("text", 300), ("confirm", 30), ("deny", 30)):
        yield from _check_text(confirm.get(name), most, f"{at}/{name}")


def _check_text(text: Block | None, most: int, at: str) -> Iterator[LimitViolation]:
    words = _text_of(text)
    if not words:
        yield LimitViolation(at, "empty")
    if len(words) > most:
        yield LimitViolation(at, f"over {most} characters")


def _check_count(items: list[Block], most: int, at: str, least: int = 0) -> Iterator[LimitViolation]:
    if not least <= len(items) <= most:
        yield LimitViolation(at, f"{len(items)}, where {least} to {most} are allowed")


def _check_lengths(value: Block, names: Mapping[str, int], at: str) -> Iterator[LimitViolation]:
    for name, most in names.items():
        if len(str(value.get(name, ""))) > most:
            yield LimitViolation(f"{at}/{name}", f"over {most} characters")


def _text_of(value: Block | None) -> str:
    return str(value.get("text", "")) if value else ""


def _plain_layout(text: str, blocks: tuple[Block, ...]) -> tuple[Block, ...]:
    words: Block = {"type": "section", "text": {"type": "mrkdwn", "text": bound(text, MAX_FALLBACK), "verbatim": True}}
    controls = [
        block for block in blocks if block.get("type") == "actions" and not list(_check_block(block, "message", ""))
    ]
    return (words, *_unique_blocks(controls)[: MAX_BLOCKS["message"] - 1])


def _unique_blocks(blocks: list[Block]) -> list[Block]:
    unique: dict[str, Block] = {
        str(element.get("block_id") or number): element for number, element in enumerate(blocks)
    }
    return list(unique.values())
