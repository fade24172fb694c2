"""Slack's refusals of messages and views: which limit, where; driven by `limit_tables`."""

import json
from collections import Counter
from collections.abc import Container, Iterable, Iterator, Mapping
from typing import Any

from vpsops.playground.slack.rendering import limit_tables as tables
from vpsops.playground.slack.rendering.limit_tables import Spec, Text
from vpsops.playground.slack.workspace.protocol import ApiProblem, Json
from vpsops.playground.slack.workspace.state import children


def check_message(payload: Json, refused: Container[str] = ()) -> list[ApiProblem]:
    """Return Slack's refusals of a message's blocks; empty when it would accept them.

    `refused` are kinds of blocks that a workspace does not take.
    """
    blocks = _list(payload.get("blocks"))
    kinds = [str(block.get("type")) if isinstance(block, dict) else "" for block in blocks]
    lacking = [
        ApiProblem(f"/blocks/{number}/type", f"unsupported type: {kind}")
        for number, kind in enumerate(kinds)
        if kind in refused
    ]
    return [*lacking, *_surface(blocks, "message", "/blocks")]


def check_view(view: Json) -> list[ApiProblem]:
    """Return Slack's refusals of a modal or a home tab."""
    kind = view.get("type")
    if kind not in {"modal", "home"}:
        return [ApiProblem("/view/type", f"unsupported type: {kind}")]
    surface = _surface(_list(view.get("blocks")), str(kind), "/view/blocks")
    surface += _strings(view, tables.VIEW_STRINGS, "/view")
    if "blocks" not in view:
        surface.append(ApiProblem("/view", "missing required field: blocks"))
    if len(json.dumps(view)) > tables.VIEW_BYTES:
        surface.append(ApiProblem("/view", f"must be at most {tables.VIEW_BYTES} bytes"))
    return surface + (list(_modal(view)) if kind == "modal" else [])


def check_options(payload: Json) -> list[ApiProblem]:
    """Return Slack's refusals of the answer to a request for options."""
    groups, options = payload.get("option_groups"), payload.get("options")
    if groups is None and options is None:
        return [ApiProblem("", "missing required field: options")]
    most = tables.CountLimit(0, 100)
    return [
        *_count(payload, {"options": most, "option_groups": most}, ""),
        *_options({"type": "external_select", **payload}, ""),
    ]


def _surface(blocks: list[Any], surface: str, at: str) -> list[ApiProblem]:
    problems: list[ApiProblem] = []
    most = tables.BLOCKS_ON[surface]
    if len(blocks) > most:
        problems.append(ApiProblem(at, f"no more than {most} items allowed"))
    for number, block in enumerate(blocks):
        problems += _block(block, surface, f"{at}/{number}")
    good = [each for each in blocks if isinstance(each, dict)]
    return [*problems, *_duplicates(good, "block_id", at), *_totals(good, at)]


def _block(block: Any, surface: str, at: str) -> list[ApiProblem]:
    if not isinstance(block, dict):
        return [ApiProblem(at, "must provide an object")]
    spec = tables.BLOCKS.get(str(block.get("type")))
    if spec is None or surface not in spec.surfaces:
        return [ApiProblem(f"{at}/type", f"unsupported type: {block.get('type')}")]
    nodes = [*_node(block, spec, at), *_elements(block, spec, at), *_special(block, at)]
    for number, child in enumerate(children(block)):
        nodes += _block(child, surface, f"{at}/{number}")
    return nodes


def _node(node: Json, spec: Spec, at: str) -> Iterator[ApiProblem]:
    for name in spec.required:
        if node.get(name) is None:
            yield ApiProblem(at, f"missing required field: {name}")
    if not spec.open:
        for name in node.keys() - spec.known():
            yield ApiProblem(at, f"invalid additional property: {name}")
    yield from _strings(node, {"block_id": 255, **spec.strings}, at)
    for name, text in spec.texts.items():
        yield from _text(node.get(name), text, f"{at}/{name}")
    yield from _count(node, spec.counts, at)
    yield from _numbers(node, spec, at)


def _strings(node: Json, limits: Mapping[str, int], at: str) -> list[ApiProblem]:
    results = []
    for name, most in limits.items():
        value = node.get(name)
        if value is not None and not isinstance(value, str):
            results.append(ApiProblem(f"{at}/{name}", "must provide a string"))
        elif value is not None and len(value) > most:
            results.append(ApiProblem(f"{at}/{name}", f"must be less than {most + 1} characters"))
    return results


