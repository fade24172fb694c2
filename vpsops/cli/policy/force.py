"""`vpsops policy apply`, `show`, `diff` and `history`: the policy that is in force for all processes of a database."""

import argparse
import json
import os
import sys
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Final

import anyio
from sqlalchemy.engine import Connection

from vpsops.cli.policy.regions import print_regions
from vpsops.cli.policy.uptake import report_uptake
from vpsops.core.common.clock import Clock, SystemClock
from vpsops.core.common.errors import ConfigurationError, StaleChangeError, VpsopsError
from vpsops.core.common.json_types import Json
from vpsops.core.common.timings import DEFAULT_TIMING
from vpsops.core.config.local_identity import terminal_user
from vpsops.core.config.logging import configure_logging, secrets_of
from vpsops.core.config.settings import Settings, load_settings
from vpsops.core.console.terminal import HIDDEN, cell, columns, print_line, when
from vpsops.core.policy.model import short_version
from vpsops.core.policy_register import history
from vpsops.core.policy_register.declaration import declaration_of, holds_of
from vpsops.core.policy_register.difference import changed_lines, meaning_lines, summary_of
from vpsops.core.policy_register.document import Document, ruleset_from
from vpsops.core.policy_register.file_text import file_text
from vpsops.core.policy_register.history import Application
from vpsops.core.policy_register.revisions import Revision
from vpsops.core.storage import Database, open_database

GOOD, DIFFERENT, REFUSED = 0, 1, 1
NOTHING: Final = (
    "No policy is in force yet. The first process that starts puts its own in force; so does vpsops policy apply."
)
Ask = Callable[[str], str]
FILE = "a vpsops.toml (default: the one VPSOPS_CONFIG names; without one, the settings of the environment alone)"
VERSION = "a policy that was applied before, by version or number: see vpsops policy history"


@dataclass(frozen=True, slots=True)
class ForceOptions:
    """A command's arguments."""

    file: Path | None = None
    version: str = ""
    embedded: bool = False
    yes: bool = False
    expect: str = ""
    json: bool = False


@dataclass(frozen=True, slots=True)
class ForceState:
    """What is in force: its number, and its content as far as that can be read."""

    number: int
    revision: Revision | None = None
    problem: VpsopsError | None = None

    @property
    def document(self) -> Document | None:
        """The revision in force, if it can be read."""
        return self.revision.document if self.revision else None


