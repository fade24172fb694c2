"""`vpsops completion SHELL` prints a script that calls `vpsops complete` for commands, servers and changes."""

import argparse
import hashlib
import json
import os
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Final

import anyio

from vpsops.cli.operations.arguments import PREFIX, describe, words_of_operations
from vpsops.cli.operations.commands import Surroundings, session_of
from vpsops.cli.operations.console import system_console
from vpsops.core.changes.requests import Done, Request
from vpsops.core.common.clock import SystemClock
from vpsops.core.common.errors import VpsopsError
from vpsops.core.common.json_types import Json
from vpsops.core.common.timings import COMPLETION_KEPT_SECONDS, COMPLETION_SECONDS
from vpsops.core.config.local_identity import known_human
from vpsops.core.config.settings import Settings, load_settings, state_directory
from vpsops.core.console.parser import options_of, parsers_along
from vpsops.core.console.terminal import print_line
from vpsops.core.operations import OPERATIONS, Operation
from vpsops.core.operations.arguments import Argument, ArgumentKind, arguments_of
from vpsops.core.operations.servers import ServerList
from vpsops.core.operations.traits import lister_of
from vpsops.core.runbooks.model import Runbook, RunbookArgument

SAFE: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:-]{0,252}")
"""The names that are offered: no other word of the provider's comes into a shell."""
OF_ALL: Final = ("--help", "--version")
ParserOf = Callable[[Sequence[str]], argparse.ArgumentParser]
OF_CHANGES: Final = frozenset({"follow", "cancel", "changes"})
RUNBOOK: Final = "runbook"
OF_RUNBOOKS: Final = frozenset({"run", "explain", "show", "remove"})
WITH_VALUES: Final = frozenset({"run", "explain"})
CHANGES: Final = 50
SCRIPTS: Final = {
    "bash": """_vpsops() {
    mapfile -t COMPREPLY < <(vpsops complete -- "${COMP_WORDS[@]:1:COMP_CWORD}" 2>/dev/null)
    if [[ ${COMPREPLY[0]} == *= ]]; then compopt -o nospace 2>/dev/null; fi
}
complete -o bashdefault -o default -F _vpsops vpsops
""",
    "zsh": """#compdef vpsops
_vpsops() {
    local -a candidates
    candidates=("${(@f)$(vpsops complete -- "${(@)words[2,CURRENT]}" 2>/dev/null)}")
    if [[ ${candidates[1]} == *= ]]; then compadd -S '' -a candidates
    elif [[ -n ${candidates[1]} ]]; then compadd -a candidates; else _files; fi
}
compdef _vpsops vpsops
""",
    "fish": """function __vpsops_complete
    set -l candidates (vpsops complete -- (commandline -opc)[2..-1] (commandline -ct) 2>/dev/null)
    if test -n "$candidates"
        printf '%s\\n' $candidates
    else
        __fish_complete_path (commandline -ct)
    end
end
complete -c vpsops -f -a '(__vpsops_complete)'
""",
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Describe `vpsops completion` and `vpsops complete`."""
    if parser.prog.endswith("complete"):
        parser.description = (
            "Print what may stand in the place of the last word, a line each; for the scripts of shells."
        )
        parser.add_argument("typed_words", nargs=argparse.REMAINDER, metavar="WORD")
        return
    parser.description = "Print the script by which a shell completes commands, options, servers and changes."
    parser.epilog = 'For example: eval "$(vpsops completion bash)", or in fish: vpsops completion fish | source'
    parser.add_argument("shell", choices=sorted(SCRIPTS), help="the shell that is to read it")


def run(arguments: argparse.Namespace) -> int:
    """Print a script, or the candidates for a word; what cannot be read then is no candidate."""
    if "shell" in arguments:
        print_line(SCRIPTS[arguments.shell].rstrip("\n"))
        return 0
    words = arguments.typed_words[1:] if arguments.typed_words[:1] == ["--"] else arguments.typed_words
    with suppress(VpsopsError):
        for candidate in candidates(words, arguments.commands, arguments.parser_of):
            print_line(candidate)
    return 0


def candidates(words: Sequence[str], commands: Sequence[str], parser_of: ParserOf) -> list[str]:
    """Return what may stand in the place of the last word, in order; `parser_of` returns a command's parser."""
    before, current = words[:-1], words[-1] if words else ""
    operations = words_of_operations()
    if not before:
        return _begun((*commands, *operations, *(OF_ALL if current.startswith("-") else ())), current)
    command, *rest = before
    if command == "ask" and not rest:
        return _begun((word for word, operation in operations.items() if not operation.reads), current)
    program = command == "ask"
    operation = operations.get(rest.pop(0) if program else command)
    if operation is not None:
        return _begun(_of_operation(operation, rest, current, program=program), current)
    if command in OF_CHANGES and not rest and not current.startswith("-"):
        return _begun(anyio.run(_changes, load_settings()), current)
    if command == RUNBOOK and rest[:1] and rest[0] in OF_RUNBOOKS and not current.startswith("-"):
        return _of_runbook(rest, current)
    return _begun(_of_command(parser_of(before), before, current), current) if command in commands else []


def _of_runbook(rest: Sequence[str], current: str) -> list[str]:
    """Return the names of stored runbooks; after an action that runs it, the arguments, and their choices."""
    action, *typed = [word for word in rest if not word.startswith("-")]
    if not typed:
        return _begun((runbook.name for runbook in anyio.run(_runbooks, load_settings())), current)
    name, *given = typed
    runbook = next((each for each in anyio.run(_runbooks, load_settings()) if each.name == name), None)
    if action not in WITH_VALUES or runbook is None:
        return []
    return values_of(runbook.arguments, given, current)


def values_of(arguments: Sequence[RunbookArgument], given: Sequence[str], current: str) -> list[str]:
    """Return the arguments of a runbook that are not given yet, or the choices of the one before the sign.

    Bash hands over `tier=w` as three words, and completes the last of them; other shells hand over the whole word.
    """
    split = current == "=" or given[-1:] == ["="]
    if split:
        before, begun = given[-2 if given[-1:] == ["="] else -1 :][:1], current.removeprefix("=")
        return _begun((word for each in arguments if [each.name] == before for word in each.choices), begun)
    name, sign, _ = current.partition("=")
    if sign:
        return _begun(
            (f"{each.name}={word}" for each in arguments if each.name == name for word in each.choices), current
        )
    taken = {word.partition("=")[0] for word in given}
    return _begun((f"{each.name}=" for each in arguments if each.name not in taken), current)


def _begun(names: Iterable[str], current: str) -> list[str]:
    return [name for name in names if name.startswith(current)]


def _of_command(parser: argparse.ArgumentParser, before: Sequence[str], current: str) -> Sequence[str]:
    """Return the options of a command where one begins; else the values of an option, subcommands, or other choices."""
    *_, last = parsers_along(parser, before)
    if current.startswith("-"):
        return options_of(last)
    chosen = [action for action in last._actions if before[-1] in action.option_strings]  # noqa: SLF001
    positional = [action for action in last._actions if not action.option_strings]  # noqa: SLF001
    return [str(choice) for action in chosen or positional for choice in action.choices or ()]


def _of_operation(operation: Operation, rest: Sequence[str], current: str, *, program: bool) -> Sequence[str]:
    """Return the options where one begins, else the values of the argument whose turn it is."""
    parser = argparse.ArgumentParser(add_help=False)
    describe(parser, operation, program=program)
    if current.startswith("-"):
        return [option for action in parser._actions for option in action.option_strings]  # noqa: SLF001
    argument = _next_argument(operation, parser, rest)
    if argument is None:
        return ()
    if argument.spec.kind is ArgumentKind.SERVER:
        return servers(load_settings())
    lister = lister_of(argument.spec.kind)
    if lister is None:
        return argument.spec.choices
    named = [word for word in rest if not word.startswith("-")]
    if lister.takes_server and not named:
        return ()
    return anyio.run(read_values, load_settings(), lister, {"server": named[0]} if lister.takes_server else {})


def _next_argument(operation: Operation, parser: argparse.ArgumentParser, rest: Sequence[str]) -> Argument | None:
    """Return the argument that is typed next: of the option before it, else the first required one without a word."""
    arguments = arguments_of(operation.arguments)
    values = {action.option_strings[0]: action.dest for action in parser._actions if action.option_strings}  # noqa: SLF001
    if rest and rest[-1] in values:
        name = values[rest[-1]].removeprefix(PREFIX)
        return next((argument for argument in arguments if argument.name == name), None)
    takes = {option for option, name in values.items() if name.startswith(PREFIX)} | {"--because", "--confirm"}
    plain = [
        word for at, word in enumerate(rest) if not word.startswith("-") and (at == 0 or rest[at - 1] not in takes)
    ]
    required = [argument for argument in arguments if argument.required]
    return required[len(plain)] if len(plain) < len(required) else None


def servers(settings: Settings) -> list[str]:
    """Return the names of the servers: of a list that was read within a minute, else as the gate shows them now."""
    path = _kept_in(settings)
    with suppress(OSError, ValueError):
        if 0 <= SystemClock().now().timestamp() - path.stat().st_mtime < COMPLETION_KEPT_SECONDS:
            return _safe(json.loads(path.read_text(encoding="utf-8")))
    names = anyio.run(_read_servers, settings)
    with suppress(OSError):
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        path.unlink(missing_ok=True)
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as file:
            json.dump(names, file)
    return names


def _safe(names: Iterable[object]) -> list[str]:
    return [name for name in names if isinstance(name, str) and SAFE.fullmatch(name)]


def _kept_in(settings: Settings) -> Path:
    """Return the file of a set-up's names; another account, database or person has another."""
    about = json.dumps([settings.api_url, settings.database, str(settings.config), known_human(settings)])
    return state_directory() / f"servers-{hashlib.sha256(about.encode()).hexdigest()[:16]}.json"


async def _read_servers(settings: Settings) -> list[str]:
    """Read the list through the gate, as a program of this terminal may; nothing where that takes too long."""
    names: list[str] = []
    async with session_of(settings, Surroundings(system_console()), program=True) as session:
        with anyio.move_on_after(COMPLETION_SECONDS):
            request: Request = session.request(OPERATIONS["list"], {"limit": 100})
            outcome = await session.core.servers.read(request, scope=session.core.scope)
            if isinstance(outcome, Done) and isinstance(outcome.result, ServerList):
                names = _safe(server.hostname for server in outcome.result.servers)
    return names


async def read_values(
    settings: Settings, lister: Operation, arguments: Mapping[str, Json], around: Surroundings | None = None
) -> list[str]:
    """Read the values of an argument, such as a server's snapshots; nothing where that takes too long."""
    values: list[str] = []
    async with session_of(settings, around or Surroundings(system_console()), program=True) as session:
        with anyio.move_on_after(COMPLETION_SECONDS):
            request = session.request(lister, arguments)
            outcome = await session.core.servers.read(request, scope=session.core.scope)
            if isinstance(outcome, Done) and outcome.result is not None:
                values = _safe(choice.value for choice in lister.choices(outcome.result))
    return values


async def _runbooks(settings: Settings, around: Surroundings | None = None) -> list[Runbook]:
    """Return the stored runbooks that can be run; nothing of one that was altered comes into a shell."""
    runbooks: list[Runbook] = []
    async with session_of(settings, around or Surroundings(system_console()), program=True) as session:
        for registered in await session.core.runbooks.list_all(scope=session.core.scope):
            with suppress(VpsopsError):
                runbooks.append(registered.runbook)
    return runbooks


async def _changes(settings: Settings) -> list[str]:
    """Return the ids of changes, those that are not finished if there are any."""
    async with session_of(settings, Surroundings(system_console()), program=True) as session:
        changes, scope = session.core.changes, session.core.scope
        newest = await changes.list(open_only=True, limit=CHANGES, scope=scope)
        return [change.id for change in newest or await changes.list(limit=CHANGES, scope=scope)]
