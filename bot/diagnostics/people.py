"""`vpsops doctor` and `policy explain`: resolves the people named in rules to Slack accounts."""

from collections.abc import Sequence
from typing import Final

import aiohttp

from vpsops.bot.slack_api.client import SlackClient, SlackError
from vpsops.bot.workspaces.account_directory import find_account
from vpsops.bot.workspaces.membership import Membership, MembershipUnreadableError
from vpsops.core.common.clock import Clock
from vpsops.core.config.settings import Settings
from vpsops.core.console import exit_codes
from vpsops.core.console.checks import Check, DoctorFinding, fail, ok, warn
from vpsops.core.identity.accounts import names_of
from vpsops.core.identity.actors import SLACK, Actor, ActorKind
from vpsops.core.identity.identifiers import looks_like_slack
from vpsops.core.policy.model import Rule
from vpsops.core.policy_register.diagnostics import ruleset_of

AREA: Final = "slack"
NAME_ONE: Final = "Name one active full member of this workspace in that rule (vpsops policy show)"
SET_ACTOR: Final = "Set VPSOPS_ACTOR to one active full member; until then what an assistant asks for is refused"
LOOK: Final = "Give the app the scopes users:read and users:read.email, as `vpsops manifest` prints them"


async def check_people(settings: Settings, clock: Clock) -> Sequence[DoctorFinding]:
    """Resolve every person named in an active rule. Skipped with several workspaces, as rules name no workspace."""
    if settings.slack_bot_token is None or settings.slack_client_id:
        return []
    ruleset = await ruleset_of(settings, clock)
    async with aiohttp.ClientSession() as session:
        slack = SlackClient(settings, session)
        membership = Membership(slack, clock)
        return [
            await _person(slack, membership, name, rules) for name, rules in people_in(ruleset.policy.rules).items()
        ]


async def check_actor(settings: Settings, clock: Clock) -> Sequence[DoctorFinding]:
    """Resolve VPSOPS_ACTOR with this set-up's own token, which needs no bot that runs."""
    names = names_of(Actor(ActorKind.AGENT, "", human=settings.actor))
    if not names or settings.slack_bot_token is None or settings.slack_client_id:
        return []
    async with aiohttp.ClientSession() as session:
        slack = SlackClient(settings, session)
        try:
            answer = await find_account(slack, Membership(slack, clock), names)
        except (MembershipUnreadableError, SlackError) as error:
            why = error.message if isinstance(error, MembershipUnreadableError) else error.code
            return [fail(AREA, f"cannot read the account of VPSOPS_ACTOR, {settings.actor} ({why})", LOOK)]
    if answer.account:
        return [ok(AREA, f"VPSOPS_ACTOR, {settings.actor}, is the account {answer.account}")]
    return [fail(AREA, f"VPSOPS_ACTOR, {settings.actor}, is no account: {answer.problem}", SET_ACTOR, exit_codes.USAGE)]


def people_in(rules: Sequence[Rule]) -> dict[str, list[str]]:
    """Return the people that rules name, as approvers or requesters, with the ids of those rules."""
    rules_by_name: dict[str, list[str]] = {}
    for rule in rules:
        for name in sorted({*rule.approvers.people, *rule.override.people, *rule.match.person}):
            rules_by_name.setdefault(name, []).append(rule.id)
    return rules_by_name


async def _person(slack: SlackClient, membership: Membership, name: str, rules: Sequence[str]) -> DoctorFinding:
    who = f"{name}, named by rule {', '.join(rules[:5])},"
    known = f"{SLACK}{name.removeprefix(SLACK).upper()}" if looks_like_slack(name.removeprefix(SLACK)) else name
    try:
        answer = await find_account(slack, membership, (known,))
    except MembershipUnreadableError as error:
        return warn(AREA, f"cannot read the account of {who} {error.message}", LOOK)
    except SlackError as error:
        return warn(AREA, f"cannot read the account of {who} ({error.code})", LOOK)
    if answer.account:
        return ok(AREA, f"{who} is the account {answer.account}")
    return warn(AREA, f"{who} has no account: {answer.problem}", NAME_ONE)


CHECKS: Final[tuple[Check, ...]] = (check_actor, check_people)
"""Who is set and named, as `vpsops policy explain` looks them up."""
