"""Every size limit of Slack's, one over it refused with its place, at it accepted."""

from collections.abc import Callable
from typing import Any

import pytest

from vpsops.playground.slack.rendering.limits import check_message, check_options, check_view

Json = dict[str, Any]


def text(length: int, kind: str = "plain_text") -> Json:
    return {"type": kind, "text": "x" * length}


def option(number: int = 0, **fields: Any) -> Json:
    return {"text": text(5), "value": f"v{number}", **fields}


def button(**fields: Any) -> Json:
    return {"type": "button", "text": text(5), "action_id": "go", **fields}


def confirm(**fields: Any) -> Json:
    return {"title": text(5), "text": text(5), "confirm": text(5), "deny": text(5), **fields}


def select(**fields: Any) -> Json:
    return {"type": "static_select", "action_id": "pick", "options": [option()], **fields}


def actions(*elements: Json) -> Json:
    return {"type": "actions", "elements": list(elements)}


def section(**fields: Any) -> Json:
    return {"type": "section", **({} if "fields" in fields else {"text": text(5)}), **fields}


def rows(count: int, columns: int = 1, length: int = 1) -> list[list[Json]]:
    return [[{"type": "raw_text", "text": "x" * length}] * columns for _ in range(count)]


def data_table(**fields: Any) -> Json:
    return {"type": "data_table", "caption": "t", "rows": rows(3), **fields}


def chart(series: int, points: int = 1) -> Json:
    entry = {"name": "a", "data": [{"label": "x", "value": 1}] * points}
    return {"type": "data_visualization", "title": "t", "chart": {"type": "line", "series": [entry] * series}}


def card(**fields: Any) -> Json:
    return {"type": "card", "title": text(5), **fields}


def options(count: int) -> list[Json]:
    return [option(number) for number in range(count)]


def buttons(count: int) -> list[Json]:
    return [button(action_id=f"b{number}") for number in range(count)]


def accessory(kind: str, **fields: Any) -> Json:
    return section(accessory={"type": kind, "action_id": "a", **fields})


def option_of(**fields: Any) -> Json:
    return actions(select(options=[option(**fields)]))


def confirmed(**fields: Any) -> Json:
    return actions(button(confirm=confirm(**fields)))


