"""Parser of the text after `/vps`. Ambiguous text becomes `UnclearCommand`; it never guesses."""

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Final

from vpsops.bot.commands.argument_parser import ArgumentsError, MissingArgumentError, pair_of, parse_arguments
from vpsops.bot.commands.corrections import command_behind, corrected_texts, names_in_bold, spoken_texts
from vpsops.bot.commands.firewall_parser import ADD, LIST, REMOVE, firewall_operation, parse_firewall
from vpsops.bot.commands.grant_parser import AskGrant, parse_grant
from vpsops.bot.commands.list_filters import parse_filters
from vpsops.bot.commands.plan_parser import RunPlan, plan_of_arguments, plan_of_words, taken_words
from vpsops.bot.commands.runbook_parser import RunRunbook, parse_runbook
from vpsops.bot.commands.time_parser import (
    CREATE,
    KeepServer,
    WatchServer,
    joined_lifetime,
    keep_of,
    split_time,
    watch_of,
)
from vpsops.bot.commands.vocabulary import HELP, NEAR, command_words, likely_commands
from vpsops.bot.protocol.command_catalog import COMMANDS, SLASH, has_form, operation_of, usage, word_for
from vpsops.bot.protocol.text_normalization import (
    MAX_TEXT,
    abbreviate,
    mentioned_user,
    replace_first_words,
    split_at_reason,
    split_command,
)
from vpsops.core.changes.model import Verdict
from vpsops.core.common.json_types import Json
from vpsops.core.operations import OPERATIONS
from vpsops.core.operations.arguments import arguments_of
from vpsops.core.operations.server_lookup import plain_reference

BECAUSE: Final = "because"  # before a reason; where it comes first, no server is named

_CHANGE: Final = re.compile(r"chg_[0-9A-Za-z_-]{1,60}")


@dataclass(frozen=True, slots=True)
class RunOperation:
    """Run an operation; `reason` is the requester's verbatim text, `later` the time they named."""

    operation: str
    arguments: Mapping[str, Json] = field(default_factory=dict)
    reason: str = ""
    later: str = ""


@dataclass(frozen=True, slots=True)
class OpenForm:
    """Open the form of an operation for the arguments that are missing; the typed ones are kept."""

    operation: str
    arguments: Mapping[str, Json]
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
    """List the newest changes: all, open ones, the caller's own, those that run later, or those of one server."""

    scope: str = ""  # "open", "mine", "scheduled", "reviews" or ""
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
    """Show the status report, with costs by owner or by the values of a label's key."""

    label: str = ""


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
class OpenOverride:
    """Open the form in which the asker runs a change without approval."""

    change: str


@dataclass(frozen=True, slots=True)
class UnclearCommand:
    """Text that was not understood: the problem, a hint, and likely commands (`near`). Nothing is run."""

    message: str
    hint: str
    near: tuple[str, ...] = ()


Command = (
    RunOperation
    | RunPlan
    | AskGrant
    | RunRunbook
    | OpenForm
    | OpenCreate
    | ShowHelp
    | ShowChanges
    | ShowCard
    | ShowAudit
    | ShowReport
    | WatchServer
    | KeepServer
    | ManageSubscriptions
    | PauseAgents
    | ResumeAgents
    | CancelChange
    | OpenOverride
    | UnclearCommand
)
ArgumentsParser = Callable[[list[str], str], Command]


def parse_command(text: str) -> Command:
    """Parse command text; ambiguous text becomes `UnclearCommand`."""
    typed, reason = split_command(text)
    if not (words := command_words(typed)):
        return ShowHelp()
    word, rest = words[0], words[1:]
    if word in HELP:
        return ShowHelp(command_words(rest)[0].lower() if rest else "")
    if word not in COMMANDS:
        return _unknown(word, rest, text)
    if "--help" in rest or "-h" in rest:
        return ShowHelp(word)
    reader = ARGUMENTS_PARSERS.get(word)
    return reader(rest, reason) if reader else _operation(word, rest, reason)


def _operation(word: str, rest: list[str], reason: str) -> Command:
    try:
        rest, time = split_time(OPERATIONS[operation_of(word)], rest)
        command = _operation_now(word, rest, reason)
    except ArgumentsError as error:
        return UnclearCommand(str(error), f"Write: {usage(word)}")
    return _at_time(word, command, time) if time else command


def _at_time(word: str, command: Command, time: str) -> Command:
    if isinstance(command, RunOperation | RunPlan) and not OPERATIONS[command.operation].reads:
        return replace(command, later=time)
    unclear = UnclearCommand("Reads and forms take no time.", f"Write all of it: {usage(word)}")
    return command if isinstance(command, UnclearCommand) else unclear


