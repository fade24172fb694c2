"""Slack's limits, checked on everything that is about to be sent, with a plain layout to fall back on; pure.

The SDK's own models miss several of these (long fields, repeated ids, wide tables, the number of blocks in a
message, blocks on the wrong surface). Figures: the Block Kit reference and the pages of the methods.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final, Literal

from vpsops.bot.blocks.elements import FALLBACK, Block, Post, plain, section
from vpsops.core.common.text import bound

Surface = Literal["message", "modal", "home"]

BLOCKS: Final[Mapping[Surface, int]] = {"message": 50, "modal": 100, "home": 100}
TEXT: Final = 4000
"""`chat.update` refuses more, although `chat.postMessage` takes ten times as much."""
ID: Final = 255
TABLE: Final = (100, 20, 10_000)
ONLY: Final[Mapping[str, frozenset[str]]] = {
    "input": frozenset({"modal", "home"}),
    "table": frozenset({"message", "home"}),
    "header": frozenset({"message", "modal", "home"}),
}


@dataclass(frozen=True, slots=True)
class Excess:
    """One limit that does not hold: where, and what."""

    where: str
    what: str


def fit_post(post: Post) -> Post:
    """Return a message Slack takes: as it is, or its words and its controls in the plainest layout."""
    text = bound(post.text, TEXT) or "-"
    if not list(excesses(post.blocks, "message")):
        return Post(text, post.blocks)
    return Post(text, _plain_layout(text, post.blocks))


def fit_view(view: Block) -> Block:
    """Return a view Slack takes: as it is, or one without any control that says that it could not be shown."""
    if not list(view_excesses(view)):
        return view
    title = plain("vpsops", 24)
    words = section(plain("This does not fit into what Slack can show. Nothing was changed."))
    if view.get("type") == "home":
        return {"type": "home", "blocks": [words]}
    return {"type": "modal", "title": title, "close": plain("Close", 24), "blocks": [words]}


def view_excesses(view: Block) -> Iterator[Excess]:
    """Yield every limit a view is over."""
    surface: Surface = "home" if view.get("type") == "home" else "modal"
    blocks = view.get("blocks", [])
    yield from excesses(tuple(blocks), surface)
    yield from _long(view, {"callback_id": ID, "private_metadata": 3000, "external_id": ID}, "view")
    for name in ("title", "submit", "close"):
        if len(_text(view.get(name))) > 24:  # noqa: PLR2004 - Slack's
            yield Excess(f"view.{name}", "over 24 characters")
    if surface == "modal" and not view.get("title"):
        yield Excess("view.title", "missing")
    if surface == "modal" and any(one.get("type") == "input" for one in blocks) and not view.get("submit"):
        yield Excess("view.submit", "missing, with inputs")


def excesses(blocks: tuple[Block, ...], surface: Surface) -> Iterator[Excess]:
    """Yield every limit the blocks of a message or view are over."""
    if len(blocks) > BLOCKS[surface]:
        yield Excess("blocks", f"more than {BLOCKS[surface]}")
    named = [str(one["block_id"]) for one in blocks if one.get("block_id")]
    if len(named) != len(set(named)):
        yield Excess("blocks", "the same block_id twice")
    if sum(one.get("type") == "table" for one in blocks) > 1:
        yield Excess("blocks", "more than one table")
    for at, block in enumerate(blocks):
        yield from _block(block, surface, f"blocks/{at}")


def _block(block: Block, surface: Surface, at: str) -> Iterator[Excess]:
    kind = str(block.get("type", ""))
    if kind not in BLOCK_CHECKS:
        yield Excess(at, f"a kind of block we do not send: {kind}")
        return
    if surface not in ONLY.get(kind, frozenset(BLOCKS)):
        yield Excess(at, f"{kind} is not for a {surface}")
    yield from _long(block, {"block_id": ID}, at)
    yield from BLOCK_CHECKS[kind](block, at)


def _section(block: Block, at: str) -> Iterator[Excess]:
    fields = block.get("fields", [])
    if not fields and not block.get("text"):
        yield Excess(at, "neither text nor fields")
    if block.get("text"):
        yield from _words(block["text"], 3000, f"{at}/text")
    yield from _many(fields, 10, f"{at}/fields")
    for number, one in enumerate(fields):
        yield from _words(one, 2000, f"{at}/fields/{number}")
    if block.get("accessory"):
        yield from _element(block["accessory"], f"{at}/accessory")


def _header(block: Block, at: str) -> Iterator[Excess]:
    yield from _words(block.get("text"), 150, f"{at}/text")


def _context(block: Block, at: str) -> Iterator[Excess]:
    elements = block.get("elements", [])
    yield from _many(elements, 10, at, least=1)
    for number, one in enumerate(elements):
        yield from _words(one, 3000, f"{at}/elements/{number}")


def _actions(block: Block, at: str) -> Iterator[Excess]:
    elements = block.get("elements", [])
    yield from _many(elements, 25, at, least=1)
    names = [one.get("action_id") for one in elements]
    if len(names) != len(set(names)):
        yield Excess(at, "the same action_id twice")
    for number, one in enumerate(elements):
        yield from _element(one, f"{at}/elements/{number}")


def _input(block: Block, at: str) -> Iterator[Excess]:
    yield from _words(block.get("label"), 2000, f"{at}/label")
    if block.get("hint"):
        yield from _words(block["hint"], 2000, f"{at}/hint")
    yield from _element(block.get("element", {}), f"{at}/element")


def _table(block: Block, at: str) -> Iterator[Excess]:
    rows = block.get("rows", [])
    most, wide, characters = TABLE
    yield from _many(rows, most, at, least=1)
    if any(len(row) > wide for row in rows):
        yield Excess(at, f"a row of more than {wide} cells")
    if sum(len(str(cell.get("text", ""))) for row in rows for cell in row) > characters:
        yield Excess(at, f"more than {characters} characters")


def _nothing(_block: Block, _at: str) -> Iterator[Excess]:
    yield from ()


Check = Callable[[Block, str], Iterator[Excess]]
BLOCK_CHECKS: Final[Mapping[str, Check]] = {
    "section": _section,
    "header": _header,
    "context": _context,
    "actions": _actions,
    "input": _input,
    "table": _table,
    "divider": _nothing,
}


def _element(element: Block, at: str) -> Iterator[Excess]:
    kind = str(element.get("type", ""))
    yield from _long(element, {"action_id": ID, "url": 3000}, at)
    if kind == "button":
        yield from _words(element.get("text"), 75, f"{at}/text")
        yield from _long(element, {"value": 2000, "accessibility_label": 75}, at)
    elif kind in {"static_select", "external_select", "overflow"}:
        yield from _menu(element, at, most=5 if kind == "overflow" else 100)
    elif kind != "plain_text_input":
        yield Excess(at, f"a kind of control we do not send: {kind}")
    if element.get("placeholder"):
        yield from _words(element["placeholder"], 150, f"{at}/placeholder")
    if element.get("confirm"):
        yield from _confirm(element["confirm"], f"{at}/confirm")


def _menu(element: Block, at: str, most: int) -> Iterator[Excess]:
    groups = element.get("option_groups", [])
    yield from _many(groups, 100, f"{at}/option_groups")
    for group in groups:
        yield from _words(group.get("label"), 75, f"{at}/label")
        yield from _options(group.get("options", []), at, most)
    if not groups and element["type"] != "external_select":
        yield from _options(element.get("options", []), at, most)


def _options(options: list[Block], at: str, most: int) -> Iterator[Excess]:
    yield from _many(options, most, f"{at}/options", least=1)
    for number, one in enumerate(options):
        yield from _words(one.get("text"), 75, f"{at}/options/{number}")
        yield from _long(one, {"value": 150}, f"{at}/options/{number}")
        if one.get("description"):
            yield from _words(one["description"], 75, f"{at}/options/{number}/description")


def _confirm(confirm: Block, at: str) -> Iterator[Excess]:
    for name, most in (("title", 100), ("text", 300), ("confirm", 30), ("deny", 30)):
        yield from _words(confirm.get(name), most, f"{at}/{name}")


def _words(text: Block | None, most: int, at: str) -> Iterator[Excess]:
    words = _text(text)
    if not words:
        yield Excess(at, "empty")
    if len(words) > most:
        yield Excess(at, f"over {most} characters")


def _many(items: list[Block], most: int, at: str, least: int = 0) -> Iterator[Excess]:
    if not least <= len(items) <= most:
        yield Excess(at, f"{len(items)}, where {least} to {most} are allowed")


def _long(value: Block, names: Mapping[str, int], at: str) -> Iterator[Excess]:
    for name, most in names.items():
        if len(str(value.get(name, ""))) > most:
            yield Excess(f"{at}/{name}", f"over {most} characters")


def _text(value: Block | None) -> str:
    return str(value.get("text", "")) if value else ""


def _plain_layout(text: str, blocks: tuple[Block, ...]) -> tuple[Block, ...]:
    words: Block = {"type": "section", "text": {"type": "mrkdwn", "text": bound(text, FALLBACK), "verbatim": True}}
    controls = [one for one in blocks if one.get("type") == "actions" and not list(_block(one, "message", ""))]
    return (words, *_distinct(controls)[: BLOCKS["message"] - 1])


def _distinct(blocks: list[Block]) -> list[Block]:
    kept: dict[str, Block] = {str(one.get("block_id") or number): one for number, one in enumerate(blocks)}
    return list(kept.values())
