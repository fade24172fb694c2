"""Messages and views as text for a terminal."""

from typing import Any

import pytest
from slack_sdk.web.async_client import AsyncWebClient

from vpsops.playground.slack.people.model import SimulatedWorkspace
from vpsops.playground.slack.rendering.plain_text import plain
from vpsops.playground.slack.rendering.render import render_blocks, render_view, transcript
from vpsops.playground.slack.workspace.config import WorkspaceConfig
from vpsops.playground.slack.workspace.entities import View
from vpsops.playground.slack.workspace.state import WorkspaceState

Json = dict[str, Any]
STATE = WorkspaceState(WorkspaceConfig())


def text(words: str, kind: str = "plain_text") -> Json:
    return {"type": kind, "text": words}


@pytest.mark.parametrize(
    ("marked", "view"),
    [
        ("<@U0ALICE> in <#C0OPS> asks <!subteam^S0APPROVERS>", "@alice in #ops asks @approvers"),
        ("<@U0ALICE|old name>", "@alice"),
        ("<!channel> &amp; <!here>", "@channel & @here"),
        ("&lt;!channel&gt;", "<!channel>"),
        ("&amp;lt;", "&lt;"),
        ("<https://acme.example|docs> <https://acme.example>", "docs (https://acme.example) https://acme.example"),
        ("<!date^1700000000^{time}|22:13>", "22:13"),
        ("a\x1b[31mred\x07 \u202eback", "a\ufffd[31mred\ufffd \ufffdback"),
    ],
)
def test_markup_becomes_plain_text(marked: str, view: str) -> None:
    """Mentions by name, links spelled out, escapes undone, nothing left that steers a terminal."""
    assert plain(marked, STATE) == view


def test_a_card_shows_its_texts_and_buttons() -> None:
    """Fields in one line each, a button that asks first with dots, menus with their label."""
    confirm = {"title": text("a"), "text": text("b"), "confirm": text("c"), "deny": text("d")}
    blocks: list[Json] = [
        {"type": "header", "text": text("Approve?")},
        {"type": "section", "text": text("*reboot* <@U0BOB>", "mrkdwn"), "fields": [text("Server\nweb01")]},
        {"type": "divider"},
        {"type": "context", "elements": [text("chg_1"), {"type": "image", "alt_text": "dot", "image_url": "x"}]},
        {
            "type": "actions",
            "elements": [
                {"type": "button", "action_id": "a", "text": text("Approve"), "confirm": confirm},
                {"type": "button", "action_id": "b", "text": text("Deny")},
                {"type": "users_select", "action_id": "c", "placeholder": text("Who")},
            ],
        },
    ]

    assert render_blocks(blocks, STATE) == [
        "# Approve?",
        "reboot @bob",
        "  Server: web01",
        "─" * 24,
        "chg_1 · (image: dot)",
        "[Approve…] [Deny] (Who ▾)",
    ]


def test_tables_plans_cards_and_lists_are_readable() -> None:
    """Columns line up, tasks carry their state, containers indent."""
    rows = [[text("name", "raw_text"), text("state", "raw_text")], [text("web01", "raw_text"), text("on", "raw_text")]]
    section = {
        "type": "rich_text_section",
        "elements": [{"type": "text", "text": "one "}, {"type": "user", "user_id": "U0BOB"}],
    }
    blocks: list[Json] = [
        {"type": "data_table", "caption": "Servers", "rows": rows},
        {"type": "plan", "title": "Create", "tasks": [{"title": "order", "status": "complete"}, {"title": "boot"}]},
        {"type": "card", "title": text("web01"), "actions": [{"type": "button", "text": text("Open")}]},
        {"type": "container", "title": text("More"), "child_blocks": [{"type": "alert", "text": text("careful")}]},
        {"type": "rich_text", "elements": [{"type": "rich_text_list", "style": "bullet", "elements": [section]}]},
        {"type": "markdown", "text": "**hi**"},
    ]

    assert render_blocks(blocks, STATE) == [
        *("Servers", "name   state", "web01  on"),
        *("Create", "  ✓ order", "  · boot"),
        *("web01", "[Open]"),
        *("More", "  ! careful"),
        "• one @bob",
        "**hi**",
    ]


def test_a_block_the_terminal_cannot_draw_shows_itself() -> None:
    """Nothing is left out silently."""
    block = {"type": "hologram", "block_id": "b1", "beam": "blue"}
    assert render_blocks([block], STATE) == ['(block this terminal cannot draw: {"type": "hologram", "beam": "blue"})']


def test_a_modal_shows_its_inputs_errors_and_buttons() -> None:
    """An error is below its input, the buttons at the foot."""
    element = {"type": "plain_text_input", "action_id": "a", "placeholder": text("Because…")}
    block = {"type": "input", "block_id": "why", "label": text("Reason"), "element": element, "hint": text("Short")}
    body = {"title": text("Deny"), "submit": text("Send"), "close": text("Back"), "blocks": [block]}
    view = View("V1", "U0ALICE", "modal", body, "1.a", "V1", errors=(("why", "too short"),))

    assert render_view(view, STATE) == [
        "== Deny ==",
        "Reason: [Because…]",
        "  Short",
        "  ! too short",
        "[Back] [Send]",
    ]


async def test_a_transcript_keeps_threads_together(workspace: SimulatedWorkspace, client: AsyncWebClient) -> None:
    """Replies are indented below their message; edits and ephemerals are marked."""
    first = await client.chat_postMessage(channel="C0OPS", text="first")
    await client.chat_postMessage(channel="C0OPS", text="second")
    await client.chat_postMessage(channel="C0OPS", text="reply", thread_ts=first["ts"])
    await client.chat_update(channel="C0OPS", ts=first["ts"], text="first, edited")
    await client.chat_postEphemeral(channel="C0OPS", user="U0ALICE", text="psst")

    messages = [*workspace.messages("ops"), *workspace.ephemerals("alice")]
    assert transcript(messages, workspace.desk.state) == [
        *("vpsops  09:00  (edited)", "  first, edited"),
        *("    vpsops  09:00", "      reply"),
        *("vpsops  09:00", "  second"),
        *("vpsops  09:00  (only alice sees this)", "  psst"),
    ]
