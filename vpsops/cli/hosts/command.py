"""`vpsops mcp install HOST` and `uninstall HOST`: our entry in a host's file, shown before it is written."""

import argparse
import difflib
import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

from vpsops.cli.hosts import files
from vpsops.cli.hosts.catalogue import HOSTS, NAME, Entry, Host, Syntax, entry_of, file_of, pasted
from vpsops.cli.hosts.json_document import JsonDocument
from vpsops.cli.hosts.json_tokens import HostTextError
from vpsops.cli.hosts.own_process import VARIABLES, WORDS, home_folder, process_for
from vpsops.cli.hosts.toml_document import TomlDocument
from vpsops.core.common.errors import ConfigurationError
from vpsops.core.console import exit_codes
from vpsops.core.console.terminal import cell, columns, print_line

WIDEST: Final = 300
Ask = Callable[[str], str]


def run(arguments: argparse.Namespace, ask: Ask = input) -> int:
    """Run `install` or `uninstall`. Raises `ConfigurationError`, after which nothing has changed."""
    if arguments.action == "install" and arguments.list:
        for line in host_lines():
            print_line(line)
        return exit_codes.GOOD
    host = HOSTS[arguments.host] if arguments.host else None
    if host is None:
        raise ConfigurationError("Which host?", hint=f"One of {', '.join(HOSTS)}; vpsops mcp install --list has more.")
    path = arguments.file.expanduser() if arguments.file else _place(host)
    if arguments.action == "uninstall":
        return _uninstall(host, files.read(path), arguments, ask)
    entry = entry_of(host, process_for(arguments.config, os.environ, home_folder()))
    if arguments.print:
        print_line(f"{cell(path, WIDEST)}:")
        print_line(pasted(host, entry).rstrip("\n"))
        return exit_codes.GOOD
    return _install(host, files.read(path), entry, arguments, ask)


def host_lines() -> list[str]:
    """Return a line for each host: its id, its name, whether it has our entry, its file."""
    rows = [("HOST", "PROGRAM", "VPSOPS", "FILE")]
    rows += [(host.id, host.title, _state(host), cell(_place(host), WIDEST)) for host in HOSTS.values()]
    return columns(rows)


def document_of(host: Host, text: str) -> JsonDocument | TomlDocument:
    """Return a host's text as what an entry can be put into."""
    if host.syntax is Syntax.TOML:
        return TomlDocument(text, host.section)
    return JsonDocument(text, host.section, comments=host.syntax is Syntax.JSONC)


def _place(host: Host) -> Path:
    return file_of(host, os.environ, sys.platform, home_folder())


def _state(host: Host) -> str:
    """Say in a word how a host's file is."""
    try:
        file = files.read(_place(host))
        if file.content is None:
            return "no file"
        return "installed" if NAME in document_of(host, file.text).servers else "-"
    except (ConfigurationError, HostTextError):
        return "not readable"


def _install(host: Host, file: files.HostFile, entry: Entry, arguments: argparse.Namespace, ask: Ask) -> int:
    try:
        document = document_of(host, file.text)
        if document.servers.get(NAME) == entry:
            print_line(f"{host.title} has it already: {cell(file.path, WIDEST)} is as it was.")
            return exit_codes.GOOD
        text = document.with_server(entry)
    except HostTextError as error:
        raise _not_written(file, error) from None
    if not _may_write(host, file, text, arguments, ask):
        return exit_codes.GOOD if arguments.dry_run else exit_codes.OTHER
    files.replace(file, text)
    print_line(f"Written: {cell(file.path, WIDEST)}. {host.title}: {host.then}.")
    if file.content is not None:
        print_line(f"As it was: {cell(file.backup, WIDEST)}. vpsops mcp uninstall {host.id} undoes this.")
    return exit_codes.GOOD


def _uninstall(host: Host, file: files.HostFile, arguments: argparse.Namespace, ask: Ask) -> int:
    try:
        document = document_of(host, file.text)
        if NAME not in document.servers:
            print_line(f"{host.title} does not have it: {cell(file.path, WIDEST)} is as it was.")
            return exit_codes.GOOD
        text = document.without_server()
        is_ours = not _rest_of(host, text)
        before = _undone(host, file, text)
    except HostTextError as error:
        raise _not_written(file, error) from None
    is_removed = is_ours and before is None and file.backup_text is None
    if not _may_write(host, file, text, arguments, ask):
        return exit_codes.GOOD if arguments.dry_run else exit_codes.OTHER
    if before is not None:
        files.restore(file)
    elif is_removed:
        files.remove(file)
    else:
        files.replace(file, text)
    print_line(f"{cell(file.path, WIDEST)} no longer names {NAME}. {host.title}: {host.then}.")
    return exit_codes.GOOD


