"""The rules of the demonstrations: people confirm, assistants need an approver for what interrupts a server."""

from typing import Final

PEOPLE_RULES: Final = """
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
id = "deletions-need-approval"
risk = "destructive"
decision = "approve"
approvers = { groups = ["S0APPROVERS"] }
reason = "It cannot be undone: another person decides."

"""
AGENT_RULES: Final = """[[rule]]
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
