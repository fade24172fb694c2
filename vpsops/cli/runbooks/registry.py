"""`vpsops runbook apply`, `list`, `show` and `remove`: the runbooks that a database has by their names."""

import argparse
import difflib
import sys
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Final

import anyio
from sqlalchemy.engine import Connection

from vpsops.cli.runbooks.file_text import read_text
from vpsops.core.common.clock import Clock, SystemClock
from vpsops.core.common.errors import ConfigurationError, InvalidInputError, VpsopsError
from vpsops.core.common.json_types import Json
from vpsops.core.common.redaction import redact
from vpsops.core.common.text import count_text
from vpsops.core.config.local_identity import terminal_user
from vpsops.core.config.logging import configure_logging, secrets_of
from vpsops.core.config.settings import Settings, load_settings
from vpsops.core.console.exit_codes import GOOD, REFUSED, USAGE
from vpsops.core.console.terminal import HIDDEN, cell, columns, print_line, run_read, when
from vpsops.core.policy.model import short_version
from vpsops.core.runbooks import register
from vpsops.core.runbooks.loader import MOST_CHARACTERS, RunbookError, load_runbook
from vpsops.core.runbooks.register import RegisteredRunbook, RunbookApplication, RunbookText, unknown_runbook
from vpsops.core.storage import Database, open_database

NONE: Final = "There are no runbooks. vpsops runbook apply FILE stores one."
HEAD: Final = ("NAME", "VERSION", "APPLIED", "BY (CLAIMED)", "TAKES", "DESCRIPTION")
LONGEST_LINE: Final = 400
LONGEST_SOURCE: Final = 200


@dataclass(frozen=True, slots=True)
class Applier:
    """Who applies or removes at this terminal, which is a claim, and when."""

    settings: Settings
    clock: Clock

    @property
    def by(self) -> dict[str, Json]:
        """The person, for the record."""
        return {"kind": "person", "id": terminal_user(), "human": self.settings.actor, "verified": False}

    @property
    def at(self) -> float:
        """The time in seconds since 1970."""
        return self.clock.now().timestamp()


DatabaseWork = Callable[[Database, Applier], Awaitable[int]]


def run_register(arguments: argparse.Namespace) -> int:
    """Run a subcommand about registered runbooks. Raises `ConfigurationError`, `StorageError` and what they raise."""
    match arguments.action:
        case "list":
            return run_read(list_runbooks)
        case "show":
            return run_read(partial(show_runbook, arguments.name))
        case _:
            return _run_change(arguments)


def _run_change(arguments: argparse.Namespace) -> int:
    settings = load_settings()
    configure_logging(settings)
    HIDDEN.set(secrets_of(settings))
    if arguments.action == "remove":
        return anyio.run(_opened, settings, partial(remove_runbook, arguments.name))
    if not arguments.yes and not sys.stdin.isatty():
        raise ConfigurationError("There is no terminal to ask at.", hint="Say --yes, after vpsops runbook check.")
    files = files_of(arguments.files)
    return USAGE if files is None else anyio.run(_opened, settings, partial(apply_runbooks, files, yes=arguments.yes))


def files_of(paths: Sequence[str]) -> list[RunbookText] | None:
    """Return the runbooks of files, or None with everything that is wrong printed, a line each.

    Raises `InvalidInputError` for a file that cannot be read, that holds a secret, or that has the name of another.
    """
    files: list[RunbookText] = []
    problems: list[str] = []
    for path in paths:
        text = read_text(path)
        if redact(text, *HIDDEN.get()) != text:
            raise InvalidInputError(f"{path[:200]} holds a key or another secret.", hint="Take it out. It is no value.")
        try:
            files.append(RunbookText(load_runbook(text, path), cell(path, LONGEST_SOURCE)))
        except RunbookError as error:
            problems += error.problems
    for problem in problems:
        print_line(cell(problem, 500))
    if problems:
        print_line("Nothing was applied.")
        return None
    names = [file.runbook.name for file in files]
    twice = next((name for name in names if names.count(name) > 1), "")
    if twice:
        raise InvalidInputError(f"Two of these files are called {twice}. Nothing was applied.", hint="Rename one.")
    return files


