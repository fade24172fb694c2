"""`vpsops token`: makes tokens for MCP over HTTP, lists them, takes them back."""

import argparse
import sys
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Final

from vpsops.core.common.clock import Clock, SystemClock
from vpsops.core.common.errors import ConfigurationError
from vpsops.core.config.settings import load_settings
from vpsops.core.console.terminal import cell, columns, number, print_line
from vpsops.core.identity.identifiers import slack_name
from vpsops.core.limits.tool_names import TOOLSETS
from vpsops.mcp_server.auth.principal import READ, SCOPES
from vpsops.mcp_server.auth.static_tokens import StaticToken
from vpsops.mcp_server.auth.tokens_file import (
    NewToken,
    add_token,
    known_tokens,
    new_secret,
    remove_tokens,
    write_secret,
)

MOST_DAYS: Final = 3_650


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Describe `vpsops token` and its three subcommands."""
    parser.description = (
        "Make tokens for MCP over HTTP, list them, take them back. A running server reads its file again by itself."
    )
    commands = parser.add_subparsers(dest="what", metavar="WHAT", required=True)
    _new_arguments(commands.add_parser("new", help="make a token: its hash goes into the file, itself is shown once"))
    listing = commands.add_parser("list", help="list the tokens with their owners and rights")
    listing.set_defaults(token=_list)
    revoking = commands.add_parser("revoke", help="take a token back: it is refused from the next request on")
    revoking.add_argument("name", metavar="NAME", help="the name that it was made with")
    revoking.add_argument("--older", action="store_true", help="keep the newest of this name")
    revoking.set_defaults(token=_revoke)
    for command in commands.choices.values():
        command.add_argument(
            "--file", type=Path, metavar="FILE", help="the file of tokens; default: VPSOPS_HTTP_TOKENS_FILE"
        )


def _new_arguments(parser: argparse.ArgumentParser) -> None:
    parser.description = (
        "Make a token. The file gets its SHA-256 (mode 0600 if it is new), and standard output the token itself, this"
        " once. A second one of the same name stands beside the first: use it everywhere, then take the older one back."
    )
    parser.add_argument("name", metavar="NAME", help="owner of the token, such as ann-laptop: stands in every record")
    human = parser.add_mutually_exclusive_group(required=True)
    human.add_argument(
        "--human", metavar="WHO", help="the human behind it, by the e-mail address of their Slack profile"
    )
    human.add_argument("--slack-user", metavar="ID", help="or by their Slack user id, such as U0ALICE")
    parser.add_argument(
        "--scope", action="append", choices=SCOPES, help=f"what it may do, also several; default: {READ}"
    )
    parser.add_argument(
        "--server", action="append", metavar="GLOB", help="only these servers, such as web*; also several"
    )
    parser.add_argument(
        "--toolset",
        action="append",
        choices=sorted(TOOLSETS),
        metavar="NAME",
        help=f"only these tools; also several. One of {', '.join(sorted(TOOLSETS))}",
    )
    parser.add_argument("--group", action="append", metavar="NAME", help="a group for the policy's rules; also several")
    parser.add_argument(
        "--days", type=partial(number, least=1, most=MOST_DAYS), metavar="N", help="it expires after so many days"
    )
    parser.add_argument("--to", type=Path, metavar="FILE", help="write the token into this new file and do not show it")
    parser.set_defaults(token=_new)


def run(arguments: argparse.Namespace) -> int:
    """Run the chosen subcommand. Raises `ConfigurationError` when the file cannot be used, `InvalidInputError`."""
    arguments.token(arguments)
    return 0


def _file(arguments: argparse.Namespace) -> Path:
    path: Path | None = arguments.file or load_settings().http_tokens_file
    if path is None:
        raise ConfigurationError(
            "Which file are the tokens in?", hint="Set VPSOPS_HTTP_TOKENS_FILE, or give --file tokens.toml."
        )
    return path


def _new(arguments: argparse.Namespace) -> None:
    path, secret = _file(arguments), new_secret()
    token = token_of(arguments, SystemClock())
    if arguments.to is not None:
        write_secret(arguments.to, secret)
    try:
        count = add_token(path, token, secret)
    except BaseException:
        if arguments.to is not None:  # a token that nothing admits
            arguments.to.unlink(missing_ok=True)
        raise
    if arguments.to is None:
        print_line(secret)
    where = f"It is in {arguments.to}." if arguments.to is not None else "It is shown this once."
    _print_note(f"{path} has the hash of a token for {token.subject}. {where}")
    if count > 1:
        _print_note(f"There are {count} of this name: `vpsops token revoke {token.subject} --older` leaves this one.")


def token_of(arguments: argparse.Namespace, clock: Clock) -> NewToken:
    """Return the new token's claims."""
    expires = clock.now() + timedelta(days=arguments.days) if arguments.days else None
    return NewToken(
        subject=arguments.name,
        human=arguments.human or _slack_name(arguments.slack_user),
        scopes=tuple(dict.fromkeys(arguments.scope or (READ,))),
        groups=tuple(arguments.group or ()),
        toolsets=tuple(dict.fromkeys(arguments.toolset or ())),
        servers=tuple(arguments.server or ()),
        expires=expires,
    )


def _slack_name(ident: str) -> str:
    try:
        return slack_name(ident)
    except ValueError as error:
        raise ConfigurationError(f"--slack-user: {error}.", hint="It ends the address of a person's profile.") from None


def _list(arguments: argparse.Namespace) -> None:
    known = known_tokens(_file(arguments))
    if not known:
        print_line("There are no tokens.")
        return
    now = SystemClock()
    rows = [("NAME", "HUMAN", "SCOPES", "ONLY", "EXPIRES"), *(_row(token, now) for token in known)]
    for line in columns(rows):
        print_line(line)


def _row(known: StaticToken, clock: Clock) -> tuple[str, ...]:
    caller = known.caller
    only = [f"{name}={value}" for narrowing in caller.reach.narrowings for name, value in narrowing.described()]
    over = known.expires is not None and known.expires <= clock.now()
    until = f"{known.expires:%Y-%m-%d}{' (expired)' if over else ''}" if known.expires else "never"
    return cell(caller.subject), cell(caller.human), " ".join(sorted(caller.scopes)), cell(" ".join(only) or "-"), until


def _revoke(arguments: argparse.Namespace) -> None:
    path = _file(arguments)
    gone, left = remove_tokens(path, arguments.name, older=arguments.older)
    print_line(f"{gone} of {cell(arguments.name)} taken back; {path} has {left} left.")
    if not left:
        _print_note("No client is admitted now, and a server does not start with this file until it has a token again.")


def _print_note(text: str) -> None:
    sys.stderr.write(f"vpsops: {text}\n")
