"""Messages, modals and home tabs as lines of text for a terminal; an unknown block shows as itself."""

import json
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from vpsops.playground.slack.rendering.plain_text import clock_time, plain, printable, rich_text, text_of
from vpsops.playground.slack.workspace.entities import Message, View
from vpsops.playground.slack.workspace.protocol import Json
from vpsops.playground.slack.workspace.state import WorkspaceState, children

UNKNOWN_SHOWN = 200
Lines = list[str]


def render_message(message: Message, state: WorkspaceState) -> Lines:
    """Return a message as text: author and time, then its blocks, or its text when it has none."""
    author = state.users.get(message.user)
    head = f"{author.name if author else message.user}  {clock_time(message.posted_at)}"
    if message.shown_to:
        head += f"  (only {state.users[message.shown_to].name} sees this)"
    if message.edits:
        head += "  (edited)"
    body = render_blocks(message.blocks, state) if message.blocks else plain(message.text, state).split("\n")
    indent = "    " if message.thread_ts and message.thread_ts != message.ts else ""
    return [indent + line for line in (head, *("  " + each for each in body))]


def render_view(view: View, state: WorkspaceState) -> Lines:
    """Return a modal or home tab: title, blocks with errors under their inputs, the buttons at its foot."""
    errors, lines = dict(view.errors), [f"== {text_of(view.body.get('title'), state) or 'Home'} =="]
    for block in view.blocks:
        lines += render_block(block, state)
        if block.get("block_id") in errors:
            lines.append(f"  ! {printable(errors[str(block['block_id'])])}")
    foot = [f"[{text_of(view.body[name], state)}]" for name in ("close", "submit") if view.body.get(name)]
    return [*lines, " ".join(foot)] if foot else lines


def transcript(messages: Iterable[Message], state: WorkspaceState) -> Lines:
    """Return messages one under the other, threads indented below what they answer."""
    ordered = sorted(messages, key=lambda each: (each.thread_ts or each.ts, each.ts))
    return [line for message in ordered for line in render_message(message, state)]


def render_blocks(blocks: Sequence[Json], state: WorkspaceState) -> Lines:
    """Return blocks as lines."""
    return [line for block in blocks for line in render_block(block, state)]


def render_block(block: Json, state: WorkspaceState) -> Lines:
    """Return one block as lines; a block not known here shows its type and content."""
    renderer = RENDERERS.get(str(block.get("type")))
    if renderer is None:
        content = json.dumps({name: value for name, value in block.items() if name != "block_id"})
        return [printable(f"(block this terminal cannot draw: {content[:UNKNOWN_SHOWN]})")]
    return [part for line in renderer(block, state) for part in line.split("\n")]


def render_element(element: Json, state: WorkspaceState) -> str:
    """Return a button as [Label], a menu as (label v), an input as its content or a gap."""
    kind = str(element.get("type"))
    if kind in {"button", "workflow_button", "icon_button"}:
        dots = "…" if element.get("confirm") else ""
        url = f" {printable(str(element['url']))}" if element.get("url") else ""
        return f"[{text_of(element.get('text'), state)}{dots}{url}]"
    if kind == "image":
        return f"(image: {printable(str(element.get('alt_text', '')))})"
    if kind == "feedback_buttons":
        return " ".join(f"[{text_of(element[name].get('text'), state)}]" for name in _FEEDBACK if name in element)
    if kind in {"radio_buttons", "checkboxes"}:
        return " ".join(f"( ) {text_of(each.get('text'), state)}" for each in element.get("options", ()))
    if kind == "overflow":
        return "(⋯ " + " / ".join(text_of(each.get("text"), state) for each in element.get("options", ())) + ")"
    return _field(element, state)


_FEEDBACK = ("positive_button", "negative_button")


def _field(element: Json, state: WorkspaceState) -> str:
    kind = str(element.get("type"))
    chosen = element.get("initial_option") or {}
    held = element.get("initial_value") or element.get("initial_date") or text_of(chosen.get("text"), state)
    content = printable(str(held)) if held else text_of(element.get("placeholder"), state)
    if kind.endswith(("select", "picker")):
        return f"({content or kind} ▾)"
    return f"[{content or '________'}]"


