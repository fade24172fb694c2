"""The subcommands of `/vps`: those derived from operations, and those that exist only in chat."""

from collections.abc import Mapping
from typing import Any, Final

from vpsops.core.operations import OPERATIONS, Operation
from vpsops.core.operations.arguments import ArgumentKind, arguments_of

SLASH: Final = "/vps"
SHORT_NAMES: Final = {name: operation.command for name, operation in OPERATIONS.items() if operation.command}
"""The command words of operations that are not their names."""

NOT_IN_FORMS: Final = frozenset({ArgumentKind.SECRET, ArgumentKind.KEYS, ArgumentKind.SERVER})
OPEN_KINDS: Final = frozenset({ArgumentKind.TEXT, ArgumentKind.LABELS})
"""Kinds of arguments that take all words that are left."""
TIME: Final = ("at TIME", "in 2h", "in window NAME")
"""How the time of a change is typed; each begins with the word that marks it."""
NOTIFY_ARGUMENTS: Final = "[EVENTS [on SERVERS] [quiet HOURS ZONE] [cpu>90 for 10m]|off ID]"
RUNBOOK_ARGUMENTS: Final = f"[NAME [ARGUMENT=VALUE]... [{'|'.join(TIME)}] [because REASON]]"
GRANT_ARGUMENTS: Final = "AGENT [of PERSON] OPERATION SERVERS for TIME [uses=N] [because REASON]"
CHAT_COMMANDS: Final[Mapping[str, tuple[str, str]]] = {
    "changes": ("[open|mine|scheduled|SERVER|CHANGE]", "List the newest changes and their state."),
    "scheduled": ("", "List the changes that run later, the next one first."),
    "approve": ("CHANGE", "Link to the card with the Approve button; typed votes do not count."),
    "deny": ("CHANGE", "Link to the card with the Deny button; typed votes do not count."),
    "cancel": ("CHANGE [because REASON]", "Cancel a pending change."),
    "override": ("CHANGE", "Run your own change without approval, where a rule lets you; others review it."),
    "reviews": ("", "List the runs without approval that still need a review."),
    "audit": ("[SERVER|@PERSON|CHANGE]", "Show who requested, decided and did what, newest first."),
    "report": ("[label:KEY]", "Show a status report: servers, changes, pending decisions, costs, agents."),
    "watch": ("SERVER [for 2h|stop]", "Post the events of one server in this channel for a while."),
    "keep": ("SERVER 2d", "Give a server that ends by itself a later end."),
    "ends": ("", "List the servers that end by themselves, the next one first."),
    "notify": (NOTIFY_ARGUMENTS, "Show or set this channel's notifications: events, servers, quiet hours."),
    "grant": (GRANT_ARGUMENTS, "Ask that an agent may repeat an operation without votes for a time."),
    "grants": ("", "List what agents may do without votes for now, each with a button to end it."),
    "runbook": (RUNBOOK_ARGUMENTS, "List the runbooks, or ask once for all steps of one."),
    "pause": ("[because REASON]", "Stop all agents from changing anything."),
    "resume": ("[because REASON]", "Resume paused agents; asks for a click."),
    "help": ("[COMMAND]", "Explain a command."),
}
"""Commands that are not operations: their arguments and summary."""

CHAT_SYNONYMS: Final[Mapping[str, str]] = {
    "reject": "deny",
    "decline": "deny",
    "abort": "cancel",
    "withdraw": "cancel",
    "summary": "report",
    "runbooks": "runbook",
    "subscribe": "notify",
    "unpause": "resume",
    "man": "help",
}
"""Words that mean exactly one of the commands of chat."""
CHAT_OFFERS: Final[Mapping[str, str]] = {
    "history": "changes",
    "pending": "changes",
    "queue": "changes",
    "log": "audit",
    "logs": "audit",
    "overview": "report",
    "costs": "report",
    "bill": "report",
    "billing": "report",
    "budget": "report",
    "alerts": "notify",
    "alert": "notify",
    "mute": "notify",
    "silence": "notify",
    "unfreeze": "resume",
    "freeze": "pause",
    "health": "status",
    "mem": "status",
    "disk": "status",
    "hardreset": "reboot",
    "switchoff": "stop",
    "suspend": "stop",
    "sleep": "stop",
    "switchon": "start",
    "bringup": "start",
    "purge": "delete",
    "nuke": "delete",
    "spawn": "create",
    "fw": "firewall",
    "ports": "firewall",
    "backup": "backup-create",  # at the terminal these two are about the database
    "restore": "backup-restore",
}
"""Words that may mean one of them, or an operation: it is offered, and nothing runs."""

