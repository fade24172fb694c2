"""Rejects the tokens of people who have left: a Slack account that is deactivated ends its agents' access.

Slack is queried at most every half minute for each human. While Slack, or the bot that queries it, is unreachable, the
last known status holds: reads continue, and a change is refused by the gate, which checks for itself.
"""

from dataclasses import dataclass
from typing import Final

import anyio
import structlog
from cachetools import LRUCache

from vpsops.core.common import timings
from vpsops.core.common.clock import Clock
from vpsops.core.identity.accounts import GUEST, AccountDirectory, DirectoryUnavailableError, Names, names_of
from vpsops.core.identity.actors import Actor, ActorKind
from vpsops.mcp_server.auth.issuer import TokenNotAcceptedError
from vpsops.mcp_server.auth.middleware import CallerToken, Verifier
from vpsops.mcp_server.auth.principal import Caller

MOST_KEPT: Final = 1_000

logger = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class _AccountCheck:
    problem: str
    at: float


class ActiveAccountVerifier(Verifier):
    """Wraps a verifier and rejects tokens of humans with a deactivated Slack account."""

    def __init__(self, verifier: Verifier, accounts: AccountDirectory, clock: Clock) -> None:
        self._verifier = verifier
        self._accounts = accounts
        self._clock = clock
        self._known: LRUCache[Names, _AccountCheck] = LRUCache(MOST_KEPT)

    async def verify_token(self, token: str) -> CallerToken:
        """Return the token with its caller. Raises `TokenNotAcceptedError`, `KeysUnavailableError`."""
        verified = await self._verifier.verify_token(token)
        problem = await self._problem(verified.caller)
        if problem:
            raise TokenNotAcceptedError(f"its human is {verified.caller.human}, and {problem}")
        return verified

    async def _problem(self, caller: Caller) -> str:
        names = names_of(Actor(ActorKind.AGENT, caller.subject, human=caller.human, aliases=caller.aliases))
        if not names:
            return ""
        known = self._known.get(names)
        if known is None or self._clock.monotonic() - known.at > timings.ACCOUNT_CHECK_SECONDS:
            known = self._known[names] = await self._ask(names, known)
        return known.problem

    async def _ask(self, names: Names, before: _AccountCheck | None) -> _AccountCheck:
        problem = before.problem if before is not None else ""
        try:
            with anyio.move_on_after(timings.ACCOUNT_WAIT_SECONDS):
                answer = await self._accounts.find(names)
                problem = "" if answer.problem == GUEST else answer.problem
        except DirectoryUnavailableError as error:
            logger.debug("human_not_looked_up", error=error.message)
        return _AccountCheck(problem, self._clock.monotonic())
