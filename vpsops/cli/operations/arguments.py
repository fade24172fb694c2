"""Subcommands from the registry: the options and words of an operation are its typed arguments."""

import argparse
import math
import re
from collections.abc import Callable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from typing import Final

from vpsops.bot.commands.argument_parser import ArgumentsError
from vpsops.bot.commands.firewall_parser import parse_words, with_verb
from vpsops.bot.commands.plan_parser import PlanWordsError, options_from, parse_plan
from vpsops.bot.commands.vocabulary import command_words, nearest_words
from vpsops.bot.protocol.command_catalog import OFFERED
from vpsops.core.common.errors import InvalidInputError
from vpsops.core.common.json_types import Json
from vpsops.core.common.timings import LONGEST_WAIT_DAYS
from vpsops.core.operations import OPERATIONS, Operation, Risk
from vpsops.core.operations.arguments import Argument, ArgumentKind, arguments_of
from vpsops.core.plans.model import PlanOptions
from vpsops.core.schedule.model import LaterRequest

PLAN_OPTIONS: Final = ("at_once", "pause", "stop_after", "probe")
DURATION: Final = re.compile(r"(\d{1,5})(s|m|h|d)")
UNITS: Final = {"s": 1, "m": 60, "h": 3600, "d": 86_400}
ENDLESS: Final = math.inf
EXIT_CODES: Final = (
    "Exit code: 0 done, 5 held, scheduled or not finished, 6 refused (nothing was done), 7 failed, 8 outcome unknown,"
    " 130 interrupted (the change stays as it is), 2 wrong usage, 3 not authenticated, 4 provider unreachable, 1 other."
)
READ_CODES: Final = "Exit code: 0 done, 6 refused, 2 wrong usage, 3 not authenticated, 4 provider unreachable, 1 other."
PREFIX: Final = "argument_"
LISTED: Final = re.compile(r"(?:(.+) )?of vps_(\w+)")
"""How the description of an argument names the tool that lists its values."""


@dataclass(frozen=True, slots=True)
class TypedPlan:
    """Words that select many servers, the options of their plan, and the other arguments of the operation."""

    words: tuple[str, ...]
    options: PlanOptions
    arguments: Mapping[str, Json]


def words_of_operations() -> Mapping[str, Operation]:
    """Return the operations by their subcommands."""
    return {operation.word: operation for operation in OPERATIONS.values()}


def operation_words(words: Sequence[str]) -> list[str]:
    """Return the words with the subcommand that their first ones stand for; other words stay as they are."""
    meant = with_verb(command_words(words))
    return meant if meant and meant[0] in words_of_operations() else list(words)


def likely_subcommands(word: str, others: Sequence[str]) -> list[str]:
    """Return the subcommands, of operations and others, that an unknown word may have been."""
    known = (*words_of_operations(), *others)
    offered = [OFFERED[word]] if OFFERED.get(word) in known else []
    return offered or nearest_words(word, (*known, *OPERATIONS.exact_words))


def describe(parser: argparse.ArgumentParser, operation: Operation, *, program: bool = False) -> None:
    """Give a parser the words and options of an operation; with `program` those of a request that asks no one here."""
    parser.usage = usage_of(parser.prog, operation)
    effect = f" {operation.effect}" if operation.effect else ""
    risk = f" Risk: {operation.risk.value}." if not operation.reads else ""
    undocumented = "" if operation.documented else " The provider does not document this call."
    parser.description = (
        f"{operation.summary}{effect if effect.strip() != operation.summary else ''}{risk}{undocumented}"
    )
    parser.epilog = READ_CODES if operation.reads else EXIT_CODES
    parser.set_defaults(operation=operation.name, program=program)
    arguments = arguments_of(operation.arguments)
    parser.add_argument("typed", nargs="*", metavar="WORD", help=_words_help(arguments))
    group = parser.add_argument_group("arguments of the operation")
    for argument in arguments:
        _add_argument(group, argument)
    if operation.plannable:
        _add_plan_options(parser)
    if operation.reads:
        _add_read_options(parser, operation)
    else:
        add_change_options(parser, operation, program=program)
    parser.add_argument(
        "--json", action="store_true", help="print one JSON document, and nothing else, to standard output"
    )


