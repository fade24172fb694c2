"""Which workspaces installed the app, by Slack's own stores on our database: one transaction each, tokens encrypted."""

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
from vpsops.core.config.settings import Settings
from vpsops.core.storage import Database, rows
from vpsops.core.workspaces.model import teams_of

STATE_SECONDS: Final = timings.INSTALL_SECONDS
"""How long somebody may take between pressing "Add to Slack" and coming back."""
UNDECRYPTED: Final = "cannot be decrypted by the keys of this process"
MAX_STATES: Final = 10_000
"""So many installations may be under way; whoever asks for pages by the million fills no disk."""

T = TypeVar("T")
logger = structlog.get_logger(__name__)


class InstallRefusedError(BoltError):
    """A workspace may not install the app; the text says why, for whoever tried."""


@dataclass(frozen=True, slots=True)
class InstalledWorkspace:
    """A workspace that the bot may speak in."""

    team: str
    name: str
    token: str
    old_key: bool = False  # encrypted by another key than the first, or in the first format


class TokenUnreadableError(UnreadableRowError):
    """A workspace's token cannot be decrypted by the keys of this process; one that has the key takes it up."""

    def __init__(self, team: str) -> None:
        super().__init__(team, UNDECRYPTED)
        self.message = f"The token of {team} {UNDECRYPTED}."
        self.hint = "Name the key that encrypted it in VPSOPS_STATE_KEY too, after the newest, or install the app anew."


class _OpenTransaction:
    """What Slack's store takes for an engine: the connection of a transaction that is under way."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    @contextmanager
    def begin(self) -> Iterator[Connection]:
        yield self._connection

    connect = begin


class Installations(AsyncInstallationStore):
    """One row for each workspace. Org-wide installations are refused, so a workspace's id is enough to find it."""

    def __init__(self, database: Database, clock: Clock, settings: Settings, cipher: TokenCipher) -> None:
        self._database = database
        self._clock = clock
        self._cipher = cipher
        self._client = settings.slack_client_id
        self._teams = frozenset(teams_of(settings))
        self._store = SQLAlchemyInstallationStore(self._client, None, logger=slack_logger)  # type: ignore[arg-type]

    async def async_save(self, installation: Installation) -> None:
        """Keep a workspace's installation in the place of an earlier one; raises `InstallRefusedError`."""
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
        logger.info("workspace installed the app", team=kept.team_id, name=kept.team_name)

    async def of(self, team: str) -> InstalledWorkspace | None:
        """Return a workspace's name and token as they are now, if it may have the app; raises `StorageError`.

        `UnreadableRowError` is one: that an installation cannot be read, or its token not be decrypted by the keys of
        this process, does not say that there is none.
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
        """Return a workspace's token as it is now, if it has the app; raises `StorageError`."""
        found = await self.of(team)
        return found.token if found else None

    async def teams(self) -> list[str]:
        """Return the workspaces that have the app and may have it; raises `StorageError`."""
        table = self._store.bots
        query = sa.select(table.c.team_id).where(table.c.client_id == self._client).order_by(table.c.team_id)
        found = await self._database.read(lambda connection: connection.execute(query).scalars().all())
        return [str(item) for item in found if item in self._teams]

    async def reencrypt(self) -> int:
        """Encrypt all tokens that are not by the first key and in the present format; return how many; `StorageError`.

        What no key of this process decrypts stays as it is. A row that changes meanwhile is left to who changed it.
        """

        def work(connection: Connection) -> int:
            return sum(self._reencrypt(connection, table) for table in (self._store.bots, self._store.installations))

        changed = await self._database.transact(work, wake=False)
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
        """Forget a workspace that removed the app at some time (seconds since 1970), unless it has it anew since."""

        def work(store: SQLAlchemyInstallationStore) -> bool:
            found = store.find_bot(enterprise_id=None, team_id=team)
            if found is None or found.installed_at > at + 1:  # Slack tells the time in whole seconds
                return False
            store.delete_all(enterprise_id=None, team_id=team)
            return True

        gone = await self._change(work)
        if gone:
            logger.warning("workspace removed the app; nothing is said there any more", team=team)
        return gone

    def _encrypted(self, given: Installation) -> Installation:
        """What is kept: no person's token, no webhook, the bot's token encrypted."""
        about = self._about(str(given.team_id))
        return Installation(
            app_id=given.app_id or "",
            team_id=given.team_id,
            team_name=(given.team_name or "")[:200],
            bot_token=self._cipher.encrypt(given.bot_token or "", about),
            bot_id=given.bot_id,
            bot_user_id=given.bot_user_id,
            bot_scopes=given.bot_scopes or "",
            user_id=given.user_id,
            token_type=given.token_type,
            installed_at=self._clock.now().timestamp(),
        )

    def _about(self, team: str) -> str:
        return f"{self._client}/{team}"

    async def _change(self, work: Callable[[SQLAlchemyInstallationStore], T]) -> T:
        return await self._database.transact(lambda connection: work(self._at(connection)), wake=False)

    async def _read(self, work: Callable[[SQLAlchemyInstallationStore], T]) -> T:
        return await self._database.read(lambda connection: work(self._at(connection)))

    def _at(self, connection: Connection) -> SQLAlchemyInstallationStore:
        store = copy(self._store)
        store.engine = _OpenTransaction(connection)  # type: ignore[assignment]
        return store


