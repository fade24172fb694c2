"""`vpsops doctor`: checks the Slack tokens, their scopes, and the configured channels.

Calls auth.test, apps.connections.open (without connecting) and conversations.info for each channel.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from typing import Any, Final

import aiohttp
from slack_sdk.errors import SlackApiError

from vpsops.bot.diagnostics.approvers import check_approvers
from vpsops.bot.diagnostics.channels import channel_finding, channels_of
from vpsops.bot.diagnostics.people import check_actor, check_people
from vpsops.bot.diagnostics.quorum import check_quorum
from vpsops.bot.ingress.request_verification import FRESH_SECONDS
from vpsops.bot.protocol.logging import slack_logger
from vpsops.bot.slack_api.proxy import proxy_for
from vpsops.bot.slack_api.web_client import SlackWebClient
from vpsops.core.common import timings
from vpsops.core.common.clock import Clock
from vpsops.core.common.text import comma_separated
from vpsops.core.config.settings import Settings
from vpsops.core.console import exit_codes
from vpsops.core.console.checks import Check, DoctorFinding, fail, ok, warn

AREA: Final = "slack"
TIMEOUT: Final = timings.SLACK_SECONDS
SKEW_SECONDS: Final = timings.CLOCK_SECONDS
NEEDED: Final = frozenset({"commands", "chat:write", "users:read"})
"""Scopes without which the bot cannot work."""
SCOPES: Final[Mapping[str, str]] = {
    "commands": "/vps is not available",
    "chat:write": "no card and no answer can be posted",
    "usergroups:read": "user groups cannot approve",
    "users:read": "no one can approve or deny",
    "users:read.email": "agents of people named by e-mail are refused",
    "channels:read": "members of public channels cannot approve",
    "groups:read": "members of private channels cannot approve",
    "app_mentions:read": "a message that mentions the app gets no answer",
    "im:history": "a direct message to the app gets no answer",
}
"""The scopes in manifest.yml, and what fails without each."""
REINSTALL: Final = (
    "Paste what `vpsops manifest` prints into the app's manifest, install it again, and copy SLACK_BOT_TOKEN"
)
TOKEN: Final = frozenset({"invalid_auth", "not_authed", "account_inactive", "token_revoked", "token_expired"})
WRONG_KIND: Final = frozenset({"not_allowed_token_type", "missing_scope", *TOKEN})


@dataclass(frozen=True, slots=True)
class ApiReply:
    """The result of a call: data and headers, or an error code; `away` if Slack was unreachable."""

    data: Mapping[str, Any]
    headers: Mapping[str, str]
    error: str = ""
    away: bool = False


async def check_slack(settings: Settings, clock: Clock) -> Sequence[DoctorFinding]:
    """Check the app and its channels; a setup without Slack passes."""
    if not _is_configured(settings):
        return [ok(AREA, "not configured, so approvals need the clients' own confirmations")]
    if settings.slack_client_id:
        from vpsops.bot.diagnostics.workspaces import check_workspaces  # noqa: PLC0415 - cryptography is for those who need it

        return await check_workspaces(settings, clock)
    missing = _missing_tokens(settings)
    if settings.slack_bot_token is None:
        return missing
    async with aiohttp.ClientSession() as session:
        slack = SlackProbe(settings, session)
        identity = await slack.ask("auth.test")
        if identity.error:
            return [*missing, _no_answer("SLACK_BOT_TOKEN", identity, "Install the app again and copy its bot token")]
        findings = [ok(AREA, f"signed in as {identity.data.get('user', '?')} in {identity.data.get('team', '?')}")]
        findings += [*scope_findings(identity), *_clock_skew(identity, clock), *missing]
        if settings.slack_app_token is not None:
            findings.append(await _app_token(slack, settings.slack_app_token.get_secret_value()))
        for name, channel in channels_of(settings).items():
            reply = await slack.ask("conversations.info", channel=channel)
            findings.append(channel_finding(name, channel, reply.data.get("channel", {}), reply.error))
    return findings


class SlackProbe:
    """Calls Slack's Web API once, without retries, with the settings' token or another."""

    def __init__(self, settings: Settings, session: aiohttp.ClientSession, token: str = "") -> None:
        token = token or (settings.slack_bot_token.get_secret_value() if settings.slack_bot_token else "")
        base = settings.slack_api_url if settings.slack_api_url.endswith("/") else f"{settings.slack_api_url}/"
        self._client = SlackWebClient(
            token, base_url=base, timeout=TIMEOUT, session=session, retry_handlers=[], logger=slack_logger
        )
        self._client.proxy = proxy_for(base)

    async def ask(self, method: str, token: str | None = None, **params: str) -> ApiReply:
        """Call a method, optionally with another token."""
        headers = {"Authorization": f"Bearer {token}"} if token else None
        try:
            answer = await self._client.api_call(method, params=params, headers=headers)
        except SlackApiError as error:
            data = error.response.data if isinstance(error.response.data, dict) else {}
            status = int(error.response.status_code)
            word = str(data.get("error") or f"HTTP {status}")
            return ApiReply({}, {}, word, away=not data.get("error") or word == "ratelimited")
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            return ApiReply({}, {}, type(error).__name__, away=True)
        read = {str(name).lower(): str(value) for name, value in dict(answer.headers).items()}
        return ApiReply(answer.data if isinstance(answer.data, dict) else {}, read)


def _is_configured(settings: Settings) -> bool:
    tokens = (
        settings.slack_client_id,
        settings.slack_bot_token,
        settings.slack_signing_secret,
        settings.slack_app_token,
    )
    return any(tokens) or bool(channels_of(settings))


def _missing_tokens(settings: Settings) -> list[DoctorFinding]:
    findings: list[DoctorFinding] = []
    if settings.slack_bot_token is None:
        findings.append(
            fail(AREA, "SLACK_BOT_TOKEN is missing", "Copy the bot token of the installed app", exit_codes.USAGE)
        )
    if settings.slack_app_token is None and settings.slack_signing_secret is None:
        todo = "Set SLACK_APP_TOKEN for Socket Mode, or SLACK_SIGNING_SECRET to be reached over HTTP"
        findings.append(fail(AREA, "SLACK_APP_TOKEN and SLACK_SIGNING_SECRET are both missing", todo, exit_codes.USAGE))
    return findings


def _no_answer(name: str, reply: ApiReply, todo: str) -> DoctorFinding:
    if reply.away:
        todo = "Check the network, or SLACK_API_URL"
        return fail(AREA, f"Slack does not answer ({reply.error})", todo, exit_codes.UNREACHABLE)
    code = exit_codes.NOT_AUTHENTICATED if reply.error in WRONG_KIND else exit_codes.OTHER
    return fail(AREA, f"Slack does not accept {name} ({reply.error})", todo, code)


def granted(header: str) -> set[str]:
    """Return a token's scopes from Slack's header `x-oauth-scopes`."""
    return set(comma_separated(header))


def scope_findings(identity: ApiReply) -> list[DoctorFinding]:
    """Compare the token's scopes, from the response headers, with manifest.yml."""
    if "x-oauth-scopes" not in identity.headers:
        return [warn(AREA, "Slack did not return the token's scopes", "Compare the app's scopes with manifest.yml")]
    has = granted(identity.headers["x-oauth-scopes"])
    lacks = [scope for scope in SCOPES if scope not in has]
    findings = [
        fail(AREA, f"scope {scope} is missing: {SCOPES[scope]}", REINSTALL, exit_codes.NOT_AUTHENTICATED)
        if scope in NEEDED
        else warn(AREA, f"scope {scope} is missing: {SCOPES[scope]}", REINSTALL)
        for scope in lacks
    ]
    more = sorted(has - SCOPES.keys())
    if more:
        findings.append(warn(AREA, f"the token may do more than it needs: {', '.join(more)}", "Remove these scopes"))
    return findings or [ok(AREA, f"the token has the {len(SCOPES)} scopes of manifest.yml, and no more")]


