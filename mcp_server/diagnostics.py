"""The MCP checks of `vpsops doctor`: tokens, the issuer's keys, whether Slack knows each configured human."""

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
from vpsops.core.storage import open_database
from vpsops.mcp_server.auth.jwks import IssuerKeys, KeysUnavailableError
from vpsops.mcp_server.auth.static_tokens import read_tokens

AREA: Final = "mcp"


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
    if not humans or not settings.slack_configured:
        return []
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
    humans = [("VPSOPS_ACTOR", names_of(actor))]
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


CHECKS: Final[tuple[Check, ...]] = (check_mcp, check_humans)
