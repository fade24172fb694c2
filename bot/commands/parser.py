"""Parser of the text after `/vps`. Ambiguous text becomes `UnclearCommand`; it never guesses."""

import difflib
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from functools import partial
from typing import Final

from vpsops.bot.commands.argument_parser import ArgumentsError, parse_arguments
from vpsops.bot.protocol.command_catalog import COMMANDS, LISTED, SLASH, operation_of, usage
from vpsops.bot.protocol.text_normalization import (
    MAX_TEXT,
    abbreviate,
    mentioned_user,
    replace_first_word,
    split_command,
    strip_quotes,
)
from vpsops.core.changes.model import Verdict
from vpsops.core.common.json_types import Json
from vpsops.core.operations import OPERATIONS
from vpsops.core.operations.arguments import arguments_of

FILTERS: Final = frozenset({"name", "state", "region"})
LONGEST_FILTER: Final = 253
CREATE: Final = {
    "hostname": "hostname",
    "plan": "plan",
    "region": "region",
    "os": "os_template",
    "os_template": "os_template",
}
NEAR: Final = 4
WATCHED: Final = timedelta(hours=1)
SHORTEST_WATCH: Final = timedelta(minutes=5)
LONGEST_WATCH: Final = timedelta(days=7)
UNITS: Final = {"m": 60, "h": 3600, "d": 86400}

