"""An adversary's world: a bot, a provider and a workspace with people of other companies in its approval channel."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from tests.fakes.slack_bot import BotHarness, Scene, message_words, stage
from vpsops.bot.app import Bot
from vpsops.core.app import Core
from vpsops.core.changes.model import Change
from vpsops.core.changes.requests import Held, Request
from vpsops.core.changes.scope import OPERATOR
from vpsops.core.identity.actors import Actor, ActorKind, Origin
from vpsops.playground.slack.workspace.config import OUTSIDERS, WorkspaceConfig, connected
from vpsops.playground.slack.workspace.entities import Message

SCOPES: Final = ("channels:read", "groups:read", "users:read.email")
PRIVATE: Final = WorkspaceConfig().with_scopes(*SCOPES)
SHARED: Final = connected(PRIVATE, "approvals", *OUTSIDERS)
APPROVALS: Final = {"VPSOPS_APPROVAL_CHANNEL": "C0APPROVALS"}
SHARED_SCENE: Final = Scene(
    workspace=SHARED, settings={**APPROVALS, "VPSOPS_ACCEPT_APPROVERS": "shared-channels, public-channels"}
)
"""The channel is accepted as it is, so that only a person's identity keeps them out."""
PRIVATE_SCENE: Final = Scene(workspace=PRIVATE, settings=APPROVALS)
AGENT: Final = Actor(ActorKind.AGENT, "mcp:helper", "helper", "slack:U0ALICE")


@dataclass(frozen=True, slots=True)
class AdversaryEnvironment:
    """What a test acts on, with one change that waits for votes."""

    stage: BotHarness
    bot: Bot
    core: Core
    card: Message
    change: str

    async def settled(self) -> None:
        """Wait until the bot has nothing in hand."""
        assert await self.bot.inbox_worker.drain(60.0)

    async def held(self) -> Change:
        """Return the change, which must have run nowhere."""
        await self.settled()
        assert self.stage.effects("reboot") == 0
        return await self.core.changes.get(self.change, scope=OPERATOR)

    def private_words(self, user: str) -> str:
        """Return all that a person was shown in private."""
        slack = self.stage.slack
        return " ".join(message_words(item) for item in (*slack.ephemerals(user), *slack.direct_messages(user)))


@asynccontextmanager
async def world(
    directory: Path, scene: Scene = SHARED_SCENE, agent: Actor = AGENT
) -> AsyncIterator[AdversaryEnvironment]:
    """Have an agent of Alice's ask for a reboot, and wait for its card."""
    async with stage(directory, scene) as made, made.bot() as (bot, core):
        asked = Request("reboot", {"server": "web01"}, agent, Origin("mcp"), key="k1")
        outcome = await core.gate.submit(asked, scope=OPERATOR)
        assert isinstance(outcome, Held), outcome
        yield AdversaryEnvironment(
            made, bot, core, await made.card("approvals", words="waiting for approval"), outcome.change.id
        )


def with_settings(scene: Scene, **settings: str) -> Scene:
    """Return a scene with some settings more."""
    return replace(scene, settings={**scene.settings, **settings})