def _text(value: Any, rule: Text, at: str) -> Iterator[ApiProblem]:
    if value is None:
        return
    if not isinstance(value, dict) or not isinstance(value.get("text"), str):
        yield ApiProblem(at, "must provide a text object")
        return
    if value.get("type") not in rule.kinds:
        yield ApiProblem(f"{at}/type", f"unsupported type: {value.get('type')}")
    if not value["text"]:
        yield ApiProblem(f"{at}/text", "must be more than 0 characters")
    if len(value["text"]) > rule.limit:
        yield ApiProblem(f"{at}/text", f"must be less than {rule.limit + 1} characters")


def _count(node: Json, counts: Mapping[str, tables.CountLimit], at: str) -> Iterator[ApiProblem]:
    for name, count in counts.items():
        value = node.get(name)
        if value is None:
            continue
        if not isinstance(value, list):
            yield ApiProblem(f"{at}/{name}", "must provide an array")
        elif len(value) > count.most:
            yield ApiProblem(f"{at}/{name}", f"no more than {count.most} items allowed")
        elif len(value) < count.least:
            yield ApiProblem(f"{at}/{name}", f"no fewer than {count.least} items allowed")


def _numbers(node: Json, spec: Spec, at: str) -> Iterator[ApiProblem]:
    for name, count in spec.numbers.items():
        value = node.get(name)
        if value is not None and not (isinstance(value, int) and count.least <= value <= count.most):
            yield ApiProblem(f"{at}/{name}", f"must be between {count.least} and {count.most}")


def _elements(block: Json, spec: Spec, at: str) -> Iterator[ApiProblem]:
    for name, kinds in spec.elements.items():
        value = block.get(name)
        if isinstance(value, dict):
            yield from _element(value, kinds, f"{at}/{name}")
        for number, element in enumerate(_list(value)):
            yield from _element(element, kinds, f"{at}/{name}/{number}")
        yield from _duplicates([each for each in _list(value) if isinstance(each, dict)], "action_id", f"{at}/{name}")


def _element(element: Any, kinds: frozenset[str], at: str) -> Iterator[ApiProblem]:
    if not isinstance(element, dict):
        yield ApiProblem(at, "must provide an object")
        return
    kind = str(element.get("type"))
    if kind not in kinds:
        yield ApiProblem(f"{at}/type", f"unsupported type: {kind}")
        return
    yield from _node(element, tables.ELEMENTS[kind], at)
    yield from _options(element, at)
    if element.get("confirm") is not None:
        yield from _node(element["confirm"], tables.CONFIRM, f"{at}/confirm")
    for owner, where in ((element, at), (element.get("confirm") or {}, f"{at}/confirm")):
        if owner.get("style") is not None and owner["style"] not in tables.BUTTON_STYLES:
            yield ApiProblem(f"{where}/style", "must be one of: primary, danger")


def _options(element: Json, at: str) -> Iterator[ApiProblem]:
    kind = element.get("type")
    if kind in {"static_select", "multi_static_select"} and not (element.keys() & {"options", "option_groups"}):
        yield ApiProblem(at, "must define either `options` or `option_groups`")
    markup = kind in tables.MARKUP_OPTIONS
    for number, option in enumerate(_list(element.get("options"))):
        yield from _option(option, f"{at}/options/{number}", markup=markup)
    for number, group in enumerate(_list(element.get("option_groups"))):
        yield from _node(group, tables.OPTION_GROUP, f"{at}/option_groups/{number}")
        for inner, option in enumerate(_list(group.get("options"))):
            yield from _option(option, f"{at}/option_groups/{number}/options/{inner}", markup=False)
    if kind not in {"external_select", "multi_external_select"}:
        yield from _initial(element, at)


def _option(option: Json, at: str, *, markup: bool) -> Iterator[ApiProblem]:
    yield from _node(option, tables.OPTION, at)
    text = option.get("text")
    if not markup and isinstance(text, dict) and text.get("type") == "mrkdwn":
        yield ApiProblem(f"{at}/text/type", "unsupported type: mrkdwn")


def _initial(element: Json, at: str) -> Iterator[ApiProblem]:
    offered = [each.get("value") for each in offered_options(element)]
    single = element.get("initial_option")
    if single is not None and single.get("value") not in offered:
        yield ApiProblem(f"{at}/initial_option", "must be one of the provided options")
    for number, option in enumerate(_list(element.get("initial_options"))):
        if option.get("value") not in offered:
            yield ApiProblem(f"{at}/initial_options/{number}", "must be one of the provided options")


def offered_options(element: Json) -> list[Json]:
    """Return the options of a menu, grouped ones included."""
    grouped = [option for group in _list(element.get("option_groups")) for option in _list(group.get("options"))]
    return [*_list(element.get("options")), *grouped]


