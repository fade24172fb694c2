"""Forms that were edited on their way: what they carry is a claim, and the core decides by what it stored."""

from pathlib import Path
from typing import Any

import pytest

from tests.adversary.forms.forgery import chosen, opened, press, send, shown
from tests.e2e.bot_messages import test_bot_grants as grants
from tests.e2e.break_glass import test_bot_overrides as overrides
from vpsops.core.changes.model import State
from vpsops.core.changes.scope import OPERATOR

GRANT = {"grant_time": chosen("3600"), "grant_servers": chosen("server")}


@pytest.mark.parametrize(
    "edit",
    [
        {"c": "chg_000000000000"},
        {"c": ["chg"]},
        {"c": "chg_\x00"},
        {"c": "chg_\ud800"},
        {"c": "x" * 2500},
        {"c": None},
        {"d": "0" * 64},
        {"d": ""},
        {"d": "0"},
        {"d": {"a": 1}},
        {"d": "\x00" * 32},
    ],
    ids=repr,
)
@pytest.mark.parametrize("action", ["vps:deny", "vps:approve_note", "vps:approve_grant"])
async def test_a_vote_with_another_id_or_digest(tmp_path: Path, action: str, edit: dict[str, object]) -> None:
    """A form that names no change of here, or not what was shown, decides nothing and is answered in words."""
    async with grants.held(tmp_path) as (world, core, card, change):
        view = await opened(world, "bob", card, action)
        await send(world, "bob", view, {"reason": "x", **GRANT}, edit)
        await world.slack.wait_for(lambda: "err_" in shown(world, "bob"))
        words = shown(world, "bob")
        assert "internal error" not in words, words
        now = await core.changes.get(change.id, scope=OPERATOR)
        assert (now.state, now.votes) == (State.HELD, ())


@pytest.mark.parametrize(
    "values",
    [
        {"grant_time": chosen("5401")},
        {"grant_time": chosen("1e9")},
        {"grant_time": chosen("nan")},
        {"grant_time": chosen("inf")},
        {"grant_time": chosen("-5")},
        {"grant_time": chosen("0")},
        {"grant_time": chosen("")},
        {"grant_time": chosen("1" * 400)},
        {"grant_time": chosen("1e-300")},
        {"grant_time": {"type": "static_select", "selected_option": None}},
        {"grant_time": {"type": "plain_text_input", "value": "3600"}},
    ],
    ids=repr,
)
async def test_a_grant_of_a_time_that_is_not_offered(tmp_path: Path, values: dict[str, object]) -> None:
    """Longer than the rule's cap, no number, or shorter than a grant may be: nothing is decided."""
    async with grants.held(tmp_path) as (world, core, card, change):
        view = await opened(world, "bob", card, "vps:approve_grant")
        await send(world, "bob", view, {**GRANT, **values})
        await world.slack.wait_for(lambda: "err_" in shown(world, "bob") or "grants shows" in shown(world, "bob"))
        words = shown(world, "bob")
        assert "internal error" not in words, words
        now = await core.changes.get(change.id, scope=OPERATOR)
        assert (now.state, now.votes) == (State.HELD, ())


@pytest.mark.parametrize(
    "edit",
    [{"n": ""}, {"n": "db01.example.com"}, {"n": ["web01.example.com"]}, {"n": None}],
    ids=repr,
)
async def test_an_override_with_another_name(tmp_path: Path, edit: dict[str, object]) -> None:
    """The name is compared with the stored change's, whatever the form says that it is."""
    async with overrides.asked(tmp_path) as (world, core, card):
        view = await opened(world, "alice", card, "vps:override")
        for typed in ("", "db01.example.com", "['web01.example.com']", "None"):
            await send(world, "alice", view, {"reason": overrides.REASON, "name": typed}, edit)
        assert (await overrides.the_change(core)).state is State.HELD
        assert world.effects("reboot") == 0


@pytest.mark.parametrize(
    "shape",
    [
        [],
        "x",
        {"name": []},
        {"name": "x"},
        {"reason": {"reason": {"value": 5}}},
        {"name": {"name": {"selected_option": "x"}}},
    ],
    ids=repr,
)
async def test_a_form_of_another_shape(tmp_path: Path, shape: Any) -> None:
    """It is refused at the door, or its fields are named as wrong."""
    async with overrides.asked(tmp_path) as (world, core, card):
        view = await opened(world, "alice", card, "vps:override")
        slack = world.slack
        payload = slack.payloads.view_submission(slack.desk.state.users["U0ALICE"], view, {})
        payload["view"]["state"] = {"values": shape}
        delivery = await slack.deliver("view_submission", "interactive", payload, {})
        assert all(attempt.status in {200, 400} for attempt in delivery.attempts), delivery
        assert (await overrides.the_change(core)).state is State.HELD


async def test_a_review_form_for_another_change(tmp_path: Path) -> None:
    """The open review stays open."""
    async with overrides.asked(tmp_path) as (world, core, card):
        await overrides.run_by_form(world, card)
        call = await world.card("approvals", words="un without approval: ")
        view = await opened(world, "bob", call, "vps:review")
        await send(world, "bob", view, {"reason": overrides.NOTE}, {"c": "chg_000000000000"})
        await world.slack.wait_for(lambda: "err_" in shown(world, "bob"))
        assert len(await core.changes.open_reviews(scope=OPERATOR)) == 1


@pytest.mark.parametrize("edit", [{"c": "chg_\x00"}, {"c": 5}, {"c": {"a": 1}}, {"c": "chg_\ud800"}], ids=repr)
@pytest.mark.parametrize("action", ["vps:deny", "vps:approve", "vps:approve_note", "vps:approve_grant"])
async def test_a_button_with_another_value(tmp_path: Path, action: str, edit: dict[str, object]) -> None:
    """Answered in words, and nothing is decided."""
    async with grants.held(tmp_path) as (world, core, card, change):
        await press(world, "bob", card, action, edit)
        await world.slack.wait_for(lambda: "err_" in shown(world, "bob"))
        assert "internal error" not in shown(world, "bob"), shown(world, "bob")
        now = await core.changes.get(change.id, scope=OPERATOR)
        assert (now.state, now.votes) == (State.HELD, ())


@pytest.mark.parametrize("edit", [{"g": "gr_\x00"}, {"g": 5}, {"g": "gr_\ud800"}, {"g": "x" * 1900}], ids=repr)
async def test_an_end_of_another_grant(tmp_path: Path, edit: dict[str, object]) -> None:
    """The open grant stays open."""
    async with grants.held(tmp_path) as (world, core, card, _):
        await grants.grant(world, card)
        line = await world.card("approvals", words="Allowed: Reboot web01.example.com")
        await press(world, "carol", line, "vps:grant_end", edit)
        await world.slack.wait_for(lambda: "err_" in shown(world, "carol"))
        assert "internal error" not in shown(world, "carol"), shown(world, "carol")
        assert len(await core.grants.list_open(scope=OPERATOR)) == 1
