"""`vpsops doctor`: checks that enough people can vote for each rule that requires an approval."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Final

import aiohttp

from vpsops.bot.slack_api.client import SlackClient, SlackError
from vpsops.bot.workspaces.account_directory import find_account
from vpsops.bot.workspaces.membership import Membership
from vpsops.core.common.clock import Clock
from vpsops.core.common.errors import NotAllowedError
from vpsops.core.config.settings import Settings
from vpsops.core.console.checks import DoctorFinding, Level, fail, ok, warn
from vpsops.core.identity.actors import SLACK
from vpsops.core.identity.identifiers import looks_like_slack
from vpsops.core.policy.decision import Decision, Ruling
from vpsops.core.policy.model import Rule
from vpsops.core.policy_register.diagnostics import ruleset_of
from vpsops.core.policy_register.document import Ruleset

AREA: Final = "slack"
MAX_TRIED: Final = 50
"""Members whose accounts are read for a rule: two calls to Slack for each."""
ADD: Final = (
    "Add active full members to its channel or user group, or name other approvers in the rule (vpsops policy show)"
)


async def check_quorum(settings: Settings, clock: Clock) -> Sequence[DoctorFinding]:
    """Check every active rule that requires an approval. With several workspaces `check_quorums` does."""
    if settings.slack_bot_token is None or settings.slack_client_id:
        return []
    ruleset = await ruleset_of(settings, clock)
    settings = ruleset.settings_from(settings)
    async with aiohttp.ClientSession() as session:
        slack = SlackClient(settings, session)
        voters = _Voters(slack, Membership(slack, clock, lambda: settings.accepted_approvers))
        return [await _rule(voters, rule) for rule in ruleset.policy.rules if rule.decision is Decision.APPROVE]


async def check_quorums(
    reached: Mapping[str, SlackClient], settings: Settings, clock: Clock, ruleset: Ruleset
) -> list[DoctorFinding]:
    """Check every active rule that requires an approval in each workspace with a working token.

    A rule that can be met in one of them is a warning in the others; in none, it fails.
    """
    findings: list[DoctorFinding] = []
    for rule in (rule for rule in ruleset.policy.rules if rule.decision is Decision.APPROVE):
        checked = [
            await _in_workspace(slack, team, settings, clock, (ruleset, rule)) for team, slack in reached.items()
        ]
        if not checked:
            what = f"rule {rule.id} needs {_people(max(rule.votes, 1))} to approve, and no workspace has the app"
            checked = [fail(AREA, what, "A member opens /slack/install")]
        met = any(finding.level is not Level.FAIL for finding in checked)
        findings += [_softened(finding) if met else finding for finding in checked]
    return findings


def _softened(finding: DoctorFinding) -> DoctorFinding:
    """Return a failure as a warning."""
    return warn(finding.area, finding.what, finding.todo) if finding.level is Level.FAIL else finding


async def _in_workspace(
    slack: SlackClient, team: str, settings: Settings, clock: Clock, of: tuple[Ruleset, Rule]
) -> DoctorFinding:
    """Return the finding for a rule in one workspace, whose own channel stands where the rule leaves it open."""
    ruleset, rule = of
    ruling = ruleset.workspaces.ruling_of(Ruling(Decision.APPROVE, votes=rule.votes, approvers=rule.approvers), team)
    if ruling.decision is not Decision.APPROVE:
        what = f"{team}: rule {rule.id} leaves the approval to a channel that the workspace does not have"
        return fail(AREA, what, "Write approval_channel in its table")
    own = ruleset.workspaces.settings_of(settings, team)
    voters = _Voters(slack, Membership(slack, clock, lambda: own.accepted_approvers))
    finding = await _rule(voters, replace(rule, approvers=ruling.approvers))
    return replace(finding, what=f"{team}: {finding.what}")


async def _rule(voters: "_Voters", rule: Rule) -> DoctorFinding:
    """Return the finding for a rule: can it be met, and by others if one of its people requests the change."""
    needed = max(rule.votes, 1)
    count = await voters.count(rule, needed + 1)
    what = f"rule {rule.id} needs {_people(needed)} to approve"
    if count < needed:
        able = f"only {_people(count)} can" if count else "no one can"
        reason = f" ({voters.problem})" if voters.problem else ""
        return fail(AREA, f"{what}, and {able}{reason}", ADD)
    if count == needed:
        return warn(AREA, f"{what}, and only {_people(count)} can: not for a change of their own", ADD)
    return ok(AREA, f"{what}, and enough can")


def _people(count: int) -> str:
    return "1 person" if count == 1 else f"{count} people"


class _Voters:
    """Counts the people whose votes a rule would take now, by the checks that a vote goes through."""

    def __init__(self, slack: SlackClient, membership: Membership) -> None:
        self._slack = slack
        self._membership = membership
        self.problem = ""

    async def count(self, rule: Rule, enough: int) -> int:
        """Return how many people can vote, counted up to `enough`; `problem` is the last reason why someone cannot."""
        self.problem = ""
        approvers = rule.approvers
        named = {account for name in approvers.people if (account := await self._account(name))}
        members = await self._membership.members([*approvers.groups, *approvers.channels])
        count = 0
        for user in [*sorted(named), *sorted(members - named)][:MAX_TRIED]:
            try:
                evidence = (await self._membership.verify_approver(user, approvers)).evidence
            except NotAllowedError as error:
                self.problem = error.message
                continue
            count += 1 if evidence or user in named else 0
            if count == enough:
                break
        return count

    async def _account(self, name: str) -> str:
        """Return the account of a person that a rule names, or ""."""
        ident = name.removeprefix(SLACK)
        try:
            answer = await find_account(
                self._slack, self._membership, (f"{SLACK}{ident.upper()}" if looks_like_slack(ident) else name,)
            )
        except (SlackError, NotAllowedError) as error:
            self.problem = str(error)
            return ""
        self.problem = answer.problem or self.problem
        return answer.account