def _special(block: Json, at: str) -> Iterator[ApiProblem]:
    kind = block.get("type")
    if kind == "section":
        yield from _section(block, at)
    elif kind == "context":
        yield from _context(block, at)
    elif kind in {"table", "data_table"}:
        yield from _table(block, at)
    elif kind == "data_visualization":
        yield from _chart(block, at)
    elif kind == "image" and not (block.keys() & {"image_url", "slack_file"}):
        yield ApiProblem(at, "must define either `image_url` or `slack_file`")


def _section(block: Json, at: str) -> Iterator[ApiProblem]:
    if block.get("text") is None and block.get("fields") is None:
        yield ApiProblem(at, "must define either `text` or `fields`")
    for number, field in enumerate(_list(block.get("fields"))):
        yield from _text(field, Text(2000, tables.ANY_TEXT), f"{at}/fields/{number}")


def _context(block: Json, at: str) -> Iterator[ApiProblem]:
    for number, element in enumerate(_list(block.get("elements"))):
        where = f"{at}/elements/{number}"
        if isinstance(element, dict) and element.get("type") == "image":
            yield from _node(element, tables.ELEMENTS["image"], where)
        else:
            yield from _text(element, Text(3000, tables.ANY_TEXT), where)


def _table(block: Json, at: str) -> Iterator[ApiProblem]:
    data = block.get("type") == "data_table"
    most = tables.DATA_TABLE_CHARACTERS if data else tables.TABLE_CHARACTERS
    rows = [row for row in _list(block.get("rows")) if isinstance(row, list)]
    for number, row in enumerate(rows):
        if len(row) > 20:  # noqa: PLR2004 - columns of either table
            yield ApiProblem(f"{at}/rows/{number}", "no more than 20 items allowed")
        if data and len(row) != len(rows[0]):
            yield ApiProblem(f"{at}/rows/{number}", "must have as many cells as the first row")
    if sum(_characters(row) for row in rows) > most:
        yield ApiProblem(f"{at}/rows", f"must be less than {most + 1} characters")


def _characters(node: Any) -> int:
    if isinstance(node, list):
        return sum(_characters(each) for each in node)
    if not isinstance(node, dict):
        return 0
    own = node.get("text")
    return (len(own) if isinstance(own, str) else 0) + _characters(node.get("elements", []))


def _chart(block: Json, at: str) -> Iterator[ApiProblem]:
    chart = block.get("chart") if isinstance(block.get("chart"), dict) else {}
    series = _list(chart.get("series")) if chart else []
    if len(series) > 12:  # noqa: PLR2004 - series of a chart
        yield ApiProblem(f"{at}/chart/series", "no more than 12 items allowed")
    for number, entry in enumerate(series):
        if len(_list(entry.get("data"))) > 20:  # noqa: PLR2004 - points of a series
            yield ApiProblem(f"{at}/chart/series/{number}/data", "no more than 20 items allowed")


def _totals(blocks: list[Json], at: str) -> Iterator[ApiProblem]:
    markdown = sum(len(each["text"]) for each in blocks if each.get("type") == "markdown" and "text" in each)
    if markdown > tables.MARKDOWN_TOTAL:
        yield ApiProblem(at, f"markdown blocks must be less than {tables.MARKDOWN_TOTAL + 1} characters in total")
    kinds = Counter(each.get("type") for each in blocks)
    for kind, most in (("table", 1), ("data_visualization", 2)):
        if kinds[kind] > most:
            yield ApiProblem(at, f"no more than {most} {kind} blocks allowed")


def _duplicates(nodes: Iterable[Json], name: str, at: str) -> Iterator[ApiProblem]:
    seen: set[str] = set()
    for number, node in enumerate(nodes):
        value = node.get(name)
        if isinstance(value, str) and value in seen:
            yield ApiProblem(f"{at}/{number}/{name}", f"duplicate {name}: {value}")
        elif isinstance(value, str):
            seen.add(value)


def _modal(view: Json) -> Iterator[ApiProblem]:
    if view.get("title") is None:
        yield ApiProblem("/view", "missing required field: title")
    for name, most in tables.VIEW_TEXTS.items():
        yield from _text(view.get(name), Text(most), f"/view/{name}")
    for number, block in enumerate(_list(view.get("blocks"))):
        if isinstance(block, dict) and block.get("type") == "input" and view.get("submit") is None:
            yield ApiProblem(f"/view/blocks/{number}/input", "must define `submit` to use an `input` block in modals")


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []
