"""The MCP checks of `vpsops doctor`: tokens, issuer's keys, whether Slack knows each human, and the local service."""

import os
import socket
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Final

import aiohttp

from vpsops.core.common.clock import Clock
from vpsops.core.config.settings import Settings
from vpsops.core.console import exit_codes
from vpsops.core.console.checks import Check, DoctorFinding, fail, ok, warn
from vpsops.core.identity.accounts import AccountAnswer, AccountQuestions, DirectoryUnavailableError, Names, names_of
from vpsops.core.identity.actors import Actor, ActorKind
from vpsops.core.sqlite.location import NotReadyError
from vpsops.core.storage import open_database
from vpsops.mcp_server.auth.issuer import KeysUnavailableError
from vpsops.mcp_server.auth.jwks import IssuerKeys
from vpsops.mcp_server.auth.static_tokens import read_tokens
from vpsops.mcp_server.pipe.address import OFF, SERVICE_USER, WELL_KNOWN, UntrustedSocketError, connect, find_socket
from vpsops.mcp_server.unix_socket.config import socket_config_from
from vpsops.mcp_server.unix_socket.peer import peer_of, user_name

AREA: Final = "mcp"
ACTOR: Final = "VPSOPS_ACTOR"


async def check_mcp(settings: Settings, clock: Clock) -> Sequence[DoctorFinding]:
    """Check the configuration. Raises `ConfigurationError` when the file of tokens cannot be used."""
    findings: list[DoctorFinding] = []
    if settings.oauth_issuer:
        findings.append(await _issuer(settings.oauth_issuer, clock))
    if settings.http_tokens_file:
        findings += _tokens(settings.http_tokens_file, clock)
    return findings


def _tokens(path: Path, clock: Clock) -> list[DoctorFinding]:
    known = read_tokens(path)
    over = [token.caller.subject for token in known if token.expires is not None and token.expires <= clock.now()]
    findings = [ok(AREA, f"{path} has {len(known)} tokens, {len(known) - len(over)} of them valid")]
    if over:
        findings.append(warn(AREA, f"expired: the tokens of {', '.join(over[:5])}", "Remove them, or make new ones"))
    return findings


async def _issuer(issuer: str, clock: Clock) -> DoctorFinding:
    async with aiohttp.ClientSession() as session:
        try:
            count = await IssuerKeys(issuer, session, clock).count()
        except KeysUnavailableError as error:
            todo = "Check VPSOPS_OAUTH_ISSUER, letter by letter, and the network"
            return fail(AREA, f"the keys of {issuer} cannot be read ({error})", todo, exit_codes.UNREACHABLE)
    if not count:
        return fail(
            AREA, f"{issuer} has no key that can be used", "It must sign with RS256, ES256 or EdDSA", exit_codes.USAGE
        )
    return ok(AREA, f"{issuer} answers, with {count} keys for tokens")


async def check_humans(settings: Settings, clock: Clock) -> Sequence[DoctorFinding]:
    """Query Slack, through the bot, for the account of each configured human; without a bot report that once."""
    humans = configured_humans(settings)
    if settings.slack_bot_token is not None and not settings.slack_client_id:
        humans = [(where, names) for where, names in humans if where != ACTOR]  # its own token answers for it
    if not humans or not settings.slack_configured:
        return []
    try:
        return await _ask_directory(settings, clock, humans)
    except NotReadyError:
        named = ", ".join(where for where, _ in humans[:5])
        what = f"whether Slack knows who is set in {named} is asked of a bot, and none has run on this database"
        return [warn(AREA, what, "Start vpsops bot, and run this again")]


