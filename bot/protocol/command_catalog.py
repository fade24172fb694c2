"""The words of `/vps`: derived from the operations, with a few of our own; pure."""

from collections.abc import Mapping
from typing import Final

from vpsops.core.operations import OPERATIONS

SLASH: Final = "/vps"
SHORT_NAMES: Final = {"get": "show", "os_templates": "os"}
"""Words that read better in Slack than the operation's name."""

NOTIFY_ARGUMENTS: Final = "[EVENTS [on SERVERS] [quiet HOURS ZONE] [cpu>90 for 10m]|off ID]"
CHAT_COMMANDS: Final[Mapping[str, tuple[str, str]]] = {
    "changes": ("[open|mine|SERVER|CHANGE]", "List the newest changes and where they are."),
    "approve": ("CHANGE", "Find the card to approve on; votes are clicks, never typed."),
    "deny": ("CHANGE", "Find the card to deny on; votes are clicks, never typed."),
    "cancel": ("CHANGE [because REASON]", "Withdraw a change that is waiting."),
    "audit": ("[SERVER|@PERSON|CHANGE]", "Show who asked, decided and did what, newest first."),
    "report": ("", "Show how everything stands: fleet, changes, holds, costs, agents."),
    "watch": ("SERVER [for 2h|stop]", "Tell this channel of what happens to one server for a while."),
    "notify": (NOTIFY_ARGUMENTS, "Show or set what this channel is told of: events, servers, quiet hours."),
    "pause": ("[because REASON]", "Keep all agents from changing anything, now."),
    "resume": ("[because REASON]", "Let paused agents go on; asks for a click."),
    "help": ("[COMMAND]", "Explain a command."),
}
"""Commands that are not operations: what they take, and what they do."""

ARGUMENTS: Final = {
    "list": "[PART OF A NAME] [state:STATE] [region:REGION]",
    "create": "[HOSTNAME] [plan=PLAN] [region=REGION] [os=OS]",
}

OPERATION_OF: Final = {SHORT_NAMES.get(name, name): name for name in OPERATIONS}
ALIASES: Final = {name: name for name in SHORT_NAMES} | {"os-templates": "os_templates"}
COMMANDS: Final = (*OPERATION_OF, *CHAT_COMMANDS, *ALIASES)
"""Every word that is understood; the last few are spelled differently in the lists."""

LISTED: Final = (*OPERATION_OF, *CHAT_COMMANDS)


def operation_of(word: str) -> str:
    """Return the operation a command word stands for; raises KeyError for one that is none."""
    return OPERATION_OF.get(word) or ALIASES[word]


def word_for(operation: str) -> str:
    """Return the command word for an operation."""
    return SHORT_NAMES.get(operation, operation)


def usage(word: str) -> str:
    """Return how a command is written."""
    if word in CHAT_COMMANDS:
        return f"{SLASH} {word} {CHAT_COMMANDS[word][0]}".strip()
    name = operation_of(word)
    return f"{SLASH} {word_for(name)} {_arguments(name)}".strip()


def summary(word: str) -> str:
    """Return what a command does, in one sentence."""
    return CHAT_COMMANDS[word][1] if word in CHAT_COMMANDS else OPERATIONS[operation_of(word)].summary


def _arguments(name: str) -> str:
    operation = OPERATIONS[name]
    if name in ARGUMENTS or not operation.takes_server:
        return ARGUMENTS.get(name, "")
    return "SERVER" if operation.reads else "SERVER [because REASON]"