def refusal_reason(installation: Installation, teams: frozenset[str]) -> str:
    """Say why an installation is refused, or nothing; pure."""
    if installation.is_enterprise_install or not installation.team_id:
        return "The app is for single workspaces, not for a whole organisation. Choose one workspace and try again."
    if installation.team_id not in teams:
        return (
            f"The workspace {installation.team_id} is not among those that may install the app. "
            "Ask whoever runs it to add the workspace to VPSOPS_SLACK_TEAMS."
        )
    if installation.bot_refresh_token or installation.bot_token_expires_at:
        return "The app's tokens expire, which is not supported. Turn token rotation off in the app's settings."
    if not installation.bot_token or not installation.user_id:
        return "Slack gave no token for the bot. Try again."
    return ""


class OAuthStates(AsyncOAuthStateStore):
    """Installations that were begun. A state is used once, even by two processes at the same moment."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock
        self._table: Any = SQLAlchemyOAuthStateStore.build_oauth_states_table(sa.MetaData(), "slack_oauth_states")

    async def async_issue(self, *_: Any, **__: Any) -> str:
        """Begin an installation; raises `InstallRefusedError` when too many are under way, `StorageError`."""
        state = secrets.token_urlsafe(32)
        table, now = self._table, self._now()

        def work(connection: Connection) -> bool:
            connection.execute(sa.delete(table).where(table.c.expire_at <= now))
            if (connection.scalar(sa.select(sa.func.count()).select_from(table)) or 0) >= MAX_STATES:
                return False
            until = now + timedelta(seconds=STATE_SECONDS)
            connection.execute(sa.insert(table).values(state=_hash(state), expire_at=until))
            return True

        if not await self._database.transact(work, wake=False):
            raise InstallRefusedError("Too many installations are under way. Try again in ten minutes.")
        return state

    async def async_consume(self, state: str) -> bool:
        """Say whether a state is one of ours, unused and not too old; from now on it is used."""
        table, now = self._table, self._now()
        query = sa.delete(table).where(table.c.state == _hash(state), table.c.expire_at > now)
        return await self._database.transact(lambda connection: connection.execute(query).rowcount == 1, wake=False)

    def _now(self) -> datetime:
        return self._clock.now().astimezone(UTC).replace(tzinfo=None)


def _hash(state: str) -> str:
    """Whoever reads the database cannot finish somebody else's installation."""
    return hashlib.sha256(state.encode()).hexdigest()


def encryption_keys(settings: Settings) -> Sequence[str]:
    """Return the keys that decrypt tokens; the first of them encrypts."""
    given = settings.state_key.get_secret_value() if settings.state_key else ""
    return [item.strip() for item in given.split(",") if item.strip()]