def _section(block: Json, state: WorkspaceState) -> Lines:
    lines = [text_of(block["text"], state)] if block.get("text") else []
    for field in block.get("fields", ()):
        first, _, rest = text_of(field, state).partition("\n")
        lines.append(f"  {first}: {rest}" if rest else f"  {first}")
    accessory = block.get("accessory")
    return [*lines, render_element(accessory, state)] if isinstance(accessory, dict) else lines


def _header(block: Json, state: WorkspaceState) -> Lines:
    return [f"# {text_of(block.get('text'), state)}"]


def _context(block: Json, state: WorkspaceState) -> Lines:
    parts = (
        render_element(each, state) if each.get("type") == "image" else text_of(each, state) for each in _all(block)
    )
    return [" · ".join(parts)]


def _actions(block: Json, state: WorkspaceState) -> Lines:
    return [" ".join(render_element(each, state) for each in _all(block))]


def _divider(block: Json, state: WorkspaceState) -> Lines:
    del block, state
    return ["─" * 24]


def _image(block: Json, state: WorkspaceState) -> Lines:
    title = text_of(block.get("title"), state)
    return [f"(image: {title or printable(str(block.get('alt_text', '')))})"]


def _input(block: Json, state: WorkspaceState) -> Lines:
    optional = " (optional)" if block.get("optional") else ""
    line = f"{text_of(block.get('label'), state)}{optional}: {render_element(block.get('element') or {}, state)}"
    hint = text_of(block.get("hint"), state)
    return [line, f"  {hint}"] if hint else [line]


def _markdown(block: Json, state: WorkspaceState) -> Lines:
    del state
    return [printable(str(block.get("text", "")))]


def _rich_text(block: Json, state: WorkspaceState) -> Lines:
    return [rich_text(block, state)]


def _table(block: Json, state: WorkspaceState) -> Lines:
    rows = [[_cell(each, state) for each in row] for row in block.get("rows", ())]
    widths = [
        max(len(row[column]) for row in rows if column < len(row)) for column in range(max(map(len, rows), default=0))
    ]
    lines = ["  ".join(cell.ljust(widths[at]) for at, cell in enumerate(row)).rstrip() for row in rows]
    return [printable(str(block["caption"])), *lines] if block.get("caption") else lines


def _cell(cell: Any, state: WorkspaceState) -> str:
    if isinstance(cell, dict) and cell.get("type") == "rich_text":
        return rich_text(cell, state).replace("\n", " ")
    result = cell.get("text", cell.get("value", "")) if isinstance(cell, dict) else cell
    return printable(str(result)).replace("\n", " ")


def _alert(block: Json, state: WorkspaceState) -> Lines:
    return [f"! {text_of(block.get('text'), state)}"]


def _plan(block: Json, state: WorkspaceState) -> Lines:
    tasks = [line for each in block.get("tasks", ()) for line in _task(each, state)]
    return [f"{text_of(block.get('title'), state)}", *("  " + each for each in tasks)]


def _task(block: Json, state: WorkspaceState) -> Lines:
    marks = {"complete": "✓", "in_progress": "…", "error": "✗"}
    mark = marks.get(str(block.get("status")), "·")
    lines = [f"{mark} {text_of(block.get('title'), state)}"]
    return lines + [f"  {rich_text(block[name], state)}" for name in ("details", "output") if block.get(name)]


def _card(block: Json, state: WorkspaceState) -> Lines:
    lines = [text_of(block[name], state) for name in ("title", "subtitle", "body") if block.get(name)]
    buttons = " ".join(render_element(each, state) for each in block.get("actions", ()))
    return [*lines, buttons] if buttons else lines


def _inside(block: Json, state: WorkspaceState) -> Lines:
    title = text_of(block.get("title"), state)
    inner = ["  " + line for line in render_blocks(children(block), state)]
    return [title, *inner] if title else inner


def _all(block: Json) -> list[Json]:
    return [each for each in block.get("elements", ()) if isinstance(each, dict)]


RENDERERS: dict[str, Callable[[Json, WorkspaceState], Lines]] = {
    "section": _section,
    "header": _header,
    "context": _context,
    "actions": _actions,
    "context_actions": _actions,
    "divider": _divider,
    "image": _image,
    "input": _input,
    "markdown": _markdown,
    "rich_text": _rich_text,
    "table": _table,
    "data_table": _table,
    "alert": _alert,
    "plan": _plan,
    "task_card": _task,
    "card": _card,
    "carousel": _inside,
    "container": _inside,
}
