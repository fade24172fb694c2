"""`vpsops doctor` on approvals: it ends with 0 only if one by the policy in force could go through."""

from pathlib import Path

import pytest

from tests.harness.virtual_time import VirtualClock
from vpsops.bot.diagnostics.quorum import check_quorum
from vpsops.core.config.settings import load_settings
from vpsops.core.console import exit_codes
from vpsops.core.console.checks import Level, worst
from vpsops.playground.slack.serve import running_workspace

RULE = """
[[rule]]
id = "stops"
operation = "stop"
decision = "approve"
votes = {votes}
approvers = {approvers}
"""


@pytest.mark.requirement("doctor-approval-possible")
@pytest.mark.parametrize(
    ("votes", "approvers", "error", "level", "end"),
    [
        (1, '{ groups = ["S0APPROVERS"] }', "", Level.OK, "1 person to approve, and enough can"),
        (2, '{ groups = ["S0APPROVERS"] }', "", Level.WARN, "only 2 people can: not for a change of their own"),
        (3, '{ groups = ["S0APPROVERS"] }', "", Level.FAIL, "only 2 people can"),
        (1, '{ groups = ["S0NOWHERE"] }', "", Level.FAIL, "no one can"),
        (1, '{ people = ["U0NOBODY"] }', "", Level.FAIL, "no one can (Slack knows no account U0NOBODY)"),
        (1, '{ people = ["U0BOB"] }', "", Level.WARN, "only 1 person can: not for a change of their own"),
        (1, '{ groups = ["S0APPROVERS"] }', "usergroups.users.list", Level.FAIL, "no one can"),
        (1, '{ groups = ["S0APPROVERS"] }', "users.info", Level.FAIL, "no one can"),
    ],
)
async def test_a_rule_needs_people_whose_votes_would_count(
    tmp_path: Path, votes: int, approvers: str, error: str, level: Level, end: str
) -> None:
    """Members and named people are held to the checks of a vote; what cannot be read counts as no one."""
    policy = tmp_path / "vpsops.toml"
    policy.write_text(RULE.format(votes=votes, approvers=approvers))
    async with running_workspace(clock=VirtualClock(), wall=VirtualClock()) as slack:
        if error:
            slack.faults.fail_next(error, 1000)
        settings = load_settings(
            {
                "SLACK_API_URL": slack.api_url,
                "SLACK_BOT_TOKEN": slack.config.bot_token,
                "VPSOPS_CONFIG": str(policy),
                "VPSOPS_ACCEPT_APPROVERS": "member-edited-groups",
                "VPSOPS_DATABASE_URL": f"sqlite:///{tmp_path / 'none.sqlite3'}",
            }
        )
        (finding,) = await check_quorum(settings, VirtualClock())
    assert (finding.level, finding.what.startswith("rule stops needs ")) == (level, True)
    assert end in finding.what
    assert worst([finding]) == (exit_codes.OTHER if level is Level.FAIL else exit_codes.GOOD)
