"""Settings: the environment over `vpsops.toml`; every secret may come from a file named by `NAME_FILE`."""

import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Self

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    PrivateAttr,
    SecretStr,
    ValidationError,
    field_validator,
    model_validator,
)

from vpsops.core.common import timings
from vpsops.core.common.errors import ConfigurationError
from vpsops.core.common.text import comma_separated
from vpsops.core.config.config_file import ConfigFile, read_config
from vpsops.core.config.secret_values import SECRETS, is_secret_set, read_secret_files, secret_files_in
from vpsops.core.config.setting_names import SECTION, refuse_unknown, settings_in
from vpsops.core.identity.identifiers import normal_human

CHOICE = re.compile(r"\^\(([a-z|]+)\)\$")  # a pattern that is a choice of words
CHANNEL_ID = r"^([CG][A-Z0-9]{1,39})?$"
NO_CHANNEL = "must be the id of a channel, which begins with C or G, and not its name"
CHANNEL_HINT = "The id is at the end of the channel's details in Slack."
LOCAL = re.compile(r"http://(127\.0\.0\.1|localhost|\[::1\])(:\d{1,5})?(/.*)?")  # for simulators


class Settings(BaseModel):
    """The settings of a process, by the names of their environment variables."""

    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)

    api_key: Annotated[
        SecretStr | None,
        Field(alias="WAYSCLOUD_API_KEY", description="secret; a service or account key, sent as X-API-Key"),
    ] = None
    token: Annotated[
        SecretStr | None, Field(alias="WAYSCLOUD_TOKEN", description="secret; a personal access token, sent as Bearer")
    ] = None
    api_url: Annotated[
        str, Field(alias="WAYSCLOUD_API_URL", description="the provider's API, or a simulator's address")
    ] = "https://api.wayscloud.services"
    slack_bot_token: Annotated[
        SecretStr | None, Field(alias="SLACK_BOT_TOKEN", description="secret; the bot token, xoxb-…")
    ] = None
    slack_signing_secret: Annotated[
        SecretStr | None,
        Field(alias="SLACK_SIGNING_SECRET", description="secret; proves that requests over HTTP are from Slack"),
    ] = None
    slack_app_token: Annotated[
        SecretStr | None,
        Field(alias="SLACK_APP_TOKEN", description="secret; the app token, xapp-…: with it the bot uses Socket Mode"),
    ] = None
    slack_client_id: Annotated[
        str, Field(alias="SLACK_CLIENT_ID", description="the app's client id: with it several workspaces may install")
    ] = ""
    slack_client_secret: Annotated[
        SecretStr | None, Field(alias="SLACK_CLIENT_SECRET", description="secret; the app's client secret")
    ] = None
    slack_url: Annotated[
        str,
        Field(
            alias="VPSOPS_SLACK_URL",
            description="the bot's public address, such as https://vpsops.example.com, where workspaces install it",
        ),
    ] = ""
    slack_teams: Annotated[
        str,
        Field(
            alias="VPSOPS_SLACK_TEAMS",
            pattern=r"^( *T[A-Z0-9]{1,39} *,?)*$",
            description="the ids of the workspaces that may install the app, with commas between",
        ),
    ] = ""
    slack_api_url: Annotated[
        str, Field(alias="SLACK_API_URL", description="another base of the Slack Web API, for simulators")
    ] = "https://slack.com/api/"
    database_url: Annotated[
        str,
        Field(
            alias="VPSOPS_DATABASE_URL",
            repr=False,  # it may hold a password
            description="sqlite:///PATH or postgresql://…; default: a file in the user's state directory",
        ),
    ] = ""
    database_listen_url: Annotated[
        SecretStr | None,
        Field(
            alias="VPSOPS_DATABASE_LISTEN_URL",
            description="secret; the PostgreSQL server's own address, where a pooler such as PgBouncer stands at"
            " VPSOPS_DATABASE_URL: LISTEN needs a session",
        ),
    ] = None
    database_connections: Annotated[
        int,
        Field(
            alias="VPSOPS_DATABASE_CONNECTIONS",
            ge=3,
            le=100,
            description="the most connections to PostgreSQL that one process opens, the one that listens among them",
        ),
    ] = 6
    config: Annotated[Path | None, Field(alias="VPSOPS_CONFIG", description="path of vpsops.toml")] = None
    channel: Annotated[str, Field(alias="VPSOPS_CHANNEL", pattern=CHANNEL_ID, description="channel for notices")] = ""
    approval_channel: Annotated[
        str,
        Field(
            alias="VPSOPS_APPROVAL_CHANNEL",
            pattern=CHANNEL_ID,
            description="channel id for approval cards; its members may approve unless the policy says otherwise",
        ),
    ] = ""
    escalation_channel: Annotated[
        str,
        Field(
            alias="VPSOPS_ESCALATION_CHANNEL",
            pattern=CHANNEL_ID,
            description="channel id where an approval card is shown too when half of its time passed without a vote;"
            " being in it makes no one eligible",
        ),
    ] = ""
    approval_mentions: Annotated[
        str,
        Field(
            alias="VPSOPS_APPROVAL_MENTIONS",
            pattern="^(on|off)$",
            description="off: approval cards, reminders and escalations mention no one",
        ),
    ] = "on"
    accept_approvers: Annotated[
        str,
        Field(
            alias="VPSOPS_ACCEPT_APPROVERS",
            pattern=r"^( *(public-channels|shared-channels|member-edited-groups) *,?)*$",
            description="what may decide although others can let themselves in, with commas between: public-channels,"
            " shared-channels (with another company), member-edited-groups; default: none of them",
        ),
    ] = ""
    actor: Annotated[
        str,
        Field(
            alias="VPSOPS_ACTOR",
            description="the person of a terminal and of a stdio MCP server's session: a Slack user id as slack:U…, or"
            " an e-mail address",
        ),
    ] = ""
    socket: Annotated[str, Field(alias="VPSOPS_SOCKET", description="a service's socket, or off: docs/service.md")] = ""
    socket_user: Annotated[str, Field(alias="VPSOPS_SOCKET_USER", description="the user that service runs as")] = ""
    mcp_front: Annotated[
        str, Field(alias="VPSOPS_MCP_FRONT", pattern="^(on|off)$", description="off: no early answers of `vpsops mcp`")
    ] = "on"
    mcp_audit: Annotated[
        str,
        Field(
            alias="VPSOPS_MCP_AUDIT",
            pattern="^(own|all)$",
            description="own: an assistant sees the audit records of its human; all: every person's",
        ),
    ] = "own"
    http_url: Annotated[
        str,
        Field(
            alias="VPSOPS_HTTP_URL",
            description="the public address of MCP over HTTP, as clients have it; default: http://HOST:PORT/mcp",
        ),
    ] = ""
    http_hosts: Annotated[
        str,
        Field(
            alias="VPSOPS_HTTP_HOSTS",
            description="the Host headers MCP over HTTP answers to, with commas between;"
            " default: loopback, and the hosts of VPSOPS_HTTP_URL and of --http",
        ),
    ] = ""
    http_origins: Annotated[
        str,
        Field(
            alias="VPSOPS_HTTP_ORIGINS",
            description="the web pages that may use MCP over HTTP, such as https://tool.example.com, with commas"
            " between; default: pages of this machine",
        ),
    ] = ""
    http_tokens_file: Annotated[
        Path | None,
        Field(alias="VPSOPS_HTTP_TOKENS_FILE", description="path of the TOML file of bearer tokens for MCP over HTTP"),
    ] = None
    oauth_issuer: Annotated[
        str,
        Field(
            alias="VPSOPS_OAUTH_ISSUER", description="the authorization server of the tokens that MCP over HTTP accepts"
        ),
    ] = ""
    oauth_audience: Annotated[
        str,
        Field(
            alias="VPSOPS_OAUTH_AUDIENCE",
            description="the audience its tokens must be for; default: the public address of MCP over HTTP",
        ),
    ] = ""
    oauth_human_claim: Annotated[
        str,
        Field(
            alias="VPSOPS_OAUTH_HUMAN_CLAIM",
            description="the claim that names the human behind a token by e-mail address; `email` counts only where"
            " `email_verified` is true; a token without a human may only read",
        ),
    ] = "email"
    oauth_slack_claim: Annotated[
        str,
        Field(
            alias="VPSOPS_OAUTH_SLACK_CLAIM",
            description="the claim that names the human behind a token by Slack user id, if the issuer has one",
        ),
    ] = ""
    owner_label: Annotated[
        str,
        Field(alias="VPSOPS_OWNER_LABEL", description="the key of the label that names a server's owner"),
    ] = "owner"
    state_key: Annotated[
        SecretStr | None,
        Field(
            alias="VPSOPS_STATE_KEY",
            description="secret; seals open questions of MCP over HTTP, encrypts the tokens of several workspaces; the"
            " same for all processes; 32 characters or more, old keys after a comma; default: one of this process,"
            " which dies with it",
        ),
    ] = None
    anchor_channel: Annotated[
        str,
        Field(
            alias="VPSOPS_AUDIT_ANCHOR_CHANNEL",
            pattern=CHANNEL_ID,
            description="channel id where the head of the audit trail is posted once a day",
        ),
    ] = ""
    anchor_file: Annotated[
        Path | None,
        Field(
            alias="VPSOPS_AUDIT_ANCHOR_FILE",
            description="path of a file to which the head of the audit trail is appended once a day",
        ),
    ] = None
    anchor_webhook: Annotated[
        SecretStr | None,
        Field(
            alias="VPSOPS_AUDIT_ANCHOR_WEBHOOK",
            description="secret; the address to which the head of the audit trail is posted once a day, as JSON",
        ),
    ] = None
    anchor_secret: Annotated[
        SecretStr | None,
        Field(
            alias="VPSOPS_AUDIT_ANCHOR_SECRET",
            description="secret; signs what is posted to that address (X-Vpsops-Signature)",
        ),
    ] = None
    ship_url: Annotated[
        SecretStr | None, Field(alias="VPSOPS_AUDIT_SHIP_URL", description="secret; where `vpsops audit ship` sends it")
    ] = None
    ship_secret: Annotated[
        SecretStr | None, Field(alias="VPSOPS_AUDIT_SHIP_SECRET", description="secret; signs what is sent to https://")
    ] = None
    keep_given_up_days: Annotated[
        int, Field(alias="VPSOPS_KEEP_GIVEN_UP_DAYS", ge=7, le=90, description="days that refused messages are kept")
    ] = timings.DEAD_DAYS
    keep_cards_days: Annotated[
        int, Field(alias="VPSOPS_KEEP_CARDS_DAYS", ge=90, le=3650, description="days that posted cards are remembered")
    ] = timings.COPIES_DAYS
    metrics: Annotated[
        str,
        Field(
            alias="VPSOPS_METRICS",
            description="HOST:PORT at which a process that serves answers /metrics, for other machines too; without"
            " it they are beside the health, and there for this machine alone unless --health has a port",
        ),
    ] = ""
    log_level: Annotated[
        str,
        Field(
            alias="VPSOPS_LOG_LEVEL",
            pattern="^(debug|info|warning|error)$",
            description="debug, info, warning or error",
        ),
    ] = "info"
    log_format: Annotated[
        str,
        Field(alias="VPSOPS_LOG_FORMAT", pattern="^(console|json)$", description="console or json; always on stderr"),
    ] = "console"

    _config_file: ConfigFile | None = PrivateAttr(None)
    _environ: Mapping[str, str] | None = PrivateAttr(None)

    @model_validator(mode="after")
    def _check_addresses(self) -> Self:
        for name, value in (("WAYSCLOUD_API_URL", self.api_url), ("SLACK_API_URL", self.slack_api_url)):
            if not value.startswith(("https://", "http://")):
                raise ValueError(f"{name} must begin with https:// (or http:// for a simulator)")
        for name, value in (("SLACK_API_URL", self.slack_api_url), ("VPSOPS_SLACK_URL", self.slack_url)):
            if "@" in value.partition("://")[2].partition("/")[0]:
                raise ValueError(f"{name} must hold no user and no password")
        if self.slack_url and not self.slack_url.startswith("https://") and not LOCAL.fullmatch(self.slack_url):
            raise ValueError("VPSOPS_SLACK_URL must begin with https://")
        return self

    @field_validator("log_level", "log_format", "mcp_front", "mcp_audit", "approval_mentions", mode="before")
    @classmethod
    def _in_any_case(cls, word: Any) -> Any:
        return word.strip().lower() if isinstance(word, str) else word

    @field_validator("actor")
    @classmethod
    def _check_actor(cls, actor: str) -> str:
        return normal_human(actor) if actor.strip() else ""

    def keep(self, file: ConfigFile, environ: Mapping[str, str] | None = None) -> None:
        """Keep what these settings were read from, so that rules and limits are of the same content."""
        self._config_file, self._environ = file, environ or self._environ

    def read_again(self) -> "Settings":
        """Read the same sources as they are now; of settings that were not read, the configured file alone."""
        if self._environ is not None:
            return load_settings(self._environ)
        settings = self.model_copy()
        settings.keep(read_config(str(self.config or "")))
        return settings

    @property
    def config_file(self) -> ConfigFile:
        """The configured file as it was when the settings were read; raises `ConfigurationError`."""
        path = str(self.config or "")
        kept = self._config_file
        return kept if kept is not None and kept.path == path else read_config(path)

    @property
    def slack_configured(self) -> bool:
        """Return whether this set-up has a Slack workspace for approvals."""
        return self.slack_bot_token is not None or bool(self.approval_channel or self.channel or self.slack_client_id)

    @property
    def accepted_approvers(self) -> frozenset[str]:
        """What may decide although others can let themselves in."""
        return frozenset(comma_separated(self.accept_approvers))

    @property
    def database(self) -> str:
        """The database's URL; by default a SQLite file in the user's state directory."""
        return self.database_url or f"sqlite:///{state_directory() / 'vpsops.sqlite3'}"