async def _ask_directory(
    settings: Settings, clock: Clock, humans: Sequence[tuple[str, Names]]
) -> Sequence[DoctorFinding]:
    """Return a finding for each human; raises `NotReadyError` where there is no database."""
    findings: list[DoctorFinding] = []
    async with open_database(settings.database, clock, make=False) as database:
        accounts = AccountQuestions(database, clock)
        for where, names in humans:
            try:
                answer = await accounts.find(names)
            except DirectoryUnavailableError as error:
                return [
                    *findings,
                    warn(AREA, f"whether Slack knows who is set in {where}: {error.message}", error.hint),
                ]
            findings.append(_human(where, names, answer))
    return findings


def configured_humans(settings: Settings) -> Sequence[tuple[str, Names]]:
    """Return the setting and the names of each configured human. Raises `ConfigurationError`."""
    actor = Actor(ActorKind.AGENT, "", human=settings.actor)
    humans = [(ACTOR, names_of(actor))]
    for token in read_tokens(settings.http_tokens_file) if settings.http_tokens_file else ():
        caller = token.caller
        humans.append((caller.named_in, names_of(replace(actor, human=caller.human, aliases=caller.aliases))))
    return [(where, names) for where, names in dict.fromkeys(humans) if names]


def _human(where: str, names: Names, answer: AccountAnswer) -> DoctorFinding:
    who = " or ".join(names)
    if answer.account:
        return ok(AREA, f"{who}, set in {where}, is the account {answer.account}")
    todo = "Name one active full member there; until then what it asks for is refused"
    return fail(AREA, f"{who}, set in {where}, is no account: {answer.problem}", todo, exit_codes.USAGE)


async def check_socket(settings: Settings, _: Clock) -> Sequence[DoctorFinding]:
    """Say whether `vpsops mcp` of this user is a server of its own, or connects to a service."""
    path = find_socket((), {"VPSOPS_SOCKET": settings.socket})
    findings = _mapped_users(settings)
    if path is None:
        why = (
            "VPSOPS_SOCKET is off"
            if settings.socket.lower() == OFF
            else f"no service at {settings.socket or WELL_KNOWN}"
        )
        return [ok(AREA, f"`vpsops mcp` is a server of its own, with this user's settings and key: {why}"), *findings]
    try:
        with socket.socket(fileno=connect(path, {"VPSOPS_SOCKET_USER": settings.socket_user}).detach()) as sock:
            service = user_name(peer_of(sock).uid)
    except UntrustedSocketError as error:
        return [fail(AREA, str(error), "`vpsops mcp` refuses it", exit_codes.USAGE), *findings]
    except PermissionError:
        return [_no_permission(path, settings), *findings]
    except OSError as error:
        what = f"the service at {path} does not answer ({error.strerror})"
        return [warn(AREA, what, "Start it, or remove the socket; until then `vpsops mcp` waits for it"), *findings]
    findings.insert(0, ok(AREA, f"`vpsops mcp` connects to the service at {path}, of the user {service}"))
    if settings.api_key or settings.token:
        what = "this user's settings hold a provider's key, which an assistant with a shell can read"
        findings.append(warn(AREA, what, "Remove it here, unless this user runs the service: the service has its own"))
    return findings


def _no_permission(path: str, settings: Settings) -> DoctorFinding:
    """Describe a socket that this user may not connect to, as the service's own user need not."""
    user = user_name(os.geteuid())
    if user == (settings.socket_user or SERVICE_USER):
        return ok(AREA, f"the service at {path} runs as this user; `vpsops mcp` is for the users of its group")
    what = f"the user {user} may not connect to the service at {path}"
    return warn(AREA, what, "Add that user to the socket's group, and log in again; until then `vpsops mcp` waits")


def _mapped_users(settings: Settings) -> list[DoctorFinding]:
    """Describe `[mcp.socket]` of these settings. Raises `ConfigurationError`."""
    config = socket_config_from(settings)
    if not config.humans and not config.unmapped_read:
        return []
    rest = "read" if config.unmapped_read else "do nothing"
    return [ok(AREA, f"[mcp.socket] maps {len(config.humans)} users; the others may {rest}")]


CHECKS: Final[tuple[Check, ...]] = (check_mcp, check_humans, check_socket)
