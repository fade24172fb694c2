"""Where the bot speaks: in the one workspace of its token, or in each that installed it, with that one's own token."""

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
    """A workspace does not have the app (any more), so nothing can be said there."""


@dataclass(frozen=True, slots=True)
class WorkspaceSession:
    """One workspace as the bot works in it: its changes, channels, token and people."""

    core: Core
    slack: SlackClient
    membership: Membership


class WorkspaceSessions(Protocol):
    """Finds the office of a workspace."""

    async def of(self, team: str) -> WorkspaceSession:
        """Return it as it is now; raises `NotInstalledError`, `StorageError`."""

    async def gone(self, team: str, token: str) -> bool:
        """Note that Slack takes a token of a workspace no more; say whether it was its last. Raises `StorageError`."""

    async def removed(self, team: str, at: float) -> None:
        """Note that a workspace removed the app at some time (seconds since 1970); raises `StorageError`."""


class SingleWorkspace:
    """The one workspace of SLACK_BOT_TOKEN: whatever arrives is its."""

    def __init__(self, office: WorkspaceSession) -> None:
        self._office = office

    async def of(self, team: str) -> WorkspaceSession:
        """Return it."""
        del team
        return self._office

    async def gone(self, team: str, token: str) -> bool:
        """Keep the token: whoever runs the bot has to set another one."""
        del team, token
        return False

    async def removed(self, team: str, at: float) -> None:
        """Say so in the log: whoever runs the bot has to install the app anew."""
        del at
        logger.error("the workspace removed the app", team=team, hint="Install it anew and set SLACK_BOT_TOKEN.")


class TokenStore(Protocol):
    """Where tokens are kept."""

    async def token(self, team: str) -> str | None:
        """Return a workspace's token as it is now, if it has the app; raises `StorageError`."""

    async def removed(self, team: str, at: float) -> bool:
        """Forget a workspace unless it installed the app after that time; raises `StorageError`."""


class InstalledWorkspaces:
    """All workspaces that installed the app. Each time the store is asked, so that a removed one is left at once."""

    def __init__(self, core: Core, session: aiohttp.ClientSession, store: TokenStore) -> None:
        self._core = core
        self._session = session
        self._store = store
        self._open: LRUCache[str, tuple[str, WorkspaceSession]] = LRUCache(SESSIONS_KEPT)

    async def of(self, team: str) -> WorkspaceSession:
        """Return a workspace's office; raises `NotInstalledError`."""
        token = await self._store.token(team) if team else None
        if token is None:
            self._open.pop(team, None)
            raise NotInstalledError(f"The workspace {team[:40]} does not have the app.", hint="Install it there anew.")
        known, office = self._open.get(team, ("", None))
        if office is None or known != token:
            office = self._opened(team, token)
            self._open[team] = token, office
        return office

    async def gone(self, team: str, token: str) -> bool:
        """Forget a workspace whose token Slack takes no more, unless it has another one by now."""
        if await self._store.token(team) not in {token, None}:
            return False
        await self.removed(team, self._core.clock.now().timestamp())
        return True

    async def removed(self, team: str, at: float) -> None:
        """Forget a workspace that removed the app, unless it has it anew."""
        if await self._store.removed(team, at):
            self._open.pop(team, None)

    def _opened(self, team: str, token: str) -> WorkspaceSession:
        core = self._core.within(team)
        slack = SlackClient(core.settings, self._session, token)
        return WorkspaceSession(core, slack, Membership(slack, core.clock, lambda: core.settings.accepted_approvers))