def _operation_now(word: str, rest: list[str], reason: str) -> Command:
    name = operation_of(word)
    if (own := OWN_PARSERS.get(name)) is not None:
        return own(rest, reason)
    arguments = arguments_of(OPERATIONS[name].arguments)
    if not arguments:
        return RunOperation(name) if not rest else replace(_too_much(word), near=(word,))
    if OPERATIONS[name].takes_server and len(arguments) == 1:
        return _on_server(word, name, rest, reason)
    return _with_arguments(word, name, rest, reason)


def _with_arguments(word: str, name: str, rest: list[str], reason: str) -> Command:
    try:
        arguments = parse_arguments(OPERATIONS[name], rest)
        plan = plan_of_arguments(name, arguments)
        return RunOperation(name, arguments, reason) if plan is None else replace(plan, reason=reason)
    except MissingArgumentError as error:
        if "server" in error.values and has_form(OPERATIONS[name]):
            return OpenForm(name, error.values, reason)
        return UnclearCommand(str(error), f"Write: {usage(word)}")


def _firewall(name: str, rest: list[str], reason: str) -> Command:
    asked = firewall_operation(name, rest)
    try:
        command = parse_firewall(name, rest)
    except ArgumentsError as error:
        if isinstance(error, MissingArgumentError) and "server" in error.values and has_form(OPERATIONS[asked]):
            return OpenForm(asked, error.values, reason)
        return UnclearCommand(str(error), f"Write: {usage(word_for(name))}")
    return RunOperation(command.operation, command.arguments, reason)


def _on_server(word: str, name: str, rest: list[str], reason: str) -> Command:
    if not rest or rest[0].lower() == BECAUSE:
        return UnclearCommand(f"{SLASH} {word} needs a server.", f"For example: {SLASH} {word} web01")
    if bold := names_in_bold(rest):
        return UnclearCommand("Are these names in bold?", f"Write: {usage(word)}", (" ".join((word, *bold)),))
    plan = plan_of_words(name, rest)
    if plan is not None:
        return replace(plan, reason=reason)
    if len(rest) == 1:
        return RunOperation(name, {"server": rest[0]}, reason)
    meant = corrected_texts(word, rest, reason, OPERATIONS[name])
    return UnclearCommand(f"{SLASH} {word} takes {taken_words(name)}.", f"Write: {usage(word)}", meant)


def _list(rest: list[str], _reason: str) -> Command:
    filters = parse_filters(rest)
    if filters.problem:
        return UnclearCommand(filters.problem, f"Write: {usage('list')}", filters.meant)
    return RunOperation("list", dict(filters.values))


def _create(rest: list[str], reason: str) -> Command:
    values: dict[str, str] = {}
    for word in joined_lifetime(rest):
        pair = pair_of(word, frozenset(CREATE))
        key, value = (CREATE[pair[0]], pair[1]) if pair else ("hostname", word)
        if key in values or not value:
            return UnclearCommand(f"Unexpected word '{abbreviate(word)}'.", f"Write: {usage('create')}")
        values[key] = value
    return OpenCreate(values, reason)


def _changes(rest: list[str], _reason: str) -> Command:
    if len(rest) > 1:
        return UnclearCommand(f"{SLASH} changes takes one thing at a time.", f"Write: {usage('changes')}")
    scope = rest[0].lower() if rest else ""
    if scope in {"", "open", "mine", "scheduled"}:
        return ShowChanges(scope)
    change = _change_id(rest[0])
    return ShowCard(change) if change else ShowChanges(server=plain_reference(rest[0]))


def _about_change(word: str, make: Callable[[str, str], Command], rest: list[str], reason: str) -> Command:
    if len(rest) != 1 or not _change_id(rest[0]):
        return UnclearCommand("Which change?", f"Write: {usage(word)}; {SLASH} changes shows the ids.")
    return make(_change_id(rest[0]), reason)


def _change_id(word: str) -> str:
    """Return the id of a change without what stands around it, or ""."""
    return plain_reference(word) if _CHANGE.fullmatch(plain_reference(word)) else ""


def _audit(rest: list[str], _reason: str) -> Command:
    if len(rest) > 1:
        return UnclearCommand(f"{SLASH} audit takes one server, person or change.", f"Write: {usage('audit')}")
    if not rest:
        return ShowAudit()
    if _change_id(rest[0]):
        return ShowAudit(change=_change_id(rest[0]))
    if mentioned_user(rest[0]) or rest[0].startswith("@"):
        return ShowAudit(person=mentioned_user(rest[0]) or rest[0].lstrip("@"))
    return ShowAudit(server=plain_reference(rest[0]))


