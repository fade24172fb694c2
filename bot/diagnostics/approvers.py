"""What `vpsops doctor` says of the channels and user groups whose members decide: whether others can join them."""

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
CLOSE: Final = "Make it private, or say with VPSOPS_ACCEPT_APPROVERS that it is meant to be open"
LOOK: Final = "Check its id, and the scopes channels:read, groups:read and usergroups:read"


async def check_approvers(settings: Settings, clock: Clock) -> Sequence[DoctorFinding]:
    """Look at each channel and group that a rule in force, or the approval channel, lets decide."""
    if settings.slack_bot_token is None or settings.slack_client_id:
        return []
    ruleset = await ruleset_of(settings, clock)
    async with aiohttp.ClientSession() as session:
        slack = SlackClient(settings, session)
        return await check_sources(slack, ruleset.settings_from(settings), ruleset.policy.rules)


async def check_sources(
    slack: SlackClient, settings: Settings, rules: Sequence[Rule], passed_over: Collection[str] = frozenset()
) -> list[DoctorFinding]:
    """Look at them with one workspace's token and settings.

    What rules name and Slack answers with one of the words `passed_over` is another workspace's.
    """
    channel = settings.approval_channel or settings.channel
    own = Approvers(channels=(channel,)) if channel else Approvers()
    asked = union_of([own, *(rule.approvers for rule in rules)])
    sources = [("channel", item) for item in asked.channels if item != OWN_CHANNEL]
    sources += [("user group", group) for group in asked.groups]
    found: list[DoctorFinding] = []
    for kind, ident in sources:
        try:
            why = await source_problem(slack, kind, ident, settings.accepted_approvers)
        except SlackError as error:
            if error.code not in passed_over or ident == settings.approval_channel:
                found.append(warn(AREA, f"who may join {kind} {ident} cannot be looked at ({error.code})", LOOK))
            continue
        if why:
            found.append(fail(AREA, f"nobody can decide as a member: {why}", CLOSE))
        else:
            found.append(ok(AREA, f"members of {kind} {ident} can decide"))
    return found