def _undone(host: Host, file: files.HostFile, text: str) -> str | None:
    """Return the backup's text where it says what is left without our entry; None where more has changed since."""
    backup = file.backup_text
    if backup is None:
        return None
    try:
        return backup if _rest_of(host, backup) == _rest_of(host, text) else None
    except HostTextError:
        return None


def _rest_of(host: Host, text: str) -> dict[str, object]:
    """Return what a text says, an empty table of servers aside."""
    values = document_of(host, text).values
    return {key: value for key, value in values.items() if key != host.section or value}


def _may_write(host: Host, file: files.HostFile, text: str, arguments: argparse.Namespace, ask: Ask) -> bool:
    """Show what would change, and return whether it may be written."""
    for line in differences(host, file, text):
        print_line(line)
    if arguments.dry_run:
        print_line("Nothing was written: this was a dry run.")
        return False
    if arguments.yes:
        return True
    if not sys.stdin.isatty():
        raise ConfigurationError("There is no terminal to ask at, so nothing was written.", hint="Add --yes.")
    if ask("Write this? [y/N] ").strip().lower() in {"y", "yes"}:
        return True
    print_line("Nothing was written.")
    return False


def differences(host: Host, file: files.HostFile, text: str) -> Iterator[str]:
    """Yield what becomes of our entry, in lines; the rest of the file stays, and may hold secrets of others."""
    servers = document_of(host, file.text).servers
    before, after = servers.get(NAME), document_of(host, text).servers.get(NAME)
    others = len(servers.keys() - {NAME})
    rest = (
        "a new file" if file.content is None else f"{others} other {'entry' if others == 1 else 'entries'}, which stay"
    )
    yield f"{cell(file.path, WIDEST)} ({rest}):"
    for line in difflib.unified_diff(_shown(host, before), _shown(host, after), lineterm="", n=WIDEST):
        if not line.startswith(("---", "+++", "@@")):
            indent = len(line) - len(line[1:].lstrip()) - 1
            yield f"  {line[:1]} {' ' * min(indent, WIDEST)}{cell(line[1:], WIDEST)}"


def _shown(host: Host, entry: object) -> list[str]:
    """Return an entry in lines; of what is none of ours, and may be a secret, the name alone."""
    if entry is None:
        return []
    if not isinstance(entry, dict):
        return ["(not an entry)"]
    return pasted(host, {key: _shown_value(key, value) for key, value in entry.items()}).splitlines()


def _shown_value(key: str, value: object) -> object:
    match key, value:
        case "env", dict():
            return {name: inner if name in VARIABLES else "…" for name, inner in value.items()}
        case "args", list():
            return [word if word in WORDS else "…" for word in value]
        case "type" | "command", str():
            return value
        case _:
            return "…"


def _not_written(file: files.HostFile, error: HostTextError) -> ConfigurationError:
    return ConfigurationError(
        f"{file.path}: {error}. Nothing was changed.",
        hint="Mend it, name another file by --file, or paste what --print prints.",
    )


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Describe the two subcommands of `vpsops mcp`."""
    actions = parser.add_subparsers(dest="action", metavar="[ACTION]")
    install = actions.add_parser("install", help="put vpsops into an assistant's configuration, after showing how")
    remove = actions.add_parser("uninstall", help="take it out again")
    install.description = (
        "Put vpsops into the configuration of a program that people talk to assistants in: the difference is shown, and"
        " written after your yes, with a backup beside the file. Everything else in it stays to the letter. The entry"
        " names the program and the configuration, or this machine's service, and never a secret."
    )
    remove.description = (
        "Take vpsops out of a program's configuration. Where nothing else has changed, the file is as it was before."
    )
    for sub in (install, remove):
        sub.add_argument("host", nargs="?", choices=list(HOSTS), metavar="HOST", help=", ".join(HOSTS))
        sub.add_argument(
            "--file", type=Path, metavar="PATH", help="another file than this user's own, such as .vscode/mcp.json"
        )
        sub.add_argument("--dry-run", action="store_true", help="only show the difference")
        sub.add_argument("--yes", action="store_true", help="write without asking")
    install.add_argument(
        "--config",
        type=Path,
        metavar="FILE",
        help="the vpsops.toml (default: VPSOPS_CONFIG, the service, or the one of vpsops init)",
    )
    install.add_argument(
        "--print", action="store_true", help="print the file's path and what to paste, and write nothing"
    )
    install.add_argument("--list", action="store_true", help="list the hosts, their files, and which have it")