def _clock_skew(identity: ApiReply, clock: Clock) -> list[DoctorFinding]:
    """Compare the clocks: signed requests are valid for five minutes."""
    try:
        skew = abs((parsedate_to_datetime(identity.headers.get("date", "")) - clock.now()).total_seconds())
    except (TypeError, ValueError):  # no Date header: nothing to compare
        return []
    what = f"this machine's clock is {skew:.0f} s away from Slack's"
    if skew >= FRESH_SECONDS:
        return [fail(AREA, f"{what}, so every signed request is refused", "Set the clock")]
    return [warn(AREA, what, "Set the clock: requests count for five minutes")] if skew >= SKEW_SECONDS else []


async def _app_token(slack: SlackProbe, token: str) -> DoctorFinding:
    if not token.startswith("xapp-"):
        todo = "It starts with xapp- and needs the scope connections:write"
        return fail(AREA, "SLACK_APP_TOKEN is not an app token", todo, exit_codes.USAGE)
    reply = await slack.ask("apps.connections.open", token)
    if reply.error:
        return _no_answer("SLACK_APP_TOKEN", reply, "It needs the scope connections:write, and Socket Mode must be on")
    return ok(AREA, "SLACK_APP_TOKEN opens Socket Mode")


CHECKS: Final[tuple[Check, ...]] = (check_slack, check_approvers, check_people, check_actor, check_quorum)
