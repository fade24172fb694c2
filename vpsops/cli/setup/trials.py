"""Tries a value at once, by the checks that `vpsops doctor` makes of it."""

from collections.abc import Mapping, Sequence
from typing import Final

import aiohttp
import anyio

from vpsops.bot.diagnostics.approvers import check_sources
from vpsops.bot.diagnostics.people import check_actor
from vpsops.bot.diagnostics.workspace import check_slack
from vpsops.bot.slack_api.client import SlackClient
from vpsops.core.common.clock import Clock, SystemClock
from vpsops.core.common.errors import VpsopsError
from vpsops.core.config.settings import Settings, load_settings
from vpsops.core.console import exit_codes
from vpsops.core.console.checks import Check, DoctorFinding, Level, fail, failed
from vpsops.core.diagnostics.database import check_storage
from vpsops.core.diagnostics.provider import check_provider

ELSEWHERE: Final = "Correct it in the environment. "
"""What the loader of the settings says of a value that was typed here."""
TOKENS: Final = ("SLACK_BOT_TOKEN", "SLACK_APP_TOKEN", "SLACK_SIGNING_SECRET")


def try_value(name: str, values: Mapping[str, str]) -> list[DoctorFinding]:
    """Try a setting among the others so far, and return what was found about it."""
    try:
        settings = load_settings(values)
    except VpsopsError as error:
        return [fail(name, error.message, error.hint.replace(ELSEWHERE.strip(), "").strip(), exit_codes.USAGE)]
    return list(anyio.run(_try, name, settings, SystemClock()))


async def _try(name: str, settings: Settings, clock: Clock) -> Sequence[DoctorFinding]:
    try:
        return await TRIALS[name](settings, clock)
    except VpsopsError as error:
        return [failed(name, error)]


async def _bot_token(settings: Settings, clock: Clock) -> Sequence[DoctorFinding]:
    """Return what Slack says of the bot token; the other ways in are asked for later."""
    return [finding for finding in await check_slack(settings, clock) if "SLACK_APP_TOKEN" not in finding.what]


async def _app_token(settings: Settings, clock: Clock) -> Sequence[DoctorFinding]:
    return [finding for finding in await check_slack(settings, clock) if "SLACK_APP_TOKEN" in finding.what]


async def _notices(settings: Settings, clock: Clock) -> Sequence[DoctorFinding]:
    return [finding for finding in await check_slack(settings, clock) if "VPSOPS_CHANNEL" in finding.what]


async def _approvals(settings: Settings, clock: Clock) -> Sequence[DoctorFinding]:
    """Return whether the app can post to the channel, and whether only invited people decide there."""
    findings = [finding for finding in await check_slack(settings, clock) if "VPSOPS_APPROVAL_CHANNEL" in finding.what]
    if any(finding.level is Level.FAIL for finding in findings):
        return findings
    async with aiohttp.ClientSession() as session:
        return [*findings, *await check_sources(SlackClient(settings, session), settings, ())]


TRIALS: Final[Mapping[str, Check]] = {
    "WAYSCLOUD_API_KEY": check_provider,
    "WAYSCLOUD_TOKEN": check_provider,
    "SLACK_BOT_TOKEN": _bot_token,
    "SLACK_APP_TOKEN": _app_token,
    "VPSOPS_CHANNEL": _notices,
    "VPSOPS_APPROVAL_CHANNEL": _approvals,
    "VPSOPS_ACTOR": check_actor,
    "VPSOPS_DATABASE_URL": check_storage,
}
