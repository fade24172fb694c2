"""`vpsops doctor` with several workspaces: checks each workspace's installation, token and channels."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Final

import aiohttp

from vpsops.bot.diagnostics.approvers import check_sources
from vpsops.bot.diagnostics.channels import channel_finding, channels_of
from vpsops.bot.diagnostics.quorum import check_quorums
from vpsops.bot.diagnostics.workspace import SlackProbe, scope_findings
from vpsops.bot.slack_api.client import SlackClient, SlackError
from vpsops.bot.workspaces.installations import Installations, encryption_keys
from vpsops.bot.workspaces.token_encryption import TokenCipher
from vpsops.core.common.clock import Clock
from vpsops.core.common.errors import UnreadableRowError
from vpsops.core.config.settings import Settings
from vpsops.core.console import exit_codes
from vpsops.core.console.checks import DoctorFinding, fail, ok, warn
from vpsops.core.policy.model import Rule
from vpsops.core.policy_register.diagnostics import ruleset_of
from vpsops.core.storage import open_database
from vpsops.core.workspaces.loader import load_workspaces
from vpsops.core.workspaces.model import NOBODY, Workspaces, teams_of
from vpsops.core.workspaces.slack_tables import SlackTables

AREA: Final = "slack"
ELSEWHERE: Final = frozenset({"channel_not_found", "no_such_subteam"})
OLD_KEY: Final = "Keep that key in VPSOPS_STATE_KEY; a bot that starts encrypts the token by the first one"
AGAIN: Final = "Install the app there again"


async def check_workspaces(settings: Settings, clock: Clock) -> Sequence[DoctorFinding]:
    """Check every workspace that may install the app; raises `ConfigurationError` and `StorageError`."""
    load_workspaces(settings)
    ruleset = await ruleset_of(settings, clock)
    workspaces, settings = ruleset.workspaces, ruleset.settings_from(settings)
    findings = _asked(workspaces, settings)
    reached: dict[str, SlackClient] = {}
    async with open_database(settings.database, clock, make=False) as database, aiohttp.ClientSession() as session:
        kept = Installations(SlackTables(database), clock, settings, TokenCipher(encryption_keys(settings)))
        for team in teams_of(settings):
            slack, about = await _workspace(kept, session, settings, team)
            findings += about
            if not workspaces.of(team).approval_channel:
                findings.append(
                    warn(AREA, f"{team} has no channel for approvals", "Write approval_channel in its table")
                )
            if slack is not None:
                reached[team] = slack
                findings += await _channels(slack, workspaces.settings_of(settings, team), team, ruleset.policy.rules)
        findings += await check_quorums(reached, settings, clock, ruleset)
    return findings


async def _channels(slack: SlackClient, settings: Settings, team: str, rules: Sequence[Rule]) -> list[DoctorFinding]:
    """Check a workspace's channels: can the app post there, and can people add themselves to approval channels."""
    findings: list[DoctorFinding] = []
    for name, channel in channels_of(settings).items():
        try:
            about = (await slack.get("conversations.info", {"channel": channel})).get("channel")
            findings.append(channel_finding(name, channel, about if isinstance(about, dict) else {}))
        except SlackError as error:
            findings.append(channel_finding(name, channel, {}, error.code))
    findings += await check_sources(slack, settings, rules, ELSEWHERE) if settings.approval_channel else []
    return [replace(finding, what=f"{team}: {finding.what}") for finding in findings]


def _asked(workspaces: Workspaces, settings: Settings) -> list[DoctorFinding]:
    findings = [ok(AREA, f"several workspaces, {len(teams_of(settings))} may install the app at {settings.slack_url}")]
    if workspaces.home == NOBODY:
        findings.append(
            warn(AREA, "no workspace decides for agents, so theirs are refused", "Write agents = true in one")
        )
    if settings.slack_app_token is None and settings.slack_signing_secret is None:
        todo = "Set SLACK_SIGNING_SECRET, or SLACK_APP_TOKEN for Socket Mode"
        findings.append(fail(AREA, "SLACK_SIGNING_SECRET and SLACK_APP_TOKEN are both missing", todo, exit_codes.USAGE))
    return findings


async def _workspace(
    kept: Installations, session: aiohttp.ClientSession, settings: Settings, team: str
) -> tuple[SlackClient | None, list[DoctorFinding]]:
    """Return a client for one workspace, if its token works, and the findings about the token and its scopes."""
    try:
        known = await kept.of(team)
    except UnreadableRowError as error:
        return None, [warn(AREA, error.message, error.hint)]
    if known is None:
        return None, [warn(AREA, f"{team} does not have the app", "A member opens /slack/install")]
    identity = await SlackProbe(settings, session, known.token).ask("auth.test")
    if identity.away:
        return None, [fail(AREA, f"Slack does not answer for {team}", "Check the network", exit_codes.UNREACHABLE)]
    if identity.error:
        what = f"Slack does not accept the token of {team} ({identity.error})"
        return None, [fail(AREA, what, AGAIN, exit_codes.NOT_AUTHENTICATED)]
    installed = ok(AREA, f"installed in {team} ({known.name})")
    if known.old_key:
        installed = warn(AREA, f"installed in {team} ({known.name}), its token encrypted by an older key", OLD_KEY)
    scopes = [replace(finding, what=f"{team}: {finding.what}") for finding in scope_findings(identity)]
    return SlackClient(settings, session, known.token), [installed, *scopes]
