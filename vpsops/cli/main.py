"""The console script: one subcommand per way to run vpsops, each importing its part only when called.

An MCP host needs its first answer fast, so nothing is imported here that the start-up front does not need.
"""

from __future__ import annotations

import signal
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    import argparse
    from collections.abc import Sequence

    from vpsops.core.console.parser import CommandParser
    from vpsops.mcp_server.fast_start import Handover

GOOD = 0
PLAYGROUND = "vpsops.playground"
"""A distribution of its own, which the extra of this name brings."""

COMMANDS = {
    "init": (
        "vpsops.cli.setup.command",
        "set up: ask for a key, Slack and a policy, try them, write the configuration",
    ),
    "demo": ("vpsops.playground.demo", "play five stories against the built-in simulators"),
    "playground": ("vpsops.playground.web.cli", "try everything in a browser, on simulators"),
    "simulator": ("vpsops.playground.wayscloud.cli", "run the simulated provider"),
    "slack-simulator": ("vpsops.playground.slack_simulator.command", "run the simulated Slack workspace, for any app"),
    "mcp": ("vpsops.cli.mcp", "serve AI assistants over MCP"),
    "bot": ("vpsops.cli.bot", "serve a Slack workspace"),
    "serve": ("vpsops.cli.serve", "serve a Slack workspace and AI assistants in one process"),
    "manifest": ("vpsops.bot.manifest", "print the Slack app's manifest"),
    "token": ("vpsops.cli.token", "make tokens for AI assistants over HTTP, list them, take them back"),
    "worker": ("vpsops.cli.worker", "run and watch approved changes, beside the front ends"),
    "config": ("vpsops.cli.policy.config", "print every setting with its source; check them"),
    "policy": ("vpsops.cli.policy.commands", "check, compare, apply and show the policy; explain a decision"),
    "audit": ("vpsops.cli.audit", "show, verify, export or ship the audit trail"),
    "changes": ("vpsops.cli.changes", "list changes"),
    "scheduled": ("vpsops.cli.schedule.command", "list the changes that run later"),
    "grant": ("vpsops.cli.grants.request", "ask that an agent may repeat an operation without votes for a time"),
    "runbook": ("vpsops.cli.runbooks.command", "run the steps of a file as one question; check or explain them"),
    "ends": ("vpsops.cli.ends.command", "list the servers that end by themselves"),
    "keep": ("vpsops.cli.ends.keep", "give a server that ends by itself a later end"),
    "grants": ("vpsops.cli.grants.command", "list what agents may do without votes for now, or end it"),
    "report": ("vpsops.cli.operations.report", "show how servers, costs, agents and changes stand"),
    "ask": ("vpsops.cli.operations.commands", "request a change as a program, with no question at this terminal"),
    "follow": ("vpsops.cli.operations.follow", "follow a change to its end"),
    "cancel": ("vpsops.cli.operations.cancel", "withdraw a change that you asked for"),
    "override": ("vpsops.cli.break_glass.override", "run your own change without approval, where a rule lets you"),
    "reviews": ("vpsops.cli.break_glass.reviews", "list the runs without approval that still need a review"),
    "completion": ("vpsops.cli.operations.completion", "print a shell's script that completes commands and servers"),
    "complete": ("vpsops.cli.operations.completion", "print the candidates for a word, for those scripts"),
    "backup": ("vpsops.cli.data.backup", "write the database into one file, verified, while processes use it"),
    "restore": ("vpsops.cli.data.restore", "put a backup into the database; say what that means for open changes"),
    "store": ("vpsops.cli.store", "accept a database that went back"),
    "health": ("vpsops.cli.health", "ask a running process whether it is ready"),
    "doctor": ("vpsops.cli.doctor", "check settings, database, provider and Slack"),
}
"""Each subcommand's module, with its `add_arguments(parser)` and `run(args) -> int`, and a summary."""

OPERATIONS = "vpsops.cli.operations.commands"
"""The module that runs the operations of the registry, each a subcommand of its own."""

STAYING = frozenset({"bot", "serve", "worker", "mcp"})
"""The subcommands that stay until they are stopped: SIGHUP ends none of them, not while they load either."""

HOST_ACTIONS = frozenset({"install", "uninstall"})
"""The words after `mcp` that serve no client: they write a host's configuration."""

CHECKS = ("vpsops.cli.doctor", "vpsops.mcp_server.diagnostics", "vpsops.bot.diagnostics.workspace")
"""The modules with a tuple `CHECKS` of the checks of `vpsops doctor`, in this order."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run a subcommand and return the exit code: 0 good, 2 usage, 3 not authenticated, 4 unreachable, 1 other."""
    words = list(sys.argv[1:] if argv is None else argv)
    is_host_action = words[:1] == ["mcp"] and not HOST_ACTIONS.isdisjoint(words[1:2])
    if words[:1] and words[0] in STAYING and not is_host_action:
        signal.signal(signal.SIGHUP, signal.SIG_IGN)
    handover = None
    if words[:1] == ["mcp"] and not is_host_action:
        from vpsops.mcp_server.pipe import serve_pipe  # noqa: PLC0415 - nothing heavier than these two before an answer

        code = serve_pipe(words[1:])
        if code is not None:
            return code
        from vpsops.mcp_server import fast_start  # noqa: PLC0415

        handover = fast_start.answer_early(words[1:])
        if handover is None:  # the client asked, heard and went
            return GOOD
        fast_start.begin_lean_imports(http=serves_http(words))
    return _run(words, handover)