def usage_of(prog: str, operation: Operation) -> str:
    """Return the line of usage of an operation."""
    arguments = arguments_of(operation.arguments)
    words = [argument.placeholder if argument.required else f"[{_metavar(argument)}]" for argument in arguments]
    return " ".join((prog, *words, "[options]"))


def _words_help(arguments: Sequence[Argument]) -> str:
    required = [argument.spec.label.lower() for argument in arguments if argument.required]
    return f"{', '.join(required)}; any argument also as word=value" if arguments else "none"


def _metavar(argument: Argument) -> str:
    return f"{_option(argument)} {argument.word.upper().replace('_', ' ').replace(' ', '_')}"


def _option(argument: Argument) -> str:
    return f"--{argument.word.replace('_', '-')}"


def _add_argument(group: "argparse._ArgumentGroup", argument: Argument) -> None:
    text = own_words(argument.description, argument.spec.label) or argument.spec.label
    if argument.spec.kind is ArgumentKind.DURATION:
        text = f"stop the server so long after it is made, such as {argument.description}"
    choices = f" ({', '.join(argument.spec.choices)})" if argument.spec.choices else ""
    more = "; may be repeated" if argument.many else ""
    group.add_argument(
        _option(argument),
        dest=PREFIX + argument.name,
        metavar=argument.word.upper(),
        action="append" if argument.many else "store",
        help=f"{text}{choices}{more}",
    )


def own_words(description: str, label: str) -> str:
    """Return what an argument is, where it names a tool with the command of the terminal that is the same operation."""
    match = LISTED.fullmatch(description)
    if match is None:
        return description
    return f"{match[1] or label}, as `vpsops {OPERATIONS[match[2]].word}` lists it"


