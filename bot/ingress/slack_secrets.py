"""The Slack app's own secrets in a running bot: checked with Slack before a reload takes up others."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import structlog
from pydantic import SecretStr

from vpsops.bot.ingress.request_verification import SlackRequestVerifier
from vpsops.bot.slack_api.client import SlackClient, SlackError
from vpsops.bot.workspaces.membership import Membership, MembershipUnreadableError
from vpsops.bot.workspaces.tenancy import tenant_of
from vpsops.core.common.errors import ConfigurationError
from vpsops.core.config.reloader import Commit, Reloader
from vpsops.core.config.settings import Settings

logger = structlog.get_logger(__name__)
NOT_NOW = "Once Slack answers, send SIGHUP again."


class AppTokenUser(Protocol):
    """A connection that is opened by the app token."""

    def use(self, app_token: str) -> None:
        """Open the next connection by another token, now."""


@dataclass(eq=False)
class SlackSecrets:
    """What the secrets are used by: the client, the check of signatures, and the line of Socket Mode."""

    reloader: Reloader
    slack: SlackClient
    membership: Membership
    accepted: Callable[[], None] = lambda: None
    """Called once another bot token is in use."""
    guard: SlackRequestVerifier | None = None
    line: AppTokenUser | None = None

    @property
    def signing_secret(self) -> str:
        """The signing secret, or an empty text."""
        return _text(self.reloader.settings.slack_signing_secret)

    @property
    def app_token(self) -> str:
        """The app token, or an empty text."""
        return _text(self.reloader.settings.slack_app_token)

    async def prepare(self, settings: Settings) -> Commit:
        """Check with Slack the tokens that changed; raises `ConfigurationError` where one is not known to be good."""
        current = self.reloader.settings
        bot_token, app_token = _text(settings.slack_bot_token), _text(settings.slack_app_token)
        new_bot, new_app = bot_token != _text(current.slack_bot_token), app_token != _text(current.slack_app_token)
        if new_bot:
            await self._check_bot_token(settings)
        if new_app and self.line is not None:
            await self._check_app_token(app_token)

        def commit() -> None:
            self._sign_by(_text(settings.slack_signing_secret))
            if new_bot:
                self.slack.use(bot_token)
                self.accepted()
            if new_app and self.line is not None:
                self.line.use(app_token)

        return commit

    def _sign_by(self, secret: str) -> None:
        if secret and self.guard is not None:
            self.guard.use(secret)

    async def _check_bot_token(self, settings: Settings) -> None:
        other = SlackClient(settings, self.slack.session)
        try:
            auth = await other.get("auth.test", {})
            tenant = tenant_of(auth, await other.get("bots.info", {"bot": str(auth.get("bot_id") or "")}))
        except SlackError as error:
            raise ConfigurationError(f"Slack does not accept SLACK_BOT_TOKEN ({error.code}).", hint=NOT_NOW) from None
        try:
            known = await self.membership.tenant()
        except MembershipUnreadableError:
            raise ConfigurationError(
                "Whether SLACK_BOT_TOKEN is of the same workspace and app is not known: Slack does not say which the"
                " one in use is of.",
                hint="Restart the bot.",
            ) from None
        if tenant != known:
            raise ConfigurationError(
                "SLACK_BOT_TOKEN is of another workspace or app than the one in use.", hint="That needs a restart."
            )

    async def _check_app_token(self, app_token: str) -> None:
        try:
            await self.slack.socket_url(app_token)
        except SlackError as error:
            raise ConfigurationError(f"Slack does not accept SLACK_APP_TOKEN ({error.code}).", hint=NOT_NOW) from None


def _text(secret: SecretStr | None) -> str:
    return secret.get_secret_value() if secret is not None else ""
