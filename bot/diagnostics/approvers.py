"""`vpsops doctor`: checks that channels and user groups with approval rights are closed to self-joining."""

from collections.abc import Collection, Sequence
from typing import Final

import aiohttp

from vpsops.bot.slack_api.client import SlackClient, SlackError
from vpsops.bot.workspaces.approval_sources import source_problem
from vpsops.core.common.clock import Clock
from vpsops.core.config.settings import Settings
from vpsops.core.console.checks import DoctorFinding, fail, ok, warn
from vpsops.core.identity.actors import Approvers, union_of
from vpsops.core.policy.defaults import OWN_CHANNEL
from vpsops.core.policy.model import Rule
from vpsops.core.policy_register.diagnostics import ruleset_of

AREA: Final = "slack"
CLOSE: Final = "Make it private, or accept it with VPSOPS_ACCEPT_APPROVERS"
LOOK: Final = "Check its id (vpsops policy show), and the scopes channels:read, groups:read and usergroups:read"


async def check_approvers(settings: Settings, clock: Clock) -> Sequence[DoctorFinding]:
    """Check every channel and group that an active rule or the approval channel gives approval rights."""
    if settings.slack_bot_token is None or settings.slack_client_id:
        return []
    ruleset = await ruleset_of(settings, clock)
    async with aiohttp.ClientSession() as session:
        slack = SlackClient(settings, session)
        return await check_sources(slack, ruleset.settings_from(settings), ruleset.policy.rules)


async def check_sources(
    slack: SlackClient, settings: Settings, rules: Sequence[Rule], passed_over: Collection[str] = frozenset()
) -> list[DoctorFinding]:
    """Check the channels and groups with one workspace's token and settings.

    Sources of rules for which Slack returns an error code in `passed_over` belong to another workspace.
    """
    channel = settings.approval_channel or settings.channel
    own = Approvers(channels=(channel,)) if channel else Approvers()
    approvers = union_of([own, *(named for rule in rules for named in (rule.approvers, rule.override))])
    sources = [("channel", channel) for channel in approvers.channels if channel != OWN_CHANNEL]
    sources += [("user group", group) for group in approvers.groups]
    findings: list[DoctorFinding] = []
    for kind, ident in sources:
        try:
            why = await source_problem(slack, kind, ident, settings.accepted_approvers)
        except SlackError as error:
            if error.code not in passed_over or ident == settings.approval_channel:
                findings.append(warn(AREA, f"cannot read who may join {kind} {ident} ({error.code})", LOOK))
            continue
        if why:
            findings.append(fail(AREA, f"members cannot decide: {why}", CLOSE))
        else:
            findings.append(ok(AREA, f"members of {kind} {ident} can decide"))
    return findings
