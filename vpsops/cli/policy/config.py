"""`vpsops config show` and `check`: every setting with its value and source, and whether a start would take them."""

import argparse
import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path

from vpsops.core.app import credentials_of
from vpsops.core.common.errors import ConfigurationError
from vpsops.core.config.logging import secrets_of
from vpsops.core.config.setting_sources import SettingEntry, UnknownName, setting_entries, unknown_names
from vpsops.core.config.settings import load_settings
from vpsops.core.console.terminal import HIDDEN, cell, columns, print_line
from vpsops.core.policy_register.declaration import declaration_of

GOOD, WRONG = 0, 2
CONFIG = "VPSOPS_CONFIG"
FLAG = "--config"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Describe the subcommands."""
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)
    show = actions.add_parser(
        "show",
        help="print every setting, where its value is from, and when another one counts",
        description="Print every setting with its value, its source (default, file and line, environment, option,"
        " secret file) and what another value needs in a running process: a reload (SIGHUP), vpsops policy apply, or a"
        " restart. Of a secret only that it is set. Exit code 2 where a start would refuse them.",
    )
    show.add_argument("--json", action="store_true", help="as JSON")
    check = actions.add_parser(
        "check",
        help="say whether a start would take the settings, the rules and the limits",
        description="Read settings, rules, limits and workspaces as a start or a reload does. Exit code 2 where"
        " something is wrong, which is said with file, line or name. Needs no key and no database.",
    )
    for action in (show, check):
        action.add_argument(FLAG, type=Path, metavar="FILE", help=f"a vpsops.toml (default: the one {CONFIG} names)")


def run(arguments: argparse.Namespace) -> int:
    """Run a subcommand. Raises `ConfigurationError`."""
    environ = {**os.environ, **({CONFIG: str(arguments.config)} if arguments.config else {})}
    if arguments.action == "check":
        return _check(environ)
    problem = _problem(environ)
    flags = {CONFIG: f"option {FLAG}"} if arguments.config else {}
    entries, unknown = setting_entries(environ, flags), unknown_names(environ)
    (_print_json if arguments.json else _print_table)(entries, unknown, problem)
    return WRONG if problem is not None else GOOD


def _problem(environ: Mapping[str, str]) -> ConfigurationError | None:
    """Return why a start would refuse these settings, or None; what is printed from here on hides their secrets."""
    try:
        settings = load_settings(environ)
        HIDDEN.set(secrets_of(settings))
        declaration_of(settings)
        credentials_of(settings)
    except ConfigurationError as error:
        return error
    return None


def _check(environ: Mapping[str, str]) -> int:
    """Print that all of it is right, or each unknown name and the first thing that is wrong."""
    problem = _problem(environ)
    if problem is None:
        source = environ.get(CONFIG, "")
        print_line(f"The settings are right{f': the environment and {cell(source, 200)}' if source else ''}.")
        return GOOD
    unknown = unknown_names(environ)
    for name in unknown[1:]:  # the first one is the problem
        print_line(_unknown_line(name))
    raise problem


def _unknown_line(unknown: UnknownName) -> str:
    nearest = f" Did you mean {unknown.nearest}?" if unknown.nearest else ""
    return f"Unknown setting {cell(unknown.name)} ({cell(unknown.source, 200)}).{nearest}"


def _print_table(
    entries: Sequence[SettingEntry], unknown: Sequence[UnknownName], problem: ConfigurationError | None
) -> None:
    rows = [
        (entry.name, cell(entry.value, 60) or "-", cell(entry.source, 100), entry.reload.value) for entry in entries
    ]
    for line in columns([("SETTING", "VALUE", "FROM", "ANOTHER VALUE NEEDS"), *rows]):
        print_line(line)
    for name in unknown:
        print_line(_unknown_line(name))
    if problem is not None:
        print_line(f"A start would refuse them: {cell(f'{problem.message} {problem.hint}'.strip(), 400)}")


def _print_json(
    entries: Sequence[SettingEntry], unknown: Sequence[UnknownName], problem: ConfigurationError | None
) -> None:
    settings = [
        {**asdict(entry), "value": cell(entry.value, 400), "source": cell(entry.source, 400)} for entry in entries
    ]
    about = {"settings": settings, "unknown": [asdict(name) for name in unknown]}
    error = cell(f"{problem.message} {problem.hint}".strip(), 400) if problem is not None else ""
    print_line(json.dumps({**about, "problem": error}, indent=2))
