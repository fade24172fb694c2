"""A confirmation through stdio and HTTP, by a dialog, a question as a result and a task: beside the card in Slack.

Whichever is answered first counts, the other closes, and a click of another person counts nowhere.
"""

import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import anyio
import httpx2
import mcp.types as t
import pytest
from mcp import Client, StdioServerParameters
from mcp.client.stdio import stdio_client
from mcp.client.streamable_http import streamable_http_client

from tests.e2e.test_slack_confirmations import BOTH, REBOOT, RULES, Dialog, SlackConfirmation, scene_of
from tests.fakes.slack_bot import BotHarness, buttons, stage
from tests.fakes.task_client import TakesTasks, ask, ended
from tests.fakes.timing import QUICK
from tests.harness.patience import PATIENCE_SECONDS
from tests.harness.tls import NO_TLS
from tests.harness.virtual_time import VirtualClock
from tests.unit.mcp_server.harness import ERAS, text
from tests.unit.mcp_server.http_harness import ANN_TOKEN, serving, with_tokens
from vpsops.core.app import Core, open_core
from vpsops.core.changes.model import State
from vpsops.mcp_server.auth.static_tokens import digest_of
from vpsops.playground.slack.workspace.entities import Message
from vpsops.playground.slack.workspace.state import MessageDraft

HTTP: Final = "http"
STDIO: Final = pytest.param("stdio", marks=[pytest.mark.slow, pytest.mark.real_time])
TASK_ERA: Final = "2026-07-28"
YES: Final = {"action": "accept", "content": {"confirm": True}}
DONE: Final = "Reboot web01.example.com: done"
ALICES: Final = f"""
[[token]]
sha256 = "{digest_of(ANN_TOKEN)}"
subject = "alice-laptop"
slack_user = "U0ALICE"
scopes = ["vps:write"]
"""


@dataclass
class Assistant(SlackConfirmation):
    """An assistant of Alice's behind a transport, with her dialog."""

    dialog: Dialog

    async def refuses_bob(self, card: Message) -> None:
        """Let Bob press a copy of Alice's button, and see that it counts nothing."""
        state = self.world.slack.desk.state
        draft = MessageDraft("C0OPS", self.world.slack.config.bot_user_id, card.text, card.blocks)
        await self.world.slack.click_stale("bob", state.post(draft, self.core.clock.now()), "vps:confirm")
        await self.world.private("bob", "can confirm this change")
        assert (await self.change()).state is State.HELD

    async def confirm_in_slack(self, card: Message) -> None:
        """Let Alice press the button on her card, and wait for the end."""
        await self.world.slack.click("alice", card, "vps:confirm")
        await self.dm(DONE)

    async def check_the_end(self) -> None:
        """See one reboot, confirmed once, and a card without buttons."""
        assert buttons(await self.dm(DONE)) == []
        assert (await self.events()).count("confirmed") == 1
        assert self.world.effects("reboot") == 1


@asynccontextmanager
async def _transport(kind: str, world: BotHarness, core: Core, directory: Path) -> AsyncIterator[Any]:
    """Yield what a client of Alice's connects to: a process of its own, or a server with her token."""
    if kind == "stdio":
        environment = {
            "PATH": "/usr/bin:/bin",
            "HOME": str(directory),
            "VPSOPS_ACTOR": "slack:U0ALICE",
            "VPSOPS_DATABASE_URL": core.settings.database_url,
            "VPSOPS_CONFIG": str(core.settings.config),
            "WAYSCLOUD_API_KEY": core.settings.api_key.get_secret_value() if core.settings.api_key else "",
            "WAYSCLOUD_API_URL": world.provider.url,
        }
        command, *arguments = (sys.executable, "-m", "vpsops", "mcp")
        yield stdio_client(StdioServerParameters(command=command, args=arguments, env=environment))
        return
    headers = {"Authorization": f"Bearer {ANN_TOKEN}"}
    async with (
        serving(core, with_tokens(core.settings, directory, ALICES)) as (site, _),
        httpx2.AsyncClient(headers=headers, timeout=PATIENCE_SECONDS, trust_env=False, verify=NO_TLS) as http,
    ):
        yield streamable_http_client(site.url, http_client=http)


@asynccontextmanager
async def assistant(directory: Path, kind: str, era: str, *, tasks: bool = False) -> AsyncIterator[Assistant]:
    """Run a bot, and an assistant of Alice's behind a real transport."""
    config = directory / "vpsops.toml"
    config.write_text(RULES + BOTH, encoding="utf-8")
    dialog = Dialog(anyio.Event(), anyio.Event())
    async with (
        stage(directory, scene_of(config)) as world,
        world.bot(),
        open_core(world.settings, front="mcp", clock=VirtualClock(), timing=QUICK) as core,
        _transport(kind, world, core, directory) as transport,
        Client(
            transport,
            mode=era,
            client_info=t.Implementation(name="helper", version="1"),
            elicitation_callback=dialog,
            read_timeout_seconds=PATIENCE_SECONDS,
            extensions=[TakesTasks()] if tasks else [],
        ) as client,
    ):
        yield Assistant(world, core, client, dialog)


@pytest.mark.requirement("agents-human-asked-in-slack")
@pytest.mark.parametrize("where", ["slack", "client"])
@pytest.mark.parametrize("era", ERAS)
@pytest.mark.parametrize("kind", [HTTP, STDIO])
async def test_dialog_and_card_are_offered_at_once_and_the_first_answer_counts(
    tmp_path: Path, kind: str, era: str, where: str
) -> None:
    """The dialog of a handshake's session is withdrawn; a stateless one's late yes gets the change that ran."""
    async with assistant(tmp_path, kind, era) as case, anyio.create_task_group() as group:
        results: list[t.CallToolResult] = []

        async def call() -> None:
            results.append(await case.client.call_tool("vps_reboot", REBOOT))

        group.start_soon(call)
        card = await case.dm()
        with anyio.fail_after(PATIENCE_SECONDS):
            await case.dialog.opened.wait()
        await case.refuses_bob(card)
        if where == "slack":
            await case.confirm_in_slack(card)
        if where == "client" or era != "legacy":
            case.dialog.answered.set()
        await case.check_the_end()
    assert case.dialog.closed is (where == "slack" and era == "legacy")
    assert "succeeded" in text(results[0])


@pytest.mark.requirement("agents-human-asked-in-slack")
@pytest.mark.parametrize("where", ["slack", "client"])
@pytest.mark.parametrize("kind", [HTTP, STDIO])
async def test_a_task_asks_beside_the_card_and_the_first_answer_counts(tmp_path: Path, kind: str, where: str) -> None:
    """The task carries the question until it is answered in either place; a later yes changes nothing."""
    async with assistant(tmp_path, kind, TASK_ERA, tasks=True) as case:
        session = case.client.session
        question = await session.call_tool("vps_reboot", REBOOT, allow_input_required=True, allow_claimed=True)
        assert isinstance(question, t.InputRequiredResult)
        card, task_id = await case.dm(), (await case.change()).id
        asked = await ask(case.client, "tasks/get", task_id)
        assert asked["status"] == "input_required"
        (key,) = asked["inputRequests"]
        await case.refuses_bob(card)
        if where == "slack":
            await case.confirm_in_slack(card)
        else:
            await ask(case.client, "tasks/update", task_id, inputResponses={key: YES})
        done = await ended(case.client, task_id, case.core.clock, within=PATIENCE_SECONDS)
        assert done["status"] == "completed"
        assert "inputRequests" not in done
        await ask(case.client, "tasks/update", task_id, inputResponses={key: YES})
        await case.check_the_end()
