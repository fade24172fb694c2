"""A running bot takes up rotated Slack secrets: the new one counts alone, and a wrong one changes nothing."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal
from urllib.parse import urlencode

import aiohttp
import pytest
from structlog.testing import capture_logs

from tests.fakes.slack_bot import BotHarness, Scene, stage
from tests.harness.patience import eventually
from vpsops.bot.app import Bot
from vpsops.core.app import Core
from vpsops.playground.slack.protocol.payloads import Payloads
from vpsops.playground.slack.workspace.config import WorkspaceConfig
from vpsops.playground.slack.workspace.protocol import signature

NAMES = {"signing": "SLACK_SIGNING_SECRET", "bot": "SLACK_BOT_TOKEN", "app": "SLACK_APP_TOKEN"}
SECOND_SIGNING = "another-signing-secret-0123456789"
SECOND_BOT, SECOND_APP = "xoxb-the-second-token", "xapp-the-second-token"


@dataclass(frozen=True, slots=True)
class Rotation:
    """A running bot whose secrets are in files."""

    world: BotHarness
    bot: Bot
    core: Core
    folder: Path

    async def rotate(self, name: str, value: str) -> bool:
        """Write another secret into its file and reload; return whether it was taken."""
        (self.folder / name).write_text(value)
        return await self.core.reloader.reload()

    def configure(self, config: WorkspaceConfig) -> None:
        """Let Slack accept other tokens, and no longer those before."""
        self.world.slack.desk.config = config

    async def post(self, secret: str) -> int:
        """Send a command that a secret signed; return the status."""
        desk = self.world.slack.desk
        alice, ops = desk.state.member("U0ALICE"), desk.state.visible(self.world.slack.channel_id("ops"))
        body = urlencode(Payloads(desk).slash(alice, ops, "/vps", "help")).encode()
        at = str(int(self.core.clock.now().timestamp()))
        headers = {
            "Content-Type": "application/x-www-form-urlencoded",
            "X-Slack-Request-Timestamp": at,
            "X-Slack-Signature": signature(secret, at, body),
        }
        url = self.world.slack.http.url or ""
        async with aiohttp.ClientSession() as session, session.post(url, data=body, headers=headers) as answer:
            return answer.status


@asynccontextmanager
async def rotation(tmp_path: Path, transport: Literal["http", "socket"] = "http") -> AsyncIterator[Rotation]:
    """Start a bot with its secrets in files."""
    files = {f"{variable}_FILE": str(tmp_path / name) for name, variable in NAMES.items()}
    async with stage(tmp_path, Scene(transport=transport, settings=dict.fromkeys(NAMES.values(), "") | files)) as world:
        config = world.slack.config
        (tmp_path / "signing").write_text(config.signing_secret)
        (tmp_path / "bot").write_text(config.bot_token)
        (tmp_path / "app").write_text(config.app_token)
        async with world.bot() as (bot, core):
            await bot.context.membership.tenant()  # each request that comes in needs it
            yield Rotation(world, bot, core, tmp_path)


@pytest.mark.requirement("reload-secrets")
async def test_only_what_the_new_secret_signed_is_let_in(tmp_path: Path) -> None:
    async with rotation(tmp_path) as running:
        old = running.world.slack.config.signing_secret
        assert await running.post(old) == 200
        assert await running.post(SECOND_SIGNING) == 401
        assert await running.rotate("signing", SECOND_SIGNING)
        assert await running.post(SECOND_SIGNING) == 200
        assert await running.post(old) == 401


@pytest.mark.requirement("reload-secrets")
async def test_the_next_call_to_slack_carries_the_new_bot_token(tmp_path: Path) -> None:
    async with rotation(tmp_path) as running:
        running.configure(replace(running.world.slack.config, bot_token=SECOND_BOT))
        with capture_logs() as lines:
            assert await running.rotate("bot", SECOND_BOT)
        assert (await running.bot.context.slack.get("auth.test", {}))["ok"]
        assert "second-token" not in str(lines)


async def test_a_bot_token_that_slack_does_not_accept_changes_nothing(tmp_path: Path) -> None:
    """Nor does the signing secret of the same reload."""
    async with rotation(tmp_path) as running:
        old = running.world.slack.config.signing_secret
        (running.folder / "signing").write_text(SECOND_SIGNING)
        with capture_logs() as lines:
            assert not await running.rotate("bot", "xoxb-not-a-token-of-this-workspace")
        assert "Slack does not accept SLACK_BOT_TOKEN (invalid_auth)." in str(lines)
        assert await running.post(old) == 200
        assert (await running.bot.context.slack.get("auth.test", {}))["ok"]


async def test_a_bot_token_of_another_workspace_changes_nothing(tmp_path: Path) -> None:
    async with rotation(tmp_path) as running:
        running.configure(replace(running.world.slack.config, bot_token=SECOND_BOT, team_id="T0ELSEWHERE"))
        with capture_logs() as lines:
            assert not await running.rotate("bot", SECOND_BOT)
        assert "of another workspace or app" in str(lines)


@pytest.mark.requirement("reload-secrets")
async def test_the_line_is_opened_again_by_the_new_app_token(tmp_path: Path) -> None:
    async with rotation(tmp_path, "socket") as running:
        running.configure(replace(running.world.slack.config, app_token=SECOND_APP))
        slack = running.world.slack
        opened = len(slack.calls("apps.connections.open"))
        assert await running.rotate("app", SECOND_APP)
        await eventually(lambda: len(slack.calls("apps.connections.open")) >= opened + 2)  # one checks the token
        assert not await running.rotate("app", "xapp-not-a-token")
