"""Stores the app's installations with Slack's SDK stores in our database; tokens are encrypted."""

import hashlib
import secrets
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from copy import copy
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final, TypeVar

import sqlalchemy as sa
import structlog
from slack_bolt.error import BoltError
from slack_sdk.oauth.installation_store import Bot, Installation
from slack_sdk.oauth.installation_store.async_installation_store import AsyncInstallationStore
from slack_sdk.oauth.installation_store.sqlalchemy import SQLAlchemyInstallationStore
from slack_sdk.oauth.state_store.async_state_store import AsyncOAuthStateStore
from slack_sdk.oauth.state_store.sqlalchemy import SQLAlchemyOAuthStateStore
from sqlalchemy.engine import Connection

from vpsops.bot.protocol.logging import slack_logger
from vpsops.bot.workspaces.token_encryption import TokenCipher
from vpsops.core.common import timings
from vpsops.core.common.clock import Clock
from vpsops.core.common.errors import StorageError, UnreadableRowError
from vpsops.core.common.text import comma_separated
from vpsops.core.config.settings import Settings
from vpsops.core.storage import rows
from vpsops.core.workspaces.model import teams_of
from vpsops.core.workspaces.slack_tables import SlackTables

STATE_SECONDS: Final = timings.INSTALL_SECONDS
"""Maximum time between "Add to Slack" and the redirect back."""
UNDECRYPTED: Final = "cannot be decrypted by the keys of this process"
MAX_STATES: Final = 10_000
"""Maximum number of pending installations, which bounds the table against floods of requests."""

T = TypeVar("T")
logger = structlog.get_logger(__name__)


class InstallRefusedError(BoltError):
    """The workspace may not install the app; the message explains why to the installing user."""


@dataclass(frozen=True, slots=True)
class InstalledWorkspace:
    """A workspace that has the app, with its bot token."""

    team: str
    name: str
    token: str
    old_key: bool = False  # encrypted with another key than the first, or in the first format


class TokenUnreadableError(UnreadableRowError):
    """No key of this process decrypts the workspace's token; a process that has the key can use it."""

    def __init__(self, team: str) -> None:
        super().__init__(team, UNDECRYPTED)
        self.message = f"The token of {team} {UNDECRYPTED}."
        self.hint = (
            "Name the key that encrypted it in VPSOPS_STATE_KEY too, after the newest, or install the app again."
        )


class _OpenTransaction:
    """Engine substitute for the SDK's store: uses the connection of an open transaction."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    @contextmanager
    def begin(self) -> Iterator[Connection]:
        yield self._connection

    connect = begin


class Installations(AsyncInstallationStore):
    """Installations by workspace id. Org-wide installations are refused, so the id is unique."""

    def __init__(self, tables: SlackTables, clock: Clock, settings: Settings, cipher: TokenCipher) -> None:
        self._tables = tables
        self._clock = clock
        self._cipher = cipher
        self._client = settings.slack_client_id
        self._teams = frozenset(teams_of(settings))
        self._store = SQLAlchemyInstallationStore(self._client, None, logger=slack_logger)  # type: ignore[arg-type]

    async def async_save(self, installation: Installation) -> None:
        """Store a workspace's installation, replacing an earlier one; raises `InstallRefusedError`."""
        why = refusal_reason(installation, self._teams)
        if why:
            raise InstallRefusedError(why)
        kept = self._encrypted(installation)

        def work(store: SQLAlchemyInstallationStore) -> None:
            store.delete_all(enterprise_id=None, team_id=kept.team_id)
            store.save(kept)

        try:
            await self._change(work)
        except StorageError as error:
            raise BoltError(error.message) from error
        logger.info("workspace_installed", team=kept.team_id, name=kept.team_name)

    async def of(self, team: str) -> InstalledWorkspace | None:
        """Return a workspace's current installation, or None; raises `StorageError`.

        Raises its subclass `UnreadableRowError` if the row exists but cannot be read or its token cannot be
        decrypted: unreadable is not absent.
        """
        if team not in self._teams:
            return None
        bot = await self._bot(team)
        if bot is None:
            return None
        token = self._cipher.decrypt(bot.bot_token, self._about(team))
        if token is None:
            rows.note(rows.UnreadableRow("slack_bots", team, UNDECRYPTED))
            raise TokenUnreadableError(team)
        return InstalledWorkspace(team, bot.team_name or "", token, old_key=not self._cipher.is_current(bot.bot_token))

    async def _bot(self, team: str) -> Bot | None:
        try:
            return await self._read(lambda store: store.find_bot(enterprise_id=None, team_id=team))
        except StorageError:
            raise
        except Exception as error:
            row = rows.UnreadableRow("slack_bots", team, type(error).__name__)
            rows.note(row)
            raise row.error from error

    async def token(self, team: str) -> str | None:
        """Return a workspace's current token, or None if it does not have the app; raises `StorageError`."""
        installed = await self.of(team)
        return installed.token if installed else None

    async def teams(self) -> list[str]:
        """Return the ids of allowed workspaces that have the app; raises `StorageError`."""
        table = self._store.bots
        query = sa.select(table.c.team_id).where(table.c.client_id == self._client).order_by(table.c.team_id)
        installed = await self._tables.read(lambda connection: connection.execute(query).scalars().all())
        return [str(team) for team in installed if team in self._teams]

    async def reencrypt(self) -> int:
        """Re-encrypt tokens that do not use the first key and the current format; return how many were changed.

        Tokens that no key of this process decrypts, and rows that change concurrently, are left unchanged.
        Raises `StorageError`.
        """

        def work(connection: Connection) -> int:
            return sum(self._reencrypt(connection, table) for table in (self._store.bots, self._store.installations))

        changed = await self._tables.change(work)
        if changed:
            logger.info("tokens_reencrypted", rows=changed)
        return changed

    def _reencrypt(self, connection: Connection, table: sa.Table) -> int:
        query = sa.select(table.c.id, table.c.team_id, table.c.bot_token).where(table.c.client_id == self._client)
        changed = 0
        for row in connection.execute(query.order_by(table.c.id)).all():
            stored, about = row.bot_token or "", self._about(row.team_id)
            token = None if self._cipher.is_current(stored) else self._cipher.decrypt(stored, about)
            if token is not None:
                same = (table.c.id == row.id, table.c.bot_token == row.bot_token)
                changed += connection.execute(
                    sa.update(table).where(*same).values(bot_token=self._cipher.encrypt(token, about))
                ).rowcount
        return changed

    async def removed(self, team: str, at: float) -> bool:
        """Delete a workspace's installation unless it is newer than the removal `at` (Unix time); return whether."""

        def work(store: SQLAlchemyInstallationStore) -> bool:
            installed = store.find_bot(enterprise_id=None, team_id=team)
            if installed is None or installed.installed_at > at + 1:  # Slack's timestamps are whole seconds
                return False
            store.delete_all(enterprise_id=None, team_id=team)
            return True

        gone = await self._change(work)
        if gone:
            logger.warning("workspace_uninstalled", team=team)
        return gone

    def _encrypted(self, installation: Installation) -> Installation:
        """Return the stored form: no user token, no webhook, the bot token encrypted."""
        about = self._about(str(installation.team_id))
        return Installation(
            app_id=installation.app_id or "",
            team_id=installation.team_id,
            team_name=(installation.team_name or "")[:200],
            bot_token=self._cipher.encrypt(installation.bot_token or "", about),
            bot_id=installation.bot_id,
            bot_user_id=installation.bot_user_id,
            bot_scopes=installation.bot_scopes or "",
            user_id=installation.user_id,
            token_type=installation.token_type,
            installed_at=self._clock.now().timestamp(),
        )

    def _about(self, team: str) -> str:
        return f"{self._client}/{team}"

    async def _change(self, work: Callable[[SQLAlchemyInstallationStore], T]) -> T:
        return await self._tables.change(lambda connection: work(self._at(connection)))

    async def _read(self, work: Callable[[SQLAlchemyInstallationStore], T]) -> T:
        return await self._tables.read(lambda connection: work(self._at(connection)))

    def _at(self, connection: Connection) -> SQLAlchemyInstallationStore:
        store = copy(self._store)
        store.engine = _OpenTransaction(connection)  # type: ignore[assignment]
        return store