ARGUMENTS: Final = {
    "list": "[PART OF A NAME] [state:STATE] [region:REGION] [label:KEY=VALUE]",
    "create": "[HOSTNAME] [plan=PLAN] [region=REGION] [os=OS] [for 3d]",
    "firewall": "SERVER [allow PORT/PROTOCOL from SOURCE|remove RULE]",
    "firewall_allow": "SERVER PORT/PROTOCOL from SOURCE",
}
"""Arguments that are typed in another way than one after another."""

OPERATION_OF: Final = {SHORT_NAMES.get(name, name): name for name in OPERATIONS}
ALIASES: Final = {name: name for name in SHORT_NAMES}
COMMANDS: Final = (*OPERATION_OF, *CHAT_COMMANDS, *ALIASES)
"""Every accepted command word, including aliases."""

LISTED: Final = (*OPERATION_OF, *CHAT_COMMANDS)

_EXACT_OPERATIONS: Final = {word: entry.word for word, entry in OPERATIONS.exact_words.items() if word not in COMMANDS}
EXACT: Final[Mapping[str, str]] = {**_EXACT_OPERATIONS, **CHAT_SYNONYMS}
"""Synonyms that run the command they stand for."""
OFFERED: Final[Mapping[str, str]] = {
    **{word: entry.word for word, entry in OPERATIONS.offered_words.items()},
    **CHAT_OFFERS,
}
"""Synonyms that only offer a command."""


def synonyms_of(word: str) -> list[str]:
    """Return the words that stand for exactly this command, shortest first."""
    synonyms = [synonym for synonym, command in EXACT.items() if command == word]
    return sorted(synonyms, key=lambda synonym: (len(synonym), synonym))


def operation_of(word: str) -> str:
    """Return the operation of a command word; raises KeyError if it is not an operation."""
    return OPERATION_OF.get(word) or ALIASES[word]


def word_for(operation: str) -> str:
    """Return the command word for an operation."""
    return SHORT_NAMES.get(operation, operation)


def has_form(operation: Operation) -> bool:
    """Return whether the arguments of an operation on a server can be asked for in a form."""
    arguments = arguments_of(operation.arguments)
    asked = [argument for argument in arguments if argument.name != "server"]
    return operation.takes_server and bool(asked) and not any(argument.spec.kind in NOT_IN_FORMS for argument in asked)


def lacks_arguments(operation: Operation, given: Mapping[str, Any]) -> bool:
    """Return whether an operation's form has to ask for something that it has to be given."""
    required = [argument.name for argument in arguments_of(operation.arguments) if argument.required]
    return has_form(operation) and "server" in given and any(name not in given for name in required)


def takes_open_text(operation: Operation) -> bool:
    """Return whether an argument takes all words that are left, so that a time behind it may be a part of it."""
    arguments = arguments_of(operation.arguments)
    return any(argument.spec.kind in OPEN_KINDS or argument.many for argument in arguments)


def time_usage(operation: Operation) -> str:
    """Return the syntax of the time of a change, or "" where none can be typed."""
    if operation.reads or takes_open_text(operation):
        return ""
    own = {argument.word.lower() for argument in arguments_of(operation.arguments)}
    return f"[{'|'.join(form for form in TIME if form.split()[0] not in own)}]"


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
    placeholders = [argument.placeholder for argument in arguments_of(operation.arguments)]
    words = ARGUMENTS.get(name) or " ".join(placeholders)
    tail = "" if operation.reads else f"{time_usage(operation)} [because REASON]"
    return " ".join(f"{words} {tail}".split())