def state_directory() -> Path:
    """Where this user's state lives (XDG base directory specification, which has a relative path ignored)."""
    base = Path(os.environ.get("XDG_STATE_HOME", ""))
    try:
        return (base if base.is_absolute() else Path.home() / ".local" / "state") / "vpsops"
    except RuntimeError:
        raise ConfigurationError(
            "This user has no home folder for the database.", hint="Set VPSOPS_DATABASE_URL."
        ) from None


def load_settings(environ: Mapping[str, str] | None = None) -> Settings:
    """Read the settings; the environment wins over the file.

    Raises `ConfigurationError` naming what is wrong and where, never a secret's value.
    """
    env = dict(os.environ if environ is None else environ)
    known = {str(field.alias) for field in Settings.model_fields.values()}
    refuse_unknown(env, known)
    path = env.get("VPSOPS_CONFIG", "")
    file = read_config(str(Path(path)) if path else "")
    values = settings_in(file, known - {"VPSOPS_CONFIG"})
    written = set(values)
    named = secret_files_in(file, SECTION)
    values |= read_secret_files({name: path for name, path in named.items() if not is_secret_set(name, env)})
    configured = {name: value.strip() if name in SECRETS else value for name, value in env.items() if name in known}
    configured = {name: value for name, value in configured.items() if value} | read_secret_files(env)
    try:
        settings = Settings.model_validate(values | configured)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        pattern = str(first.get("ctx", {}).get("pattern", ""))
        choice = CHOICE.fullmatch(pattern)
        message = f"must be {choice[1].replace('|', ' or ')}" if choice else first["msg"].removeprefix("Value error, ")
        message, hint = (NO_CHANNEL, f" {CHANNEL_HINT}") if pattern == CHANNEL_ID else (message, "")
        name = str(first["loc"][0]) if first["loc"] else message.split()[0]
        text = f"{name}: {message}" if first["loc"] else message
        if name in written - set(configured):
            raise file.error(file.line(SECTION, name), f"{text}.", f"Correct it there.{hint}") from None
        raise ConfigurationError(f"{text}.", hint=f"Correct it in the environment.{hint}") from None
    settings.keep(file, env)
    return settings
