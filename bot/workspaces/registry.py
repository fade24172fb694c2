"""Sessions by workspace: the single workspace of SLACK_BOT_TOKEN, or every workspace that installed the app."""

from dataclasses import dataclass
from typing import Protocol

import aiohttp
import structlog
from cachetools import LRUCache

from vpsops.bot.slack_api.client import SlackClient
from vpsops.bot.workspaces.membership import Membership
from vpsops.core.app import Core
from vpsops.core.common.errors import VpsopsError

SESSIONS_KEPT = 500

logger = structlog.get_logger(__name__)


class NotInstalledError(VpsopsError):
    """The workspace does not have the app, or no longer has it."""


@dataclass(frozen=True, slots=True)
class WorkspaceSession:
    """The bot's services for one workspace: core, Slack client, membership."""

    core: Core
    slack: SlackClient
    membership: Membership


class WorkspaceSessions(Protocol):
    """Finds the session of a workspace."""

    async def of(self, team: str) -> WorkspaceSession:
        """Return the current session; raises `NotInstalledError`, `StorageError`."""

    async def gone(self, team: str, token: str) -> bool:
        """Record that Slack rejects a workspace's token; return whether it was the latest. Raises `StorageError`."""

    async def removed(self, team: str, at: float) -> None:
        """Record that a workspace removed the app `at` a Unix time; raises `StorageError`."""


class SingleWorkspace:
    """The workspace of SLACK_BOT_TOKEN; all requests belong to it."""

    def __init__(self, office: WorkspaceSession) -> None:
        self._office = office

    async def of(self, team: str) -> WorkspaceSession:
        """Return the session."""
        del team
        return self._office

    async def gone(self, team: str, token: str) -> bool:
        """Do nothing: the operator has to set another token."""
        del team, token
        return False

    async def removed(self, team: str, at: float) -> None:
        """Log the removal: the operator has to install the app again."""
        del at
        logger.error("workspace_uninstalled", team=team, hint="Install it again and set SLACK_BOT_TOKEN.")


def single_workspace(core: Core, slack: SlackClient) -> SingleWorkspace:
    """Return the sessions of a bot with one token."""
    return SingleWorkspace(WorkspaceSession(core, slack, membership_of(core, slack)))


def membership_of(core: Core, slack: SlackClient) -> Membership:
    """Return who people are in a workspace, as its settings accept approvers."""
    return Membership(slack, core.clock, lambda: core.settings.accepted_approvers)


class TokenStore(Protocol):
    """Stores the tokens of workspaces."""

    async def token(self, team: str) -> str | None:
        """Return a workspace's current token, or None; raises `StorageError`."""

    async def removed(self, team: str, at: float) -> bool:
        """Delete a workspace unless it installed the app after that time; raises `StorageError`."""


class InstalledWorkspaces:
    """All workspaces that installed the app. Reads the store on every call, so that removals apply immediately."""

    def __init__(self, core: Core, session: aiohttp.ClientSession, store: TokenStore) -> None:
        self._core = core
        self._session = session
        self._store = store
        self._open: LRUCache[str, tuple[str, WorkspaceSession]] = LRUCache(SESSIONS_KEPT)

    async def of(self, team: str) -> WorkspaceSession:
        """Return a workspace's session; raises `NotInstalledError`."""
        token = await self._store.token(team) if team else None
        if token is None:
            self._open.pop(team, None)
            raise NotInstalledError(f"The workspace {team[:40]} does not have the app.", hint="Install it there again.")
        known, office = self._open.get(team, ("", None))
        if office is None or known != token:
            office = self._opened(team, token)
            self._open[team] = token, office
        return office

    async def gone(self, team: str, token: str) -> bool:
        """Delete a workspace with a token that Slack rejects, unless a newer token is stored."""
        if await self._store.token(team) not in {token, None}:
            return False
        await self.removed(team, self._core.clock.now().timestamp())
        return True

    async def removed(self, team: str, at: float) -> None:
        """Delete a workspace that removed the app, unless it has installed it again."""
        if await self._store.removed(team, at):
            self._open.pop(team, None)

    def _opened(self, team: str, token: str) -> WorkspaceSession:
        core = self._core.within(team)
        slack = SlackClient(core.settings, self._session, token, telemetry=core.telemetry)
        return WorkspaceSession(core, slack, membership_of(core, slack))
