"""The console script: one subcommand per way to run vpsops, each importing its part only when called.

An MCP host needs its first answer fast, so nothing is imported here that the start-up front does not need.
"""

from __future__ import annotations

import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    import argparse
    from collections.abc import Sequence

    from vpsops.mcp_server.fast_start import Handover

GOOD = 0
PLAYGROUND = "vpsops.playground"
"""A distribution of its own, which the extra of this name brings."""

COMMANDS = {
    "demo": ("vpsops.playground.demo", "play the whole story against the built-in simulators"),
    "playground": ("vpsops.playground.web.cli", "try everything in a browser, on simulators"),
    "simulator": ("vpsops.playground.wayscloud.cli", "run the simulated provider"),
    "mcp": ("vpsops.cli.mcp", "serve AI assistants over MCP"),
    "bot": ("vpsops.cli.bot", "serve a Slack workspace"),
    "serve": ("vpsops.cli.serve", "serve a Slack workspace and AI assistants in one process"),
    "manifest": ("vpsops.bot.manifest", "print the Slack app's manifest"),
    "token": ("vpsops.cli.token", "make tokens for AI assistants over HTTP, list them, take them back"),
    "worker": ("vpsops.cli.worker", "run and watch approved changes, beside the front ends"),
    "policy": ("vpsops.cli.policy.commands", "check, compare, apply and show the policy; explain a decision"),
    "audit": ("vpsops.cli.audit", "show, verify or export the audit trail"),
    "changes": ("vpsops.cli.changes", "list changes"),
    "store": ("vpsops.cli.store", "accept a database that went back"),
    "health": ("vpsops.cli.health", "ask a running process whether it is ready"),
    "doctor": ("vpsops.cli.doctor", "check settings, database, provider and Slack"),
}
"""Each subcommand's module, with its `add_arguments(parser)` and `run(args) -> int`, and a summary."""

CHECKS = ("vpsops.cli.doctor", "vpsops.mcp_server.diagnostics", "vpsops.bot.diagnostics.workspace")
"""The modules with a tuple `CHECKS` of the checks of `vpsops doctor`, in this order."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run a subcommand and return the exit code: 0 good, 2 usage, 3 not authenticated, 4 unreachable, 1 other."""
    words = list(sys.argv[1:] if argv is None else argv)
    handover = None
    if words[:1] == ["mcp"]:
        from vpsops.mcp_server import fast_start  # noqa: PLC0415 - nothing heavier than it before the first answer

        handover = fast_start.answer_early(words[1:])
        if handover is None:  # the client asked, heard and went
            return GOOD
    return _run(words, handover)


def _run(words: list[str], handover: Handover | None) -> int:
    from vpsops.core.console.exit_codes import guarded  # noqa: PLC0415 - not before the front has answered

    why: list[str] = []
    code = guarded(lambda: _call(words, handover), why.append)
    if handover is not None and why and not any(word.startswith("--http") for word in words):
        from vpsops.mcp_server import fast_start  # noqa: PLC0415

        fast_start.answer_pending(handover, why[0])
    return code


def _call(words: list[str], handover: Handover | None) -> int:
    import importlib  # noqa: PLC0415

    require_playground(words)
    arguments = parser_of(words).parse_args(words)
    arguments.handover, arguments.words = handover, words[1:]
    if arguments.command == "doctor":
        arguments.checks = [check for name in CHECKS for check in importlib.import_module(name).CHECKS]
    if arguments.command == "policy" and arguments.action == "explain":
        arguments.checks = [
            importlib.import_module("vpsops.mcp_server.diagnostics").check_humans,
            importlib.import_module("vpsops.bot.diagnostics.people").check_people,
        ]
    return int(importlib.import_module(COMMANDS[arguments.command][0]).run(arguments))


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


def parser_of(words: Sequence[str]) -> argparse.ArgumentParser:
    """Return the parser; only the requested subcommand adds its arguments, and is imported."""
    import argparse  # noqa: PLC0415
    import importlib  # noqa: PLC0415

    parser = argparse.ArgumentParser(
        prog="vpsops",
        description="Run VPSes from Slack and from AI assistants, with approvals that fail closed.",
        epilog="Begin with `vpsops demo`, or with `vpsops doctor`, which says what to set. Each COMMAND has --help.",
    )
    subparsers = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)
    for name, (module, summary) in COMMANDS.items():
        sub = subparsers.add_parser(name, help=summary, description=summary.capitalize() + ".")
        if words[:1] == [name]:
            importlib.import_module(module).add_arguments(sub)
    return parser


if __name__ == "__main__":
    sys.exit(main())