def _add_plan_options(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument_group(
        "about many servers",
        "Several names, patterns such as 'web*' and filters such as state:stopped region:oslo label:team=shop are one"
        " question about all of them; then they run one after another.",
    ).add_argument
    add("--at-once", metavar="N", help="so many at a time (1)")
    add("--pause", metavar="DURATION", help="between two of them, such as 30s")
    add("--stop-after", metavar="N", help="so many that fail or stay unknown stop the rest (1)")
    add("--probe", metavar="PROBE", help="tcp:PORT or http:PORT/PATH has to answer at each server before the next")


def _add_read_options(parser: argparse.ArgumentParser, operation: Operation) -> None:
    if operation.secret:
        parser.add_argument(
            "--reveal",
            action="store_true",
            help="print the secret although this is no terminal; counts where [limits.mcp] says secrets = true",
        )


def add_change_options(parser: argparse.ArgumentParser, operation: Operation, *, program: bool) -> None:
    """Add the options of a request for a change: why, how long it is followed, when it runs, and the answer to it."""
    add = parser.add_argument
    add("--because", metavar="REASON", default="", help="why, for those who decide and for the record")
    add_wait(parser)
    _add_later(parser, {_option(argument) for argument in arguments_of(operation.arguments)})
    add("--dry-run", action="store_true", help="say what would happen and who would have to agree, and request nothing")
    if operation.risk is Risk.DESTRUCTIVE:
        add("--confirm", metavar="NAME", default="", help="the full name that is typed otherwise")
    elif not program:
        add("--yes", action="store_true", help="answer the question of this terminal; never others' approval")


def _add_later(parser: argparse.ArgumentParser, own: AbstractSet[str]) -> None:
    """Add when a change runs, where that is not at once; `own` are the operation's own options."""
    group = parser.add_mutually_exclusive_group()
    add = group.add_argument
    if "--at" not in own:
        add(
            "--at",
            metavar="TIME",
            help="run it then: 02:00 or '2026-12-01 02:00', a zone such as Europe/Oslo behind it",
        )
    add("--in", dest="after", metavar="DURATION", help="run it after 2h, 90m or 1d")
    add("--window", metavar="NAME", help="run it in a maintenance window of the policy, the next time it is open")


def later_from(arguments: argparse.Namespace, zone: Callable[[], str]) -> LaterRequest | None:
    """Return when a change is to run, None for at once; `zone` returns that of times that name none."""
    prefixes = {"at": "at", "after": "in", "window": "in window"}
    for name, prefix in prefixes.items():
        words = getattr(arguments, name, None)
        if words is not None:
            return LaterRequest(f"{prefix} {words}", zone())
    return None


def add_wait(parser: argparse.ArgumentParser) -> None:
    """Add how long to wait for people."""
    parser.add_argument(
        "--wait",
        nargs="?",
        metavar="DURATION",
        const=ENDLESS,
        default=None,
        type=wait_seconds,
        help="how long to wait for those who decide, such as 90s, 30m or 2h; without DURATION until they did; by"
        " default until they did at a terminal, and not at all elsewhere",
    )


def wait_seconds(text: str) -> float:
    """Read a duration, for argparse."""
    match = DURATION.fullmatch(text.strip().lower())
    seconds = int(match[1]) * UNITS[match[2]] if match is not None else None
    if seconds is None or seconds > LONGEST_WAIT_DAYS * UNITS["d"]:
        raise argparse.ArgumentTypeError(f"is a duration such as 90s, 30m or 2h, up to {LONGEST_WAIT_DAYS}d")
    return float(seconds)


def take_rest(parser: argparse.ArgumentParser, namespace: argparse.Namespace, rest: Sequence[str]) -> None:
    """Take words that stand behind options; end with the usage for options that there are not."""
    unknown = [word for word in rest if word.startswith("-")]
    if unknown:
        parser.error(f"unrecognized arguments: {' '.join(unknown)}")
    namespace.typed = [*namespace.typed, *rest]


def plan_from(namespace: argparse.Namespace, operation: Operation) -> TypedPlan | None:
    """Return the plan that was typed, or None where the words mean one server; raises `InvalidInputError`."""
    typed = {name: value for name in PLAN_OPTIONS if (value := getattr(namespace, name, None)) is not None}
    server = getattr(namespace, f"{PREFIX}server")
    words, others = [*([server] if server is not None else []), *namespace.typed], dict[str, Json]()
    try:
        if len(arguments_of(operation.arguments)) > 1:  # its first word is the server, or servers joined by commas
            values = arguments_from(namespace, operation)
            others = {name: value for name, value in values.items() if name != "server"}
            words = [str(values.get("server", ""))]
        plan = parse_plan(words, sentence=False)
        options = options_from({name: str(value) for name, value in typed.items()})
    except PlanWordsError as error:
        raise InvalidInputError(str(error), hint="For example --at-once 2 --pause 30s.") from None
    if plan is None and typed:
        raise InvalidInputError(f"--{next(iter(typed)).replace('_', '-')} is about many servers, and one is named.")
    return None if plan is None else TypedPlan(plan.words, options if typed else plan.options, others)


def arguments_from(namespace: argparse.Namespace, operation: Operation) -> dict[str, Json]:
    """Return an operation's arguments as they were typed; raises `InvalidInputError`."""
    options = {
        argument: value
        for argument in arguments_of(operation.arguments)
        if (value := getattr(namespace, PREFIX + argument.name)) is not None
    }
    words = list(namespace.typed)
    for argument, value in options.items():
        if argument.spec.kind is ArgumentKind.LABELS:  # their words are pairs themselves
            words += value
        else:
            words.insert(0, f"{argument.word}={value[0] if argument.many else value}")
    try:
        values = dict(parse_words(operation, words))
    except ArgumentsError as error:
        usage = usage_of(f"vpsops {operation.word}", operation).removesuffix(" [options]")
        raise InvalidInputError(str(error), hint=f"Write: {usage}") from None
    several = {argument.name: list(value) for argument, value in options.items() if argument.many}
    return values | {name: value for name, value in several.items() if len(value) > 1}
