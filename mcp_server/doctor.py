"""What `vpsops doctor` looks at for MCP over HTTP: the file of tokens, and whether the issuer's keys can be read."""

import stat
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import aiohttp

from core import exits
from core.clock import Clock
from core.findings import Check, Finding, fail, ok, warn
from core.settings import Settings
from mcp_server.keys import Keys, KeysUnavailable
from mcp_server.tokens import read_tokens

AREA: Final = "mcp"


async def check_mcp(settings: Settings, clock: Clock) -> Sequence[Finding]:
    """Look at what is configured; raises `ConfigurationError` where the file of tokens cannot be used."""
    found: list[Finding] = []
    if settings.oauth_issuer:
        found.append(await _issuer(settings.oauth_issuer, clock))
    if settings.http_tokens_file:
        found += _tokens(settings.http_tokens_file, clock)
    return found


def _tokens(path: Path, clock: Clock) -> list[Finding]:
    known = read_tokens(path)
    over = [one.caller.subject for one in known if one.expires is not None and one.expires <= clock.now()]
    found = [ok(AREA, f"{path} has {len(known)} tokens, {len(known) - len(over)} of them valid")]
    if over:
        found.append(warn(AREA, f"expired: the tokens of {', '.join(over[:5])}", "Remove them, or make new ones"))
    if path.stat().st_mode & stat.S_IRWXO:
        found.append(warn(AREA, f"everybody on this machine can open {path}", f"chmod o= {path}"))
    return found


async def _issuer(issuer: str, clock: Clock) -> Finding:
    async with aiohttp.ClientSession() as session:
        try:
            count = await Keys(issuer, session, clock).count()
        except KeysUnavailable as error:
            todo = "Check VPSOPS_OAUTH_ISSUER, letter by letter, and the network"
            return fail(AREA, f"the keys of {issuer} cannot be read ({error})", todo, exits.UNREACHABLE)
    if not count:
        return fail(
            AREA, f"{issuer} has no key that can be used", "It must sign with RS256, ES256 or EdDSA", exits.USAGE
        )
    return ok(AREA, f"{issuer} answers, with {count} keys for tokens")


CHECKS: Final[tuple[Check, ...]] = (check_mcp,)