Make = Callable[[int], list[Json]]
LIMITS: dict[str, tuple[int, Make, str]] = {
    "blocks": (50, lambda n: [section()] * n, "50 items allowed [json-pointer:/blocks]"),
    "section": (
        3000,
        lambda n: [section(text=text(n))],
        "less than 3001 characters [json-pointer:/blocks/0/text/text]",
    ),
    "fields": (10, lambda n: [section(fields=[text(1)] * n)], "10 items allowed [json-pointer:/blocks/0/fields]"),
    "field": (2000, lambda n: [section(fields=[text(n)])], "[json-pointer:/blocks/0/fields/0/text]"),
    "header": (150, lambda n: [{"type": "header", "text": text(n)}], "[json-pointer:/blocks/0/text/text]"),
    "context": (10, lambda n: [{"type": "context", "elements": [text(1)] * n}], "no more than 10 items"),
    "actions": (25, lambda n: [actions(*buttons(n))], "no more than 25 items"),
    "button text": (75, lambda n: [actions(button(text=text(n)))], "[json-pointer:/blocks/0/elements/0/text/text]"),
    "button value": (2000, lambda n: [actions(button(value="x" * n))], "[json-pointer:/blocks/0/elements/0/value]"),
    "button url": (3000, lambda n: [actions(button(url="x" * n))], "less than 3001 characters"),
    "accessibility label": (75, lambda n: [actions(button(accessibility_label="x" * n))], "less than 76 characters"),
    "agent prompt": (4000, lambda n: [actions(button(agent_prompt="x" * n))], "less than 4001 characters"),
    "action id": (255, lambda n: [actions(button(action_id="x" * n))], "[json-pointer:/blocks/0/elements/0/action_id]"),
    "block id": (255, lambda n: [section(block_id="x" * n)], "characters [json-pointer:/blocks/0/block_id]"),
    "options": (100, lambda n: [actions(select(options=options(n)))], "no more than 100 items"),
    "option text": (75, lambda n: [option_of(text=text(n))], "less than 76 characters"),
    "option value": (150, lambda n: [option_of(value="x" * n)], "less than 151 characters"),
    "option description": (75, lambda n: [option_of(description=text(n))], "less than 76 characters"),
    "placeholder": (150, lambda n: [actions(select(placeholder=text(n)))], "elements/0/placeholder/text]"),
    "overflow": (5, lambda n: [accessory("overflow", options=options(n))], "no more than 5 items"),
    "radio buttons": (10, lambda n: [accessory("radio_buttons", options=options(n))], "no more than 10 items"),
    "checkboxes": (10, lambda n: [accessory("checkboxes", options=options(n))], "no more than 10 items"),
    "confirm title": (100, lambda n: [confirmed(title=text(n))], "less than 101 characters"),
    "confirm text": (300, lambda n: [confirmed(text=text(n))], "less than 301 characters"),
    "confirm yes": (30, lambda n: [confirmed(confirm=text(n))], "less than 31 characters"),
    "confirm no": (30, lambda n: [confirmed(deny=text(n))], "less than 31 characters"),
    "markdown": (12_000, lambda n: [{"type": "markdown", "text": "x" * n}], "less than 12001 characters"),
    "table rows": (
        100,
        lambda n: [{"type": "table", "rows": rows(n)}],
        "100 items allowed [json-pointer:/blocks/0/rows]",
    ),
    "table cells": (20, lambda n: [{"type": "table", "rows": rows(1, n)}], "[json-pointer:/blocks/0/rows/0]"),
    "table characters": (1000, lambda n: [{"type": "table", "rows": rows(10, 1, n)}], "less than 10001 characters"),
    "tables": (1, lambda n: [{"type": "table", "rows": rows(1)}] * n, "no more than 1 table blocks"),
    "data table rows": (201, lambda n: [data_table(rows=rows(n))], "no more than 201 items"),
    "data table columns": (20, lambda n: [data_table(rows=rows(2, n))], "no more than 20 items"),
    "data table characters": (1000, lambda n: [data_table(rows=rows(20, 1, n))], "less than 20001 characters"),
    "data table page": (100, lambda n: [data_table(page_size=n)], "must be between 1 and 100"),
    "charts": (2, lambda n: [chart(1)] * n, "no more than 2 data_visualization blocks"),
    "chart series": (12, lambda n: [chart(n)], "no more than 12 items"),
    "chart points": (20, lambda n: [chart(1, n)], "no more than 20 items"),
    "card title": (150, lambda n: [card(title=text(n))], "less than 151 characters"),
    "card body": (200, lambda n: [card(body=text(n))], "less than 201 characters"),
    "card actions": (3, lambda n: [card(actions=buttons(n))], "no more than 3 items"),
    "carousel": (10, lambda n: [{"type": "carousel", "elements": [card()] * n}], "no more than 10 items"),
    "container": (10, lambda n: [{"type": "container", "child_blocks": [section()] * n}], "no more than 10 items"),
    "plan": (50, lambda n: [{"type": "plan", "title": "t", "tasks": [{}] * n}], "no more than 50 items"),
}


@pytest.mark.parametrize(("limit", "make", "answer"), LIMITS.values(), ids=LIMITS.keys())
def test_a_message_is_taken_at_a_limit_and_refused_one_over_it(limit: int, make: Make, answer: str) -> None:
    """The refusal names the limit and, as a JSON pointer, the block."""
    assert check_message({"blocks": make(limit)}) == []
    assert any(answer in str(each) for each in check_message({"blocks": make(limit + 1)}))


