"""What Bolt is handed: payloads that were verified before it, each to what answers its kind; nothing else enters."""

import json
import sqlite3
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, closing
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import httpx
import pytest
from slack_bolt.async_app import AsyncBoltRequest

from tests.fakes.slack_bot import Scene, stage
from vpsops.bot.app import PATH, Bot
from vpsops.bot.ingress.request_verification import PARSED_PAYLOAD
from vpsops.core.app import Core
from vpsops.playground.slack.workspace.protocol import signature

FORM = "application/x-www-form-urlencoded"
COMMAND = {
    "command": "/vps",
    "user_id": "U0ALICE",
    "team_id": "T0ACME",
    "channel_id": "C0OPS",
    "trigger_id": "1.2.3",
    "text": "list",
}
CLICK = {"type": "block_actions", "user": {"id": "U0ALICE"}, "actions": [{"action_id": "a", "block_id": "b"}]}
OPENED = {"type": "event_callback", "event_id": "Ev1", "event": {"type": "app_home_opened", "user": "U0ALICE"}}
CHALLENGE = {"type": "url_verification", "challenge": "c0ffee", "token": "t"}


def form(value: Mapping[str, Any]) -> str:
    """Return a command or an interaction as a form."""
    return urlencode(value if "command" in value else {"payload": json.dumps(value)})


def signed(bot: Bot, core: Core, body: str, kind: str = FORM) -> dict[str, str]:
    """Return headers that sign a body with the app's own secret, now."""
    at = str(int(core.clock.now().timestamp()))
    signs = signature(bot.secrets.signing_secret, at, body.encode())
    return {"Content-Type": kind, "X-Slack-Request-Timestamp": at, "X-Slack-Signature": signs}


@asynccontextmanager
async def serving(folder: Path) -> AsyncIterator[tuple[Bot, Core]]:
    """Run a bot that takes requests over HTTP."""
    async with stage(folder, Scene(transport="http")) as world, world.bot() as (bot, core):
        yield bot, core


def stored(folder: Path) -> int:
    """Return how many deliveries were stored, finished or not."""
    with closing(sqlite3.connect(folder / "bot.sqlite3")) as database:
        return int(database.execute("SELECT count(*) FROM inbox").fetchone()[0])


async def post(bot: Bot, core: Core, body: str, kind: str = FORM) -> httpx.Response:
    """Send a signed request through all that stands before Bolt."""
    async with httpx.AsyncClient(transport=httpx.ASGITransport(bot.asgi), base_url="http://bot.test") as client:
        return await client.post(PATH, content=body, headers=signed(bot, core, body, kind))


@pytest.mark.parametrize("body", [form(COMMAND), form(CLICK), json.dumps(OPENED), json.dumps(CHALLENGE), ""])
@pytest.mark.parametrize("context", [{}, {PARSED_PAYLOAD: None}, {PARSED_PAYLOAD: COMMAND}])
@pytest.mark.requirement("slack-signed-only")
async def test_what_did_not_pass_the_verification_is_refused_by_the_app_itself(
    tmp_path: Path, body: str, context: dict[str, Any]
) -> None:
    """A body alone does nothing, were it signed: only a payload that was parsed from verified bytes is acted on."""
    async with serving(tmp_path) as (bot, core):
        request = AsyncBoltRequest(body=body, headers=dict(signed(bot, core, body)), context=context)
        assert (await bot.bolt.async_dispatch(request)).status == 401
        assert stored(tmp_path) == 0


async def test_the_check_of_the_address_is_answered_with_its_challenge(tmp_path: Path) -> None:
    """Bolt's own middleware answers it."""
    async with serving(tmp_path) as (bot, core):
        answer = await post(bot, core, json.dumps(CHALLENGE), "application/json")
        assert (answer.status_code, answer.json()) == (200, {"challenge": "c0ffee"})


@pytest.mark.parametrize(
    ("body", "says"),
    [
        (form(COMMAND | {"command": "/other"}), "Unknown command. Nothing was done."),
        (form(CLICK | {"type": "interactive_message"}), ""),
        (form({"type": "view_closed", "user": {"id": "U0ALICE"}, "view": {"id": "V1"}}), ""),
        (json.dumps(OPENED | {"event": {"type": "team_join"}}), ""),
        (json.dumps(OPENED | {"event": {"type": ["app_home_opened"]}}), ""),
        (json.dumps(OPENED | {"event": {"type": "app_home_opened", "tab": "messages"}}), ""),
    ],
)
async def test_what_asks_for_nothing_of_ours_is_acknowledged_and_not_stored(
    tmp_path: Path, body: str, says: str
) -> None:
    """Slack would send it again, or show an error, without an acknowledgement."""
    async with serving(tmp_path) as (bot, core):
        answer = await post(bot, core, body, "application/json" if body.startswith("{") else FORM)
        assert answer.status_code == 200
        assert says in answer.text
        assert stored(tmp_path) == 0


@pytest.mark.parametrize("body", [form(COMMAND), form(CLICK), json.dumps(OPENED)])
async def test_what_asks_for_something_is_stored_before_it_is_acknowledged(tmp_path: Path, body: str) -> None:
    """Also a click on a control that is not ours: its handler says so."""
    async with serving(tmp_path) as (bot, core):
        answer = await post(bot, core, body, "application/json" if body.startswith("{") else FORM)
        assert answer.status_code == 200
        assert stored(tmp_path) == 1
