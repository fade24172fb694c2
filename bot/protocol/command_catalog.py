"""The subcommands of `/vps`: those derived from operations, and those that exist only in chat."""

from collections.abc import Mapping
from typing import Final

from vpsops.core.operations import OPERATIONS
from vpsops.core.operations.arguments import arguments_of

SLASH: Final = "/vps"
SHORT_NAMES: Final = {name: operation.command for name, operation in OPERATIONS.items() if operation.command}
"""The command words of operations that are not their names."""

NOTIFY_ARGUMENTS: Final = "[EVENTS [on SERVERS] [quiet HOURS ZONE] [cpu>90 for 10m]|off ID]"
CHAT_COMMANDS: Final[Mapping[str, tuple[str, str]]] = {
    "changes": ("[open|mine|SERVER|CHANGE]", "List the newest changes and their state."),
    "approve": ("CHANGE", "Link to the card with the Approve button; typed votes do not count."),
    "deny": ("CHANGE", "Link to the card with the Deny button; typed votes do not count."),
    "cancel": ("CHANGE [because REASON]", "Cancel a pending change."),
    "audit": ("[SERVER|@PERSON|CHANGE]", "Show who requested, decided and did what, newest first."),
    "report": ("", "Show a status report: servers, changes, pending decisions, costs, agents."),
    "watch": ("SERVER [for 2h|stop]", "Post the events of one server in this channel for a while."),
    "notify": (NOTIFY_ARGUMENTS, "Show or set this channel's notifications: events, servers, quiet hours."),
    "pause": ("[because REASON]", "Stop all agents from changing anything."),
    "resume": ("[because REASON]", "Resume paused agents; asks for a click."),
    "help": ("[COMMAND]", "Explain a command."),
}
"""Commands that are not operations: their arguments and summary."""

ARGUMENTS: Final = {
    "list": "[PART OF A NAME] [state:STATE] [region:REGION]",
    "create": "[HOSTNAME] [plan=PLAN] [region=REGION] [os=OS]",
}

OPERATION_OF: Final = {SHORT_NAMES.get(name, name): name for name in OPERATIONS}
ALIASES: Final = {name: name for name in SHORT_NAMES} | {"os-templates": "os_templates"}
COMMANDS: Final = (*OPERATION_OF, *CHAT_COMMANDS, *ALIASES)
"""Every accepted command word, including aliases."""

LISTED: Final = (*OPERATION_OF, *CHAT_COMMANDS)


def operation_of(word: str) -> str:
    """Return the operation of a command word; raises KeyError if it is not an operation."""
    return OPERATION_OF.get(word) or ALIASES[word]


def word_for(operation: str) -> str:
    """Return the command word for an operation."""
    return SHORT_NAMES.get(operation, operation)


def usage(word: str) -> str:
    """Return a command's syntax."""
    if word in CHAT_COMMANDS:
        return f"{SLASH} {word} {CHAT_COMMANDS[word][0]}".strip()
    name = operation_of(word)
    return f"{SLASH} {word_for(name)} {_arguments(name)}".strip()


def summary(word: str) -> str:
    """Return a command's summary: one sentence."""
    return CHAT_COMMANDS[word][1] if word in CHAT_COMMANDS else OPERATIONS[operation_of(word)].summary


def _arguments(name: str) -> str:
    operation = OPERATIONS[name]
    if name in ARGUMENTS:
        return ARGUMENTS[name]
    words = [argument.placeholder for argument in arguments_of(operation.arguments)]
    return " ".join(words if operation.reads else [*words, "[because REASON]"])
