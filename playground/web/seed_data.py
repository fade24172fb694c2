"""How the playground is furnished: its people, its policy, its servers."""

from dataclasses import replace

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

POLICY = """
[[rule]]
id = "everyone-reads"
risk = "read"
decision = "allow"

[[rule]]
id = "people-confirm"
actor = "person"
risk = ["change", "disruptive"]
decision = "confirm"

[[rule]]
id = "outsiders-only-read"
person = ["U0DAVE"]
risk = ["change", "disruptive"]
decision = "deny"
reason = "Dave is a guest of the team: he may look, and others act."

[[rule]]
id = "agents-confirm-create"
actor = "agent"
operation = ["create", "start"]
decision = "confirm"

[[rule]]
id = "agents-need-approval"
actor = "agent"
risk = "disruptive"
decision = "approve"
approvers = { groups = ["S0APPROVERS"] }
reason = "An agent asks to interrupt a server: a person decides."
"""


def workspace_config() -> WorkspaceConfig:
    """Return a workspace of three people and three channels, with one group of approvers."""
    everyone = frozenset({*PEOPLE, BOT_USER_ID})
    return WorkspaceConfig(
        users=tuple(each for each in USERS if each.id in PEOPLE),
        channels=tuple(replace(each, members=everyone) for each in CHANNELS if each.id in ROOMS),
        groups=(Group("S0APPROVERS", "approvers", "Approvers", ("U0BOB",)),),
    ).with_scopes("channels:read", "groups:read")