def refusal_reason(installation: Installation, teams: frozenset[str]) -> str:
    """Return why an installation is refused, or ""."""
    if installation.is_enterprise_install or not installation.team_id:
        return "The app is for single workspaces, not for a whole organisation. Choose one workspace and try again."
    if installation.team_id not in teams:
        return (
            f"The workspace {installation.team_id} is not among those that may install the app. "
            "Ask the operator to add the workspace to VPSOPS_SLACK_TEAMS."
        )
    if installation.bot_refresh_token or installation.bot_token_expires_at:
        return "The app's tokens expire, which is not supported. Turn token rotation off in the app's settings."
    if not installation.bot_token or not installation.user_id:
        return "Slack gave no token for the bot. Try again."
    return ""


class OAuthStates(AsyncOAuthStateStore):
    """OAuth states of pending installations. Each can be consumed once, across all processes."""

    def __init__(self, tables: SlackTables, clock: Clock) -> None:
        self._tables = tables
        self._clock = clock
        self._table: Any = SQLAlchemyOAuthStateStore.build_oauth_states_table(sa.MetaData(), "slack_oauth_states")

    async def async_issue(self, *_: Any, **__: Any) -> str:
        """Issue a state; raises `InstallRefusedError` if too many are pending, `StorageError`."""
        state = secrets.token_urlsafe(32)
        table, now = self._table, self._now()

        def work(connection: Connection) -> bool:
            connection.execute(sa.delete(table).where(table.c.expire_at <= now))
            if (connection.scalar(sa.select(sa.func.count()).select_from(table)) or 0) >= MAX_STATES:
                return False
            until = now + timedelta(seconds=STATE_SECONDS)
            connection.execute(sa.insert(table).values(state=_hash(state), expire_at=until))
            return True

        if not await self._tables.change(work):
            raise InstallRefusedError("Too many installations are under way. Try again in ten minutes.")
        return state

    async def async_consume(self, state: str) -> bool:
        """Consume a state; return whether it was issued here, unused and not expired."""
        table, now = self._table, self._now()
        query = sa.delete(table).where(table.c.state == _hash(state), table.c.expire_at > now)
        return await self._tables.change(lambda connection: connection.execute(query).rowcount == 1)

    def _now(self) -> datetime:
        return self._clock.now().astimezone(UTC).replace(tzinfo=None)


def _hash(state: str) -> str:
    """Hash a state, so that read access to the database does not allow completing an installation."""
    return hashlib.sha256(state.encode()).hexdigest()


def encryption_keys(settings: Settings) -> Sequence[str]:
    """Return the decryption keys; the first one encrypts."""
    installation = settings.state_key.get_secret_value() if settings.state_key else ""
    return comma_separated(installation)