def _report(rest: list[str], _reason: str) -> Command:
    pair = pair_of(rest[0], frozenset({"label"})) if len(rest) == 1 else None
    if rest and (pair is None or "=" in pair[1] or not 0 < len(pair[1]) < 64):  # noqa: PLR2004 - a label's key
        return UnclearCommand("Costs are by owner, or by label:KEY.", f"Write: {usage('report')}", near=("report",))
    return ShowReport(label=pair[1] if pair else "")


def _notify(rest: list[str], reason: str) -> Command:
    unclear = UnclearCommand("notify takes no reason.", f"Write: {usage('notify')}")
    return unclear if reason else ManageSubscriptions(tuple(rest))


def _parsed(word: str, parse: Callable[[list[str], str], Command], rest: list[str], reason: str) -> Command:
    try:
        return parse(rest, reason)
    except ArgumentsError as error:
        return UnclearCommand(str(error), f"Write: {usage(word)}")


def _pause(rest: list[str], reason: str) -> Command:
    if rest:
        message, meant = f"{SLASH} pause applies to all agents.", (f"pause because {' '.join(rest)}",)
        return UnclearCommand(message, f"Write: {usage('pause')}", meant)
    return PauseAgents(reason)


def _unknown(word: str, rest: list[str], text: str) -> UnclearCommand:
    spoken = spoken_texts(text[:MAX_TEXT])
    near, words = [] if spoken else likely_commands(word), text[:MAX_TEXT].split()
    meant = " or ".join(f"{SLASH} {command}" for command in near)
    hint = f"Did you mean {meant}?" if near else f"{SLASH} help lists the commands."
    count = len(words) - len(command_words(words)) + 1
    typed = [*spoken, *(replace_first_words(text, command, count) for command in near)]
    if not typed and not rest:  # a server's name alone
        typed = [f"show {text.strip()}"]
    elif not typed and (swapped := command_behind(rest)):  # `web01 reboot`
        typed = [f"{swapped} {words[count - 1]}{split_at_reason(text)[1]}"]
    usable = usable_texts(typed) if len(text) <= MAX_TEXT else ()
    return UnclearCommand(f"Unknown command '{abbreviate(word)}'. Nothing was run.", hint, usable)


def usable_texts(texts: Iterable[str]) -> tuple[str, ...]:
    """Return the texts that can be carried out, each other one replaced by what would be offered for it."""
    usable: dict[str, None] = {}
    for text in texts:
        command = parse_command(text)
        usable.update(dict.fromkeys(command.near if isinstance(command, UnclearCommand) else (text,)))
    return tuple(usable)[:NEAR]


def _too_much(word: str) -> UnclearCommand:
    return UnclearCommand(f"{SLASH} {word} takes no arguments.", f"Write: {usage(word)}")


OWN_PARSERS: Final[Mapping[str, ArgumentsParser]] = {
    "list": _list,
    "create": _create,
    **{name: partial(_firewall, name) for name in (LIST, ADD, REMOVE)},
}
"""Parsers of operations with words or a form of their own."""

ARGUMENTS_PARSERS: Final[Mapping[str, ArgumentsParser]] = {
    "changes": _changes,
    "scheduled": lambda rest, reason: _changes(["scheduled", *rest], reason),
    "approve": partial(_about_change, "approve", lambda change, _: ShowCard(change, Verdict.APPROVE)),
    "deny": partial(_about_change, "deny", lambda change, _: ShowCard(change, Verdict.DENY)),
    "cancel": partial(_about_change, "cancel", CancelChange),
    "override": partial(_about_change, "override", lambda change, _: OpenOverride(change)),
    "reviews": lambda rest, _: _too_much("reviews") if rest else ShowChanges("reviews"),
    "audit": _audit,
    "report": _report,
    "watch": lambda rest, reason: (
        watch_of(rest, reason)
        or UnclearCommand("Name one server and, if needed, a duration.", f"Write: {usage('watch')}; from 5m to 7d.")
    ),
    "keep": lambda rest, reason: (
        keep_of(rest, reason) or UnclearCommand("Name one server and for how much longer.", f"Write: {usage('keep')}")
    ),
    "ends": lambda rest, _: _too_much("ends") if rest else ShowChanges("ends"),
    "notify": _notify,
    "grant": partial(_parsed, "grant", parse_grant),
    "runbook": lambda rest, reason: (
        _parsed("runbook", parse_runbook, rest, reason) if rest else ShowChanges("runbooks")
    ),
    "grants": lambda rest, _: _too_much("grants") if rest else ShowChanges("grants"),
    "pause": _pause,
    "resume": lambda rest, reason: _too_much("resume") if rest else ResumeAgents(reason),
}
