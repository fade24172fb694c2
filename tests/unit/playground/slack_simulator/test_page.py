"""The page of `vpsops slack-simulator`: what it shows, who may ask it, and what it carries out."""

import json
from collections.abc import AsyncIterator
from dataclasses import dataclass

import aiohttp
import pytest

from tests.harness.virtual_time import VirtualClock
from vpsops.playground.slack.people.model import SimulatedWorkspace
from vpsops.playground.slack.serve import running_workspace
from vpsops.playground.slack.workspace.config import WorkspaceConfig
from vpsops.playground.slack_simulator.page import WorkspacePage
from vpsops.playground.web import manifest


@dataclass
class Visit:
    """A served page, and a visitor."""

    workspace: SimulatedWorkspace
    http: aiohttp.ClientSession

    async def post(self, path: str, body: object, **headers: str) -> tuple[int, str]:
        data = body if isinstance(body, str) else json.dumps(body)
        sent = {"Content-Type": "application/json", **headers}
        async with self.http.post(f"{self.workspace.base_url}{path}", data=data, headers=sent) as answer:
            return answer.status, await answer.text()

    async def get(self, path: str, **headers: str) -> tuple[int, str]:
        async with self.http.get(f"{self.workspace.base_url}{path}", headers=headers) as answer:
            return answer.status, await answer.text()


@pytest.fixture
async def visit() -> AsyncIterator[Visit]:
    page = WorkspacePage(manifest.text(), VirtualClock())
    async with (
        running_workspace(WorkspaceConfig(), VirtualClock(), VirtualClock(), page.extend) as workspace,
        aiohttp.ClientSession() as http,
    ):
        yield Visit(workspace, http)
        page.feed.close()


async def test_the_page_knows_what_connects_an_app(visit: Visit) -> None:
    """Tokens, ids of channels and people, and the app's commands; people who left are not listed."""
    world = json.loads((await visit.get("/api/world"))[1])
    assert world["kind"] == "workspace"
    assert world["variables"]["SLACK_API_URL"] == visit.workspace.api_url
    assert {"C0OPS", "C0OLD"} <= {room["id"] for room in world["rooms"]}
    assert "U0ERIN" not in {row["id"] for row in world["people"]}
    assert world["commands"][0]["command"] == "/vps"


async def test_the_page_and_its_scripts_are_served(visit: Visit) -> None:
    """With the headers of a page that loads from itself alone."""
    async with visit.http.get(visit.workspace.base_url) as answer:
        assert '<div id="app">' in await answer.text()
        assert answer.headers["Content-Security-Policy"].startswith("default-src 'none'")
    assert (await visit.get("/static/js/main.js"))[0] == 200
    assert (await visit.get("/static/../page.py"))[0] == 404


@pytest.mark.parametrize(
    "headers", [{"Origin": "http://evil.example"}, {"Origin": "null"}, {"Host": "evil.example"}, {"Host": ""}]
)
@pytest.mark.parametrize("path", ["/api/slack/say", "/_sim/say", "/api/chat.postMessage"])
async def test_another_page_cannot_use_it(visit: Visit, headers: dict[str, str], path: str) -> None:
    """Nor by a name that leads to this machine."""
    status, _ = await visit.post(path, {"user": "alice", "channel": "ops", "text": "x"}, **headers)
    assert status in {400, 403}
    assert visit.workspace.messages("ops") == []


async def test_a_form_of_another_page_is_no_order(visit: Visit) -> None:
    """An order is JSON, which a page elsewhere cannot send unasked."""
    body = json.dumps({"user": "alice", "channel": "ops", "text": "x"})
    status, _ = await visit.post("/api/slack/say", body, **{"Content-Type": "text/plain"})
    assert status == 403
    assert visit.workspace.messages("ops") == []


async def test_a_member_invites_the_app(visit: Visit) -> None:
    """Into a channel that they are in, by its name."""
    order = {"user": "U0ALICE", "channel": "C0SECRET", "member": "vpsops"}
    assert (await visit.post("/api/slack/invite", order | {"user": "U0BOB"}))[0] == 422
    assert visit.workspace.config.bot_user_id not in visit.workspace.desk.state.channels["C0SECRET"].members
    assert (await visit.post("/api/slack/invite", order))[0] == 200
    assert visit.workspace.config.bot_user_id in visit.workspace.desk.state.channels["C0SECRET"].members
    status, text = await visit.post("/api/slack/invite", order | {"member": "stranger"})
    assert status == 404
    assert "stranger" in text


@pytest.mark.parametrize(("order", "status"), [("connect", 200), ("token", 403), ("archive", 403), ("sing", 404)])
async def test_the_page_sets_the_request_url_and_takes_nothing_apart(visit: Visit, order: str, status: int) -> None:
    got, _ = await visit.post(f"/api/slack/{order}", {"request_url": "http://127.0.0.1:1/slack"})
    assert got == status


async def test_the_events_are_of_one_person(visit: Visit) -> None:
    """Another person's screen is not among them; a stranger has none."""
    await visit.workspace.show_app(visit.workspace.say("alice", "secret", "for alice alone"))
    assert (await visit.get("/api/events?user=U0NONE"))[0] == 422
    for user, sees in (("U0ALICE", True), ("U0BOB", False)):
        async with visit.http.get(f"{visit.workspace.base_url}/api/events?user={user}") as answer:
            text = ""
            while "event: sent" not in text:
                text += (await answer.content.readany()).decode()
        assert ("for alice alone" in text) is sees
        assert "waiting for an app" in text