@pytest.mark.parametrize(
    ("blocks", "answer"),
    [
        ([section(block_id="a"), section(block_id="a")], "duplicate block_id: a [json-pointer:/blocks/1/block_id]"),
        ([actions(button(), button())], "duplicate action_id: go [json-pointer:/blocks/0/elements/1/action_id]"),
        ([{"type": "alert", "text": text(5)}], "unsupported type: alert"),
        ([{"type": "section"}], "must define either `text` or `fields`"),
        ([section(text=text(0))], "must be more than 0 characters"),
        ([section(text="bare")], "must provide a text object"),
        ([{"type": "header", "text": text(5, "mrkdwn")}], "unsupported type: mrkdwn"),
        ([actions()], "no fewer than 1 items"),
        ([actions(button(confirms=confirm()))], "invalid additional property: confirms"),
        ([actions({"type": "image", "alt_text": "x", "image_url": "x"})], "unsupported type: image"),
        ([actions({"type": "static_select", "action_id": "a"})], "either `options` or `option_groups`"),
        ([actions(select(initial_option=option(7)))], "must be one of the provided options"),
        ([actions(button(style="warning"))], "must be one of: primary, danger"),
        ([{"type": "markdown", "text": "x" * 6_001}] * 2, "less than 12001 characters in total"),
        ([data_table(caption=None)], "missing required field: caption"),
        ([{"type": "bogus"}], "unsupported type: bogus [json-pointer:/blocks/0/type]"),
        (["text"], "must provide an object"),
        ([section(text={"type": "mrkdwn", "text": 5})], "must provide a text object"),
        ([{"type": "image", "alt_text": "x"}], "either `image_url` or `slack_file`"),
        ([data_table(rows=[*rows(1, 2), *rows(1, 3)])], "as many cells as the first row"),
        ([{"type": "context_actions", "elements": [button()]}], "unsupported type: button"),
    ],
)
def test_malformed_blocks_are_refused(blocks: list[Any], answer: str) -> None:
    """What the SDK's models let through is refused here as Slack refuses it."""
    assert any(answer in str(each) for each in check_message({"blocks": blocks}))


def modal(**fields: Any) -> Json:
    return {"type": "modal", "title": text(5), "blocks": [section()], **fields}


INPUT = {"type": "input", "label": text(5), "element": {"type": "plain_text_input", "action_id": "a"}}


@pytest.mark.parametrize(
    ("good", "bad", "answer"),
    [
        (modal(title=text(24)), modal(title=text(25)), "less than 25 characters [json-pointer:/view/title/text]"),
        (modal(submit=text(24)), modal(submit=text(25)), "less than 25 characters [json-pointer:/view/submit/text]"),
        (modal(close=text(24)), modal(close=text(25)), "less than 25 characters [json-pointer:/view/close/text]"),
        (modal(private_metadata="x" * 3000), modal(private_metadata="x" * 3001), "less than 3001 characters"),
        (modal(callback_id="x" * 255), modal(callback_id="x" * 256), "less than 256 characters"),
        (modal(blocks=[section()] * 100), modal(blocks=[section()] * 101), "no more than 100 items"),
        (modal(blocks=[INPUT], submit=text(5)), modal(blocks=[INPUT]), "must define `submit` to use an `input`"),
        (
            modal(blocks=[{"type": "alert", "text": text(200)}]),
            modal(blocks=[{"type": "alert", "text": text(201)}]),
            "less than 201 characters",
        ),
        (modal(), {"type": "modal", "blocks": [section()]}, "missing required field: title"),
        (modal(), modal(blocks=[{"type": "table", "rows": rows(1)}]), "unsupported type: table"),
        (modal(), modal(blocks=[{"type": "markdown", "text": "x"}]), "unsupported type: markdown"),
        (
            {"type": "home", "blocks": [section()] * 100},
            {"type": "home", "blocks": [section()] * 101},
            "than 100 items",
        ),
        ({"type": "home", "blocks": []}, {"type": "home"}, "missing required field: blocks"),
        (modal(), modal(type="page"), "unsupported type: page"),
    ],
)
def test_a_view_is_taken_at_a_limit_and_refused_one_over_it(good: Json, bad: Json, answer: str) -> None:
    """Modals and home tabs have limits of their own."""
    assert check_view(good) == []
    assert any(answer in str(each) for each in check_view(bad))


def test_options_from_the_app_are_held_to_the_limits_of_a_menu() -> None:
    """At most a hundred, each within its length, and the field must be there."""
    assert check_options({"options": [option(n) for n in range(100)]}) == []
    assert check_options({"options": []}) == []
    assert "no more than 100 items" in str(check_options({"options": [option()] * 101})[0])
    assert "less than 76 characters" in str(check_options({"options": [option(text=text(76))]})[0])
    assert "missing required field: options" in str(check_options({})[0])