async def _opened(settings: Settings, work: DatabaseWork) -> int:
    clock = SystemClock()
    async with open_database(settings.database, clock, make=True) as database:
        return await work(database, Applier(settings, clock))


async def apply_runbooks(
    files: Sequence[RunbookText], database: Database, applier: Applier, *, yes: bool, ask: Callable[[str], str] = input
) -> int:
    """Show what changes, ask, and store the runbooks; return `REFUSED` when the answer was no.

    Raises `StaleChangeError` and `InvalidInputError`.
    """
    present = {runbook.name: runbook for runbook in await database.read(register.all_runbooks)}
    for line in (line for file in files for line in _difference_lines(present.get(file.runbook.name), file)):
        print_line(line)
    new = [file for file in files if register.differs(present.get(file.runbook.name), file)]
    if not new:
        return GOOD
    if not yes and ask(f"Apply {count_text(len(new), 'runbook')} for all processes? Type yes: ").strip() != "yes":
        print_line("Nothing was applied.")
        return REFUSED
    over = {name: runbook.version for name, runbook in present.items()}
    asked = RunbookApplication(new, over, applier.by, applier.at)
    for runbook in await database.transact(partial(register.apply, asked=asked)):
        print_line(f"Applied: {runbook.name}, {short_version(runbook.version)}, number {runbook.number}.")
    return GOOD


def _difference_lines(present: RegisteredRunbook | None, file: RunbookText) -> list[str]:
    """Return what a file changes, in words and lines."""
    name = file.runbook.name
    if present is None:
        return [f"{name} is new. {register.summary_of(file.runbook)}."]
    if present.problem:
        return [f"{name} {present.problem}. It is applied again."]
    if present.version == file.version:
        return [f"{name} is there already: {short_version(file.version)}, since {when(present.at)}."]
    old, new = present.text.splitlines(), file.runbook.text.splitlines()
    lines = list(difflib.unified_diff(old, new, lineterm="", n=1))[2:]
    head = f"{name} replaces {short_version(present.version)}, applied {when(present.at)} by {_author(present)}."
    return [head, *(f"  {line[:1]}{cell(line[1:], LONGEST_LINE)}".rstrip() for line in lines)]


def _author(runbook: RegisteredRunbook) -> str:
    return cell(runbook.author)


async def remove_runbook(name: str, database: Database, applier: Applier) -> int:
    """Remove a runbook, on record; raises `UnknownRunbookError`."""
    removed = await database.transact(partial(_removed, name=name, applier=applier))
    print_line(f"Removed: {removed.name}, {short_version(removed.version)}. Requests that were made before continue.")
    return GOOD


def _removed(connection: Connection, name: str, applier: Applier) -> RegisteredRunbook:
    return register.remove(connection, name, applier.by, applier.at)


async def list_runbooks(database: Database) -> int:
    """List the runbooks by their names."""
    runbooks = await database.read(register.all_runbooks)
    rows = [(each.name, short_version(each.version), when(each.at), _author(each), *_takes(each)) for each in runbooks]
    for line in columns([HEAD, *rows]) if rows else [NONE]:
        print_line(line)
    return GOOD


def _takes(registered: RegisteredRunbook) -> tuple[str, str]:
    """Return the arguments and the description of a runbook, or why it is never run."""
    try:
        runbook = registered.runbook
    except VpsopsError as error:
        return "?", cell(error.message, LONGEST_LINE)
    return runbook.usage.partition(" ")[2] or "nothing", cell(runbook.description, LONGEST_LINE)


async def show_runbook(name: str, database: Database) -> int:
    """Print a runbook as it was written; raises `UnknownRunbookError`, and `RunbookBrokenError` for an altered text."""
    runbooks = {runbook.name: runbook for runbook in await database.read(register.all_runbooks)}
    if name not in runbooks:
        raise unknown_runbook(name, list(runbooks))
    shown = runbooks[name]
    shown.check()
    print_line(f"# {shown.version}")
    source = cell(shown.source, LONGEST_SOURCE)
    print_line(f"# Number {shown.number}, applied {when(shown.at)} by {_author(shown)} (claimed), from {source}.\n")
    for line in shown.text.splitlines():
        print_line(f"{' ' * (len(line) - len(line.lstrip(' ')))}{cell(line, MOST_CHARACTERS)}".rstrip())
    return GOOD
