"""Nothing over one of Slack's limits is sent; the simulated workspace is the second opinion."""

from typing import Any

import pytest

from vpsops.bot.blocks.elements import Block, Post, actions, button, context, header, mrkdwn, option, plain, section
from vpsops.bot.slack_api.block_limits import Surface, fit_post, fit_view, limit_violations, view_limit_violations
from vpsops.playground.slack.rendering.limits import check_message, check_view


def raw(kind: str, length: int) -> Block:
    """Return a text object that no helper has bounded."""
    return {"type": kind, "text": "x" * length}


def push(**other: Any) -> Block:
    """Return a button with some property of its own."""
    return {"type": "button", "action_id": "a", "text": plain("Go"), **other}


def menu(**other: Any) -> Block:
    """Return a menu with some property of its own."""
    return {"type": "static_select", "action_id": "m", "options": [option("a", "a")], **other}


def asked(element: Block, **other: Any) -> Block:
    """Return an input."""
    return {"type": "input", "label": plain("Name"), "element": element, **other}


def dialog() -> Block:
    """Return a confirm dialog with too long a title."""
    return {"title": raw("plain_text", 101), "text": plain("x"), "confirm": plain("y"), "deny": plain("n")}


TYPED: Block = {"type": "plain_text_input", "action_id": "t"}
CELL = {"type": "raw_text", "text": "x"}
LONG = "x" * 256


def data(*rows: list[Block]) -> Block:
    return {"type": "data_table", "caption": "Servers", "rows": list(rows)}


OVER: list[tuple[str, Surface, list[Block]]] = [
    ("blocks of a message", "message", [section(plain("x"))] * 51),
    ("blocks of a modal", "modal", [section(plain("x"))] * 101),
    ("section", "message", [section(raw("mrkdwn", 3001))]),
    ("fields", "message", [{"type": "section", "fields": [plain("x")] * 11}]),
    ("a field", "message", [{"type": "section", "fields": [raw("plain_text", 2001)]}]),
    ("empty section", "message", [{"type": "section"}]),
    ("empty text", "message", [section(raw("plain_text", 0))]),
    ("header", "message", [{"type": "header", "text": raw("plain_text", 151)}]),
    ("context", "message", [context(*[plain("x")] * 11)]),
    ("actions", "message", [actions([push(action_id=f"a{n}") for n in range(26)])]),
    ("no actions", "message", [actions([])]),
    ("button text", "message", [actions([push(text=raw("plain_text", 76))])]),
    ("button value", "message", [actions([push(value="x" * 2001)])]),
    ("action id", "message", [actions([push(action_id=LONG)])]),
    ("action id twice", "message", [actions([push(), push()])]),
    ("block id", "message", [section(plain("x")) | {"block_id": LONG}]),
    ("block id twice", "message", [section(plain("x")) | {"block_id": "b"}] * 2),
    ("options", "message", [actions([menu(options=[option(f"{n}", f"{n}") for n in range(101)])])]),
    ("option text", "message", [actions([menu(options=[{"text": raw("plain_text", 76), "value": "a"}])])]),
    ("option value", "message", [actions([menu(options=[option("a", "x" * 151)])])]),
    ("placeholder", "message", [actions([menu(placeholder=raw("plain_text", 151))])]),
    (
        "overflow",
        "message",
        [section(plain("x"), {**menu(options=[option("a", f"{n}") for n in range(6)]), "type": "overflow"})],
    ),
    ("table rows", "message", [{"type": "table", "rows": [[CELL]] * 101}]),
    ("table cells", "message", [{"type": "table", "rows": [[CELL] * 21]}]),
    ("table text", "message", [{"type": "table", "rows": [[{"type": "raw_text", "text": "x" * 10_001}]]}]),
    ("two tables", "message", [{"type": "table", "rows": [[CELL]]}] * 2),
    ("table in a modal", "modal", [{"type": "table", "rows": [[CELL]]}]),
    ("data table rows", "message", [data(*[[CELL]] * 202)]),
    ("data table head alone", "message", [data([CELL])]),
    ("data table cells", "message", [data([CELL] * 21, [CELL] * 21)]),
    ("data table text", "message", [data([CELL], [{"type": "raw_text", "text": "x" * 20_001}])]),
    ("data table without caption", "message", [{"type": "data_table", "rows": [[CELL], [CELL]]}]),
    ("data table in a modal", "modal", [data([CELL], [CELL])]),
    ("confirm title", "message", [actions([push(confirm=dialog())])]),
]


@pytest.mark.parametrize(("what", "surface", "blocks"), OVER, ids=[each[0] for each in OVER])
def test_what_is_over_a_limit_is_found(what: str, surface: Surface, blocks: list[Block]) -> None:
    """Each limit is known to the guard, and to Slack."""
    assert list(limit_violations(tuple(blocks), surface)), what
    body = {"type": "modal", "title": plain("x"), "blocks": blocks}
    assert check_message({"text": "x", "blocks": blocks}) if surface == "message" else check_view(body)


def test_a_message_over_a_limit_is_sent_in_the_plainest_layout() -> None:
    """The message's words and buttons arrive all the same."""
    row = actions([button("Go", "a", {"c": "1"})])
    sent = fit_post(Post((section(raw("mrkdwn", 5000)), row), "Hello &lt;you&gt;"))
    assert sent.blocks == (section(mrkdwn("Hello &lt;you&gt;")), row)
    assert not check_message({"text": sent.text, "blocks": list(sent.blocks)})


def test_a_message_within_the_limits_is_sent_as_it_is() -> None:
    """The guard alters nothing that fits."""
    post = Post((header("Hello"), section(plain("x"))))
    assert fit_post(post) == post


def test_a_text_too_long_for_an_edit_is_cut() -> None:
    """chat.update refuses over 4000 characters, so no text is longer."""
    assert len(fit_post(Post((section(plain("x")),), "x" * 9000)).text) == 4000


@pytest.mark.parametrize(
    "view",
    [
        {"title": raw("plain_text", 25), "blocks": []},
        {"title": plain("x"), "submit": raw("plain_text", 25), "blocks": []},
        {"title": plain("x"), "private_metadata": "x" * 3001, "blocks": []},
        {"title": plain("x"), "callback_id": LONG, "blocks": []},
        {"title": plain("x"), "blocks": [asked(TYPED)]},
        {"blocks": []},
    ],
)
def test_a_form_over_a_limit_is_replaced_by_words(view: Block) -> None:
    """A form that Slack would refuse is replaced by a message instead of failing."""
    body = {"type": "modal", **view}
    assert list(view_limit_violations(body))
    assert check_view(body)
    assert not check_view(fit_view(body))


PLACES: dict[str, set[Surface]] = {
    "input": {"modal", "home"},
    "table": {"message", "home"},
    "data_table": {"message", "home"},
    "header": {"message", "modal", "home"},
    "section": {"message", "modal", "home"},
}


@pytest.mark.parametrize("surface", ["message", "modal", "home"])
@pytest.mark.parametrize("kind", PLACES)
def test_each_kind_of_block_has_its_places(kind: str, surface: Surface) -> None:
    """Written out from Slack's reference."""
    misplaced = [excess for excess in limit_violations(({"type": kind},), surface) if "is not for a" in excess.what]
    assert bool(misplaced) is (surface not in PLACES[kind])
