"""How the playground is furnished: its people, its policy, its servers."""

from dataclasses import replace

from vpsops.playground.policy import AGENT_RULES, PEOPLE_RULES
from vpsops.playground.slack.workspace.config import BOT_USER_ID, CHANNELS, USERS, WorkspaceConfig
from vpsops.playground.slack.workspace.entities import Group

PEOPLE = {
    "U0ALICE": "on-call engineer",
    "U0BOB": "second approver",
    "U0DAVE": "outsider",
}
ROOMS = ("C0GENERAL", "C0OPS", "C0APPROVALS")
PURPOSES = {
    "C0GENERAL": "Everybody",
    "C0OPS": "Servers: commands, cards, notices",
    "C0APPROVALS": "What agents ask for, and who says yes",
}
FLEET = 6

OUTSIDER_RULE = """[[rule]]
id = "outsiders-only-read"
person = ["U0DAVE"]
risk = ["change", "disruptive", "destructive"]
decision = "deny"
reason = "Dave is a guest of the team: he may read, and others act."

"""
POLICY = PEOPLE_RULES + OUTSIDER_RULE + AGENT_RULES


def workspace_config() -> WorkspaceConfig:
    """Return a workspace of three people and three channels, with one group of approvers."""
    everyone = frozenset({*PEOPLE, BOT_USER_ID})
    return WorkspaceConfig(
        users=tuple(each for each in USERS if each.id in PEOPLE),
        channels=tuple(replace(each, members=everyone) for each in CHANNELS if each.id in ROOMS),
        groups=(Group("S0APPROVERS", "approvers", "Approvers", ("U0BOB",)),),
    ).with_scopes("channels:read", "groups:read")