def _run(words: list[str], handover: Handover | None) -> int:
    from vpsops.core.console.exit_codes import guarded  # noqa: PLC0415 - not before the front has answered
    from vpsops.core.console.parser import UsageError  # noqa: PLC0415 - as above

    why: list[str] = []
    try:
        return guarded(lambda: _call(words, handover), why.append)
    except UsageError as error:
        why.append(error.text)
        raise
    finally:
        if handover is not None and why and not serves_http(words):
            from vpsops.mcp_server import fast_start  # noqa: PLC0415

            fast_start.answer_pending(handover, why[0])


def serves_http(words: Sequence[str]) -> bool:
    """Return whether the words of `vpsops mcp` ask for HTTP."""
    return any(word.startswith("--http") for word in words)


def _call(words: list[str], handover: Handover | None) -> int:
    import importlib  # noqa: PLC0415

    require_playground(words)
    words = with_command(words)
    if not words:
        parser_of(words).print_help()
        return GOOD
    serves_host = handover is not None and all(word.startswith("--") and word != "--help" for word in words[1:])
    arguments = parsed(parser_of(words, serves_host=serves_host), words)
    arguments.handover, arguments.words = handover, words[1:]
    if arguments.command in {"doctor", "init"}:
        arguments.checks = [check for name in CHECKS for check in importlib.import_module(name).CHECKS]
    if arguments.command == "complete":
        arguments.commands, arguments.parser_of = tuple(COMMANDS), parser_of
    if arguments.command == "policy" and arguments.action == "explain":
        arguments.checks = [
            importlib.import_module("vpsops.mcp_server.diagnostics").check_humans,
            *importlib.import_module("vpsops.bot.diagnostics.people").CHECKS,
        ]
    module = COMMANDS[arguments.command][0] if arguments.command in COMMANDS else OPERATIONS
    return int(importlib.import_module(module).run(arguments))


def parsed(parser: argparse.ArgumentParser, words: Sequence[str]) -> argparse.Namespace:
    """Parse the words; those of an operation may stand before and behind its options."""
    _check_subcommand(parser, words)
    arguments, rest = parser.parse_known_args(words)
    if rest and "operation" in arguments and "typed" in arguments:
        from vpsops.cli.operations.arguments import take_rest  # noqa: PLC0415

        take_rest(parser, arguments, rest)
    elif rest:
        from vpsops.core.console.parser import unknown_words  # noqa: PLC0415

        parser.error(unknown_words(parser, words, rest))
    return arguments


def with_command(words: Sequence[str]) -> list[str]:
    """Return the words with the subcommand that a synonym stands for; subcommands stay, and unknown words."""
    if not words or words[0].startswith("-") or words[0] in {*COMMANDS} - {"ask"}:
        return list(words)
    from vpsops.cli.operations.arguments import operation_words  # noqa: PLC0415

    before = 1 if words[0] == "ask" else 0
    return [*words[:before], *operation_words(words[before:])]


def _check_subcommand(parser: argparse.ArgumentParser, words: Sequence[str]) -> None:
    """End with the nearest subcommands for one that there is not."""
    if not words or words[0].startswith("-") or words[0] in COMMANDS:
        return
    from vpsops.cli.operations.arguments import likely_subcommands, words_of_operations  # noqa: PLC0415

    if words[0] not in words_of_operations():
        near = " or ".join(f"vpsops {command}" for command in likely_subcommands(words[0], tuple(COMMANDS)))
        hint = f" Did you mean {near}?" if near else " `vpsops --help` lists them."
        parser.error(f"there is no command {words[0][:40]!r}.{hint}")


def require_playground(words: Sequence[str]) -> None:
    """Raise `ConfigurationError`, which says how to get it, for a subcommand of the playground without it."""
    from importlib.util import find_spec  # noqa: PLC0415

    from vpsops.core.common.errors import ConfigurationError  # noqa: PLC0415

    module, _ = COMMANDS.get(words[0] if words else "", ("", ""))
    if module.startswith(PLAYGROUND) and find_spec(PLAYGROUND) is None:
        raise ConfigurationError(
            f"vpsops {words[0]} needs the simulators, which are not installed.",
            hint='Run: pip install "vpsops[playground]" (in a checkout: make demo).',
        )


def parser_of(words: Sequence[str], *, serves_host: bool = False) -> argparse.ArgumentParser:
    """Return the parser; only the requested subcommand adds its arguments, and is imported.

    With `serves_host`, which is for words of options alone, `vpsops mcp` is without its actions.
    """
    import importlib  # noqa: PLC0415

    from vpsops.core.console.parser import CommandParser, VersionAction  # noqa: PLC0415 - as argparse itself

    parser = CommandParser(
        prog="vpsops",
        description="Run VPSes from Slack and from AI assistants, with approvals that fail closed.",
        epilog="Begin with `vpsops demo`, or with `vpsops doctor`, which says what to set. Each COMMAND has --help.",
        allow_abbrev=False,
    )
    parser.add_argument("--version", "-V", action=VersionAction)
    subparsers = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)
    for name, (module, summary) in COMMANDS.items():
        sub = subparsers.add_parser(name, help=summary, description=summary.capitalize() + ".")
        if words and words[0] == name:
            requested = importlib.import_module(module)
            (requested.add_serving_arguments if serves_host else requested.add_arguments)(sub)
    if not words or words[0] not in COMMANDS:
        _add_operations(subparsers, words)
    return parser


def _add_operations(subparsers: argparse._SubParsersAction[CommandParser], words: Sequence[str]) -> None:
    """Add the operations of the registry: the one that is called in full, all by their summaries for help."""
    from vpsops.cli.operations import arguments  # noqa: PLC0415 - the registry is not for what starts fast

    for word, operation in arguments.words_of_operations().items():
        sub = subparsers.add_parser(word, help=operation.summary, allow_abbrev=False)
        if words and words[0] == word:
            arguments.describe(sub, operation)


if __name__ == "__main__":
    sys.exit(main())