def add_arguments(actions: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Describe the subcommands about the policy in force."""
    apply = actions.add_parser(
        "apply",
        help="put a policy in force for all processes of the database",
        description="Validate a policy, show what it changes and put it in force for every process of the database,"
        " within seconds and without a restart, on record; say which processes took it. A process with a file of its"
        " own reads that again, and changes nothing while it says something else. What FILE and the environment leave"
        " out stays as it is.",
    )
    apply.set_defaults(force=apply_policy)
    _source(apply)
    apply.add_argument("--yes", action="store_true", help="do not ask; needed where there is no terminal")
    apply.add_argument(
        "--expect", default="", metavar="VERSION", help="refuse unless this version is in force, as a diff showed it"
    )
    diff = actions.add_parser(
        "diff",
        help="say what a policy would change",
        description="Compare a policy with what is in force: what is written otherwise, and which requests would be"
        " decided otherwise. Exit code 1 where they differ.",
    )
    diff.set_defaults(force=diff_policy)
    _source(diff)
    _add_reads(actions)


def _add_reads(actions: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    show = actions.add_parser(
        "show",
        help="print what is in force",
        description="Print the policy, the limits and the deciding settings in force, as a vpsops.toml.",
    )
    show.set_defaults(force=show_policy)
    show.add_argument("--version", default="", metavar="VERSION", help=VERSION)
    show.add_argument("--json", action="store_true", help="as JSON, with who applied it and when")
    past = actions.add_parser("history", help="list what was applied, with the author", description="Newest first.")
    past.set_defaults(force=list_policies)


def _source(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("file", nargs="?", type=Path, metavar="FILE", help=FILE)
    parser.add_argument("--version", default="", metavar="VERSION", help=f"instead of FILE, {VERSION}")
    parser.add_argument("--embedded", action="store_true", help="instead of FILE, the embedded default, without limits")


def run(arguments: argparse.Namespace) -> int:
    """Run the subcommand. Raises `ConfigurationError`, `StorageError`, `InvalidInputError` and `StaleChangeError`."""
    named = {name: getattr(arguments, name) for name in ForceOptions.__slots__ if hasattr(arguments, name)}
    options = ForceOptions(**named)
    if sum(map(bool, (options.file, options.version, options.embedded))) > 1 and arguments.force is not show_policy:
        raise ConfigurationError("FILE, --version and --embedded exclude each other.", hint="Name one of them.")
    if arguments.force is apply_policy and not options.yes and not sys.stdin.isatty():
        raise ConfigurationError("There is no terminal to ask at.", hint="Look at vpsops policy diff, then say --yes.")
    settings = load_settings({**os.environ, "VPSOPS_CONFIG": str(options.file)} if options.file else None)
    configure_logging(settings)
    return anyio.run(_opened, settings, options, arguments.force)


Command = Callable[[Database, Settings, ForceOptions, Clock], Awaitable[int]]


async def _opened(settings: Settings, options: ForceOptions, command: Command) -> int:
    HIDDEN.set(secrets_of(settings))
    clock = SystemClock()
    make = command is apply_policy
    async with open_database(settings.database, clock, make=make) as database:
        return await command(database, settings, options, clock)


def force_state(connection: Connection) -> ForceState:
    """Return the state in force, with the error when it cannot be read."""
    number, _ = history.head(connection)
    try:
        revision = history.in_force(connection)
        if revision is not None:
            ruleset_from(revision.document)
    except VpsopsError as error:
        return ForceState(number, problem=error)
    return ForceState(number, revision)


async def apply_policy(
    database: Database, settings: Settings, options: ForceOptions, clock: Clock, ask: Ask = input
) -> int:
    """Show the difference, ask, and put a policy in force; return 1 when the answer was no."""
    now = await database.read(force_state)
    _expected(now, options.expect)
    document, source = await _requested(database, settings, options, now.document)
    if now.revision is not None and now.revision.version == document.version:
        print_line(f"{short_version(document.version)} is in force already, since {when(now.revision.at)}.")
        return GOOD
    _print_difference(now, document)
    await print_regions(settings, clock, document, now.document)
    if not options.yes and ask("Put it in force for all processes of this database? Type yes: ").strip() != "yes":
        print_line("Nothing was applied.")
        return REFUSED
    by: dict[str, Json] = {"kind": "person", "id": terminal_user(), "human": settings.actor, "verified": False}
    summary = summary_of(now.document, document)
    application = Application(document, now.number, by, clock.now().timestamp(), source, summary)
    applied = await database.transact(partial(history.apply, application=application))
    print_line(f"In force: {short_version(applied.version)}, number {applied.number}.")
    await report_uptake(database, applied.version, clock)
    return GOOD


def _expected(now: ForceState, version: str) -> None:
    result = now.revision.version if now.revision else ""
    policy_version = version if not version or version.startswith("pol_") else f"pol_{version}"
    if version and not (len(policy_version) >= history.LEAST and result.startswith(policy_version)):
        what = short_version(result) or "none"
        raise StaleChangeError(f"Not {cell(version, 80)} but {what} is in force. Nothing was applied.")


async def _requested(
    database: Database, settings: Settings, options: ForceOptions, base: Document | None
) -> tuple[Document, str]:
    """Return the requested document and its source. Raises `ConfigurationError`."""
    if options.version:
        result = await database.read(partial(history.named, name=options.version))
        ruleset_from(result.document)
        return result.document, f"number {result.number}"
    declared = declaration_of(settings, base, whole=settings.config is not None)
    if options.embedded:
        declared = replace(declared, source="", rules=None, embedded=True, limits={}, workspaces=())
    document = replace(declared, holds=holds_of(DEFAULT_TIMING)).document(base)
    ruleset_from(document)
    return document, declared.source or ("the embedded default" if document.embedded else "the environment")


def _print_difference(now: ForceState, document: Document) -> None:
    """Show what would change."""
    if now.problem is not None:
        print_line(f"What is in force cannot be compared: {now.problem.message}")
    if now.document is None or now.revision is None:
        print_line(NOTHING if now.problem is None else "")
        print_line(file_text(document))
        return
    revision = now.revision
    print_line(f"In force: {short_version(revision.version)}, applied {when(revision.at)} by {cell(revision.author)}.")
    print_line(f"Compared: {short_version(document.version)}.")
    print_line()
    for line in (*changed_lines(now.document, document), "", *meaning_lines(now.document, document), ""):
        indent = "  " if line.startswith("  ") else ""
        print_line(f"{indent}{cell(line, 400)}".rstrip())


async def diff_policy(database: Database, settings: Settings, options: ForceOptions, clock: Clock) -> int:
    """Print what a policy would change."""
    now = await database.read(force_state)
    document, _source_of = await _requested(database, settings, options, now.document)
    if now.revision is not None and now.revision.version == document.version:
        print_line(f"No difference: {short_version(document.version)} is in force.")
        return GOOD
    _print_difference(now, document)
    await print_regions(settings, clock, document, now.document)
    return DIFFERENT


async def show_policy(database: Database, settings: Settings, options: ForceOptions, clock: Clock) -> int:
    """Print a policy, the one in force unless another is named."""
    if options.version:
        revision: Revision | None = await database.read(partial(history.named, name=options.version))
    else:
        revision = await database.read(history.in_force)
    if revision is None:
        print_line(NOTHING)
        return REFUSED
    if options.json:
        about = {
            "number": revision.number,
            "version": revision.version,
            "previous": revision.previous,
            "source": revision.source,
        }
        about |= {"by": dict(revision.by), "at": when(revision.at), "policy": json.loads(revision.text)}
        print_line(json.dumps(about, ensure_ascii=True, indent=2))
        return GOOD
    print_line(f"# {revision.version}")
    print_line(
        f"# Number {revision.number}, applied {when(revision.at)} by {cell(revision.author)} (claimed), "
        f"from {_place(revision)}.\n"
    )
    await print_regions(settings, clock, revision.document, lead="# ")
    sys.stdout.write(file_text(revision.document))
    return GOOD


def _place(revision: Revision) -> str:
    return cell(revision.source, 200)


async def list_policies(database: Database, _: Settings, _requested: ForceOptions, _clock: Clock) -> int:
    """List the applied revisions, the newest first."""
    revisions = await database.read(history.history)
    rows = [
        (
            str(revision.number),
            short_version(revision.version),
            when(revision.at),
            cell(revision.author),
            _place(revision),
        )
        for revision in revisions
    ]
    for line in columns([("NUMBER", "VERSION", "APPLIED", "BY (CLAIMED)", "FROM"), *rows]) if rows else [NOTHING]:
        print_line(line)
    return GOOD
