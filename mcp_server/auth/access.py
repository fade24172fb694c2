"""What a server or a caller of it may use and see: limits of the file, of flags and of a token, which only add up."""

import argparse
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import NoReturn

from vpsops.core.app import Core
from vpsops.core.changes.scope import Scope
from vpsops.core.common.errors import ConfigurationError
from vpsops.core.limits import guard
from vpsops.core.limits.access import AccessScope
from vpsops.core.limits.loader import nothing_left, restriction_from
from vpsops.core.limits.model import Exceeded
from vpsops.core.limits.tool_names import TOOLSETS
from vpsops.mcp_server.auth.principal import WRITE, Caller
from vpsops.mcp_server.protocol.sdk_compat import Context

FLAGS = "the flags of this server:"


def add_flags(parser: argparse.ArgumentParser) -> None:
    """Describe the flags; each narrows what `[limits.mcp]` of vpsops.toml leaves, and none widens it."""
    group = parser.add_argument_group(
        "limits", "They narrow what [limits.mcp] of vpsops.toml leaves, and never widen it."
    )
    add = group.add_argument
    add("--read-only", action="store_true", help="only tools that read")
    add("--toolsets", type=_words, metavar="A,B", help=f"only these toolsets, of {', '.join(TOOLSETS)}")
    add("--tools", type=_words, metavar="GLOB,…", help="only these tools, such as vps_list or vps_change_*")
    add("--deny-tools", type=_words, metavar="GLOB,…", help="none of these tools")
    add(
        "--servers",
        type=_words,
        metavar="GLOB,…",
        help="only these servers, by hostname, pattern or id; no others exist",
    )


def _words(text: str) -> list[str]:
    return [word.strip() for word in text.split(",")]


def reach_from_flags(arguments: argparse.Namespace) -> AccessScope:
    """Return the access that the flags allow. Raises `ConfigurationError` that names the flag."""
    named = ("toolsets", "tools", "deny_tools", "servers")
    options = {name: words for name in named if (words := getattr(arguments, name)) is not None}
    if not options and not arguments.read_only:
        return AccessScope()
    return AccessScope((restriction_from({**options, "read_only": arguments.read_only}, FLAGS),))


class _FlagParser(argparse.ArgumentParser):
    """A parser that raises where the words are another process's: nothing here may end with them."""

    def error(self, message: str) -> NoReturn:
        raise ConfigurationError(f"{FLAGS} {message}.", hint="`vpsops mcp --help` lists them.")


def reach_from_words(words: Sequence[str]) -> AccessScope:
    """Return the access that the flags of `vpsops mcp` allow, given as words. Raises `ConfigurationError`."""
    parser = _FlagParser(prog="vpsops mcp", add_help=False, allow_abbrev=False)
    add_flags(parser)
    return reach_from_flags(parser.parse_args(list(words)))


def effective_reach(core: Core, flags: AccessScope) -> AccessScope:
    """Return the access that the limits in force and the flags allow. Raises `ConfigurationError` when it is empty."""
    reach = core.policy.mcp_access.narrowed(flags)
    nothing = nothing_left(reach)
    if nothing:
        raise ConfigurationError(f"[limits.mcp] and the flags: {nothing}", hint="Allow at least one tool.")
    return reach


def narrow_callers(core: Core, flags: AccessScope, who: Callable[[Context], Caller]) -> Callable[[Context], Caller]:
    """Return a caller lookup that narrows each caller's grants by the limits in force and the flags."""

    def narrowed(context: Context) -> Caller:
        caller, reach = who(context), core.policy.mcp_access.narrowed(flags)
        return replace(caller, reach=reach.narrowed(caller.reach).or_usual())

    return narrowed


def exceeded_limit(caller: Caller, tool: str, *, alters: bool) -> Exceeded | None:
    """Return why limits or scope forbid a caller a tool, or None."""
    barred = caller.reach.barred(tool)
    if barred is not None:
        return guard.barred(barred, tool)
    if not alters or WRITE in caller.scopes:
        return None
    why = f"{tool} changes things, and the token lacks the scope {WRITE}."
    return Exceeded("scope", WRITE, why, "Tell your human, who can ask for a token that has it.")


def scope_of(core: Core, caller: Caller) -> Scope:
    """Return a caller's scope: the workspace of agents, narrowed by its access."""
    return Scope(core.scope.team, caller.reach.sight)
