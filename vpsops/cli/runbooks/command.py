"""`vpsops runbook`: check a runbook's file, show what it would do, and run it as one question."""

import argparse
from functools import partial
from typing import Final

from vpsops.cli.operations.arguments import EXIT_CODES, add_change_options
from vpsops.cli.operations.change_flow import run_planned
from vpsops.cli.operations.commands import change_options, execute_on_change
from vpsops.cli.operations.reports import RequestReport
from vpsops.cli.operations.session import Session
from vpsops.cli.runbooks.file_text import is_registered_name, read_text
from vpsops.cli.runbooks.registry import run_register
from vpsops.core.common.text import count_text
from vpsops.core.console.exit_codes import GOOD, USAGE
from vpsops.core.console.terminal import cell, print_line
from vpsops.core.operations.traits import RUNBOOK, word_of
from vpsops.core.runbooks.loader import RunbookError, load_runbook
from vpsops.core.runbooks.model import Runbook
from vpsops.core.runbooks.requests import RunbookRequest, request_arguments
from vpsops.core.runbooks.values import given_values

ACTIONS: Final = {
    "check": "read the file and say everything that is wrong with it, with the line",
    "explain": "say what each step would do to which servers, and who would have to agree",
    "run": "ask once for all steps, and follow them",
    "apply": "store runbooks by their names for all processes of the database, on record",
    "list": "list the stored runbooks with what they take",
    "show": "print a stored runbook as it was written, with who applied it",
    "remove": "remove a stored runbook, on record; requests that were made before continue",
}
REQUESTS: Final = ("explain", "run")
FILE: Final = "the runbook, in TOML"
EITHER: Final = "a stored runbook, or the path of a file, which has a dot or a slash"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Describe `vpsops runbook`."""
    parser.description = (
        "Run different operations on servers as one question: the steps of a file in TOML, with its arguments."
    )
    parser.epilog = "For example: vpsops runbook run grow.toml servers=web01 plan=vps-8gb-4cpu"
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)
    for name, summary in ACTIONS.items():
        action = actions.add_parser(name, help=summary, description=f"{summary[:1].upper()}{summary[1:]}.")
        _describe(action, name)


def _describe(action: argparse.ArgumentParser, name: str) -> None:
    match name:
        case "check":
            action.add_argument("file", metavar="FILE", help=FILE)
        case "apply":
            action.add_argument("files", nargs="+", metavar="FILE", help=FILE)
            action.add_argument("--yes", action="store_true", help="do not ask; needed where there is no terminal")
        case "show" | "remove":
            action.add_argument("name", metavar="NAME", help="the name of a stored runbook")
        case "explain" | "run":
            _describe_request(action, name)
        case _:
            pass  # list takes nothing


def _describe_request(action: argparse.ArgumentParser, name: str) -> None:
    action.add_argument("runbook", metavar="RUNBOOK", help=EITHER)
    action.add_argument("given", nargs="*", metavar="NAME=VALUE", help="the arguments that the runbook takes")
    action.epilog = EXIT_CODES
    add_change_options(action, RUNBOOK, program=name == "explain")
    action.add_argument("--json", action="store_true", help="print one JSON document, and nothing else")


def run(arguments: argparse.Namespace) -> int:
    """Check, explain, run, store or list runbooks. Raises what the gate and the register raise."""
    if arguments.action == "check":
        return check(arguments.file)
    if arguments.action not in REQUESTS:
        return run_register(arguments)
    return execute_on_change(arguments, partial(run_runbook, arguments))


def check(path: str) -> int:
    """Print what a runbook does, or everything that is wrong with its file, a line each."""
    try:
        runbook = load_runbook(read_text(path), path)
    except RunbookError as error:
        for problem in error.problems:
            print_line(cell(problem, 500))
        return USAGE
    print_line(f"{cell(path, 200)} is in order: {count_text(len(runbook.steps), 'step')}.")
    print_line(f"It takes: {runbook.usage}")
    for number, step in enumerate(runbook.steps, 1):
        after = ", then ".join(word_of(each.operation) for each in step.compensations)
        failed = f"; if it fails: {after}" if after else ""
        print_line(f"  {number}  {word_of(step.operation)} {cell(' '.join(step.servers), 300)}{failed}")
    return GOOD


async def run_runbook(arguments: argparse.Namespace, session: Session) -> RequestReport:
    """Ask for a runbook, or say what it would do; raises what the gate raises."""
    runbook = await _runbook(arguments.runbook, session)
    arguments.dry_run = arguments.dry_run or arguments.action == "explain"
    options = change_options(arguments, session)
    values = request_arguments(runbook, given_values(arguments.given))
    request = session.request(RUNBOOK, values, options.reason, options.later)
    return await run_planned(session, RunbookRequest(request, runbook), options)


async def _runbook(word: str, session: Session) -> Runbook:
    """Return the registered runbook of a name, or that of a file; raises `InvalidInputError`."""
    if is_registered_name(word):
        return await session.core.runbooks.get(word, scope=session.core.scope)
    return load_runbook(read_text(word), word)
