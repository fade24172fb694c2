"""The console script: one subcommand per way to run vpsops, each importing its part only when called."""

import argparse
import importlib
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

GOOD: Final = 0
OTHER: Final = 1
USAGE: Final = 2
NOT_AUTHENTICATED: Final = 3
UNREACHABLE: Final = 4


@dataclass(frozen=True, slots=True)
class Command:
    """A subcommand: the module with its `add_arguments(parser)` and `run(args) -> int`."""

    module: str
    summary: str


COMMANDS: Final = {
    "demo": Command("playground.story", "play the whole story against the built-in simulators"),
    "simulator": Command("playground.wayscloud.cli", "run the simulated provider"),
    "mcp": Command("mcp_server.cli", "serve AI assistants over MCP"),
    "bot": Command("bot.cli", "serve a Slack workspace"),
    "worker": Command("core.worker", "run and watch approved changes, beside the front ends"),
    "policy": Command("core.policy.cli", "check the policy, or explain a decision"),
    "audit": Command("core.audit_cli", "show, verify or export the audit trail"),
    "changes": Command("core.changes.cli", "list changes"),
    "doctor": Command("core.doctor", "check settings, database, provider and Slack"),
}


def main(argv: Sequence[str] | None = None) -> int:
    """Run a subcommand and return the exit code: 0 good, 2 usage, 3 not authenticated, 4 unreachable, 1 other."""
    words = list(sys.argv[1:] if argv is None else argv)
    parser = argparse.ArgumentParser(
        prog="vpsops", description="Run VPSes from Slack and from AI assistants, with approvals that fail closed."
    )
    subparsers = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)
    chosen = words[0] if words and words[0] in COMMANDS else None
    for name, command in COMMANDS.items():
        sub = subparsers.add_parser(name, help=command.summary, description=command.summary.capitalize() + ".")
        if name == chosen:
            importlib.import_module(command.module).add_arguments(sub)
    arguments = parser.parse_args(words)
    return _run(COMMANDS[arguments.command], arguments)


def _run(command: Command, arguments: argparse.Namespace) -> int:
    from core.errors import ConfigurationError, VpsopsError  # noqa: PLC0415 - only where a command runs

    try:
        return int(importlib.import_module(command.module).run(arguments))
    except KeyboardInterrupt:
        return OTHER
    except ConfigurationError as error:
        print(f"vpsops: {error} [{error.error_id}]", file=sys.stderr)  # noqa: T201 - the command line's voice
        return USAGE
    except VpsopsError as error:
        print(f"vpsops: {error} [{error.error_id}]", file=sys.stderr)  # noqa: T201
        return exit_code(error)


def exit_code(error: Exception) -> int:
    """Return the exit code that a provider's error stands for."""
    from core.wayscloud import errors as provider  # noqa: PLC0415 - only where one was raised

    if isinstance(error, provider.NotAuthenticated | provider.NotPermitted):
        return NOT_AUTHENTICATED
    if isinstance(error, provider.Unreachable | provider.ProviderFault):
        return UNREACHABLE
    return OTHER


if __name__ == "__main__":
    sys.exit(main())