_PAIR: Final = re.compile(r"-{0,2}([A-Za-z_]+)[=:](.*)", re.DOTALL)
_CHANGE: Final = re.compile(r"chg_[0-9A-Za-z_-]{1,60}")
_TIME: Final = re.compile(r"(\d{1,4})(m|min|mins|minutes?|h|hours?|d|days?)", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class RunOperation:
    """Run an operation; `reason` is the requester's verbatim text."""

    operation: str
    arguments: Mapping[str, Json] = field(default_factory=dict)
    reason: str = ""


@dataclass(frozen=True, slots=True)
class OpenCreate:
    """Open the form for a new server, prefilled with the typed values."""

    values: Mapping[str, str] = field(default_factory=dict)
    reason: str = ""


@dataclass(frozen=True, slots=True)
class ShowHelp:
    """Explain all commands, or a single command."""

    topic: str = ""


@dataclass(frozen=True, slots=True)
class ShowChanges:
    """List the newest changes: all, open ones, the caller's own, or those of one server."""

    scope: str = ""  # "open", "mine" or ""
    server: str = ""


@dataclass(frozen=True, slots=True)
class ShowCard:
    """Link to one change's card; a typed verdict is not a vote."""

    change: str
    verdict: Verdict | None = None


@dataclass(frozen=True, slots=True)
class ShowAudit:
    """Show the audit trail, optionally of one server, person or change."""

    server: str = ""
    person: str = ""
    change: str = ""


@dataclass(frozen=True, slots=True)
class ShowReport:
    """Show the status report."""


@dataclass(frozen=True, slots=True)
class WatchServer:
    """Post one server's events in this channel for some time, or stop doing so."""

    server: str
    lasts: timedelta | None = WATCHED  # None stops the watch


@dataclass(frozen=True, slots=True)
class ManageSubscriptions:
    """Show or change this channel's subscriptions; `notify_parser` parses the words."""

    words: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class PauseAgents:
    """Pause all changes by agents."""

    reason: str = ""


@dataclass(frozen=True, slots=True)
class ResumeAgents:
    """Ask to resume agents."""

    reason: str = ""


@dataclass(frozen=True, slots=True)
class CancelChange:
    """Cancel a change."""

    change: str
    reason: str = ""


@dataclass(frozen=True, slots=True)
class UnclearCommand:
    """Text that was not understood: the problem, a hint, and likely commands (`near`). Nothing is run."""

    message: str
    hint: str
    near: tuple[str, ...] = ()


Command = (
    RunOperation
    | OpenCreate
    | ShowHelp
    | ShowChanges
    | ShowCard
    | ShowAudit
    | ShowReport
    | WatchServer
    | ManageSubscriptions
    | PauseAgents
    | ResumeAgents
    | CancelChange
    | UnclearCommand
)
ArgumentsParser = Callable[[list[str], str], Command]


def parse_command(text: str) -> Command:
    """Parse command text; ambiguous text becomes `UnclearCommand`."""
    words, reason = split_command(text)
    if not words:
        return ShowHelp()
    word, rest = words[0].lower().lstrip("/"), words[1:]
    if word in {"help", "?", "--help", "-h"}:
        return ShowHelp(rest[0].lower() if rest else "")
    if word not in COMMANDS:
        return _unknown(word, rest, text)
    if "--help" in rest or "-h" in rest:
        return ShowHelp(word)
    reader = ARGUMENTS_PARSERS.get(word)
    return reader(rest, reason) if reader else _operation(word, rest, reason)


def _operation(word: str, rest: list[str], reason: str) -> Command:
    name = operation_of(word)
    own = OWN_PARSERS.get(name)
    if own is not None:
        return own(rest, reason)
    arguments = arguments_of(OPERATIONS[name].arguments)
    if not arguments:
        return _alone(word, name, rest)
    alone = OPERATIONS[name].takes_server and len(arguments) == 1
    return _on_server(word, name, rest, reason) if alone else _with_arguments(word, name, rest, reason)


def _with_arguments(word: str, name: str, rest: list[str], reason: str) -> Command:
    try:
        return RunOperation(name, parse_arguments(OPERATIONS[name], rest), reason)
    except ArgumentsError as error:
        return UnclearCommand(str(error), f"Write: {usage(word)}")


def _on_server(word: str, name: str, rest: list[str], reason: str) -> Command:
    if not rest:
        return UnclearCommand(f"{SLASH} {word} needs a server.", f"For example: {SLASH} {word} web01")
    if len(rest) > 1:
        return UnclearCommand(f"{SLASH} {word} takes one server at a time.", f"Write: {usage(word)}")
    return RunOperation(name, {"server": rest[0]}, reason)


def _alone(word: str, name: str, rest: list[str]) -> Command:
    return RunOperation(name) if not rest else _too_much(word)


def _list(rest: list[str], _reason: str) -> Command:
    values: dict[str, str] = {}
    for word in rest:
        key, value = _pair(word, FILTERS) or ("name", word)
        if key in values or not value or len(value) > LONGEST_FILTER:
            return UnclearCommand("Each filter can be used once.", f"Write: {usage('list')}")
        values[key] = value
    return RunOperation("list", dict(values))


def _create(rest: list[str], reason: str) -> Command:
    values: dict[str, str] = {}
    for word in rest:
        pair = _pair(word, frozenset(CREATE))
        key, value = (CREATE[pair[0]], pair[1]) if pair else ("hostname", word)
        if key in values or not value:
            return UnclearCommand(f"Unexpected word '{abbreviate(word)}'.", f"Write: {usage('create')}")
        values[key] = value
    return OpenCreate(values, reason)


def _changes(rest: list[str], _reason: str) -> Command:
    if len(rest) > 1:
        return UnclearCommand(f"{SLASH} changes takes one thing at a time.", f"Write: {usage('changes')}")
    if not rest:
        return ShowChanges()
    if rest[0].lower() in {"open", "mine"}:
        return ShowChanges(rest[0].lower())
    return ShowCard(rest[0]) if _CHANGE.fullmatch(rest[0]) else ShowChanges(server=rest[0])


def _verdict(verdict: Verdict, rest: list[str], _reason: str) -> Command:
    if len(rest) != 1 or not _CHANGE.fullmatch(rest[0]):
        return _which(verdict.value)
    return ShowCard(rest[0], verdict)


def _cancel(rest: list[str], reason: str) -> Command:
    if len(rest) != 1 or not _CHANGE.fullmatch(rest[0]):
        return _which("cancel")
    return CancelChange(rest[0], reason)


def _which(word: str) -> UnclearCommand:
    return UnclearCommand("Which change?", f"Write: {usage(word)}; {SLASH} changes shows the ids.")


def _audit(rest: list[str], _reason: str) -> Command:
    if len(rest) > 1:
        return UnclearCommand(f"{SLASH} audit takes one server, person or change.", f"Write: {usage('audit')}")
    if not rest:
        return ShowAudit()
    if _CHANGE.fullmatch(rest[0]):
        return ShowAudit(change=rest[0])
    if mentioned_user(rest[0]) or rest[0].startswith("@"):
        return ShowAudit(person=mentioned_user(rest[0]) or rest[0].lstrip("@"))
    return ShowAudit(server=rest[0])


def _report(rest: list[str], _reason: str) -> Command:
    return ShowReport() if not rest else _too_much("report")


def _watch(rest: list[str], reason: str) -> Command:
    words = [word.lower() for word in rest[1:]]
    lasts = _lasting(words)
    if not rest or reason or (words and words != ["stop"] and lasts is None):
        return UnclearCommand("Name one server and, if needed, a duration.", f"Write: {usage('watch')}; from 5m to 7d.")
    return WatchServer(rest[0], None if words == ["stop"] else lasts or WATCHED)


def _notify(rest: list[str], reason: str) -> Command:
    if reason:
        return UnclearCommand("notify takes no reason.", f"Write: {usage('notify')}")
    return ManageSubscriptions(tuple(rest))


def _lasting(words: list[str]) -> timedelta | None:
    values = _TIME.fullmatch("".join(words[1:] if words[:1] == ["for"] else words))
    if values is None:
        return None
    lasts = timedelta(seconds=int(values[1]) * UNITS[values[2][0].lower()])
    return lasts if SHORTEST_WATCH <= lasts <= LONGEST_WATCH else None


def _pause(rest: list[str], reason: str) -> Command:
    if rest:
        words = " ".join(rest)
        return UnclearCommand(
            f"{SLASH} pause applies to all agents.", f"Write: {usage('pause')}", (f"pause because {words}",)
        )
    return PauseAgents(reason)


def _resume(rest: list[str], reason: str) -> Command:
    return ResumeAgents(reason) if not rest else _too_much("resume")


def _unknown(word: str, rest: list[str], text: str) -> UnclearCommand:
    begun = [item for item in LISTED if item.startswith(word)]
    close = difflib.get_close_matches(word[:40], COMMANDS, n=NEAR, cutoff=0.6)
    near = list(dict.fromkeys([*begun, *close]))[:NEAR]
    if not near and not rest:  # a server's name alone
        near = ["show"]
        text = f"show {text.strip()}"
    meant = " or ".join(f"{SLASH} {item}" for item in near)
    hint = f"Did you mean {meant}?" if begun or close else f"{SLASH} help lists the commands."
    whole = tuple(replace_first_word(text, item) for item in near) if len(text) <= MAX_TEXT else ()
    return UnclearCommand(f"Unknown command '{abbreviate(word)}'. Nothing was run.", hint, whole)


def _too_much(word: str) -> UnclearCommand:
    return UnclearCommand(f"{SLASH} {word} takes no arguments.", f"Write: {usage(word)}")


def _pair(word: str, keys: frozenset[str]) -> tuple[str, str] | None:
    match = _PAIR.fullmatch(word)
    if match is None or match[1].lower() not in keys:
        return None
    return match[1].lower(), strip_quotes(match[2])


OWN_PARSERS: Final[Mapping[str, ArgumentsParser]] = {"list": _list, "create": _create}
"""Parsers of operations with words or a form of their own."""

ARGUMENTS_PARSERS: Final[Mapping[str, ArgumentsParser]] = {
    "changes": _changes,
    "approve": partial(_verdict, Verdict.APPROVE),
    "deny": partial(_verdict, Verdict.DENY),
    "cancel": _cancel,
    "audit": _audit,
    "report": _report,
    "watch": _watch,
    "notify": _notify,
    "pause": _pause,
    "resume": _resume,
}
