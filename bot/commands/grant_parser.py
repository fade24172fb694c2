"""The words of `/vps grant`: AGENT [of PERSON] OPERATION SERVERS for 1h [uses=10]. Raises; it never guesses."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from vpsops.bot.commands.argument_parser import ArgumentsError
from vpsops.bot.commands.vocabulary import command_words
from vpsops.bot.protocol.command_catalog import ALIASES, OPERATION_OF, operation_of
from vpsops.bot.protocol.text_normalization import abbreviate, mentioned_user, strip_quotes
from vpsops.core.common.errors import InvalidInputError
from vpsops.core.common.text import whole_number
from vpsops.core.grants.requests import grant_seconds
from vpsops.core.operations.server_lookup import plain_reference

USES: Final = re.compile(r"-{0,2}uses[=:](.*)", re.IGNORECASE)
MOST_USES: Final = 10_000
FOR, OF = "for", "of"
EXAMPLE: Final = "For example: grant claude-code reboot web01 web02 for 1h uses=10"


@dataclass(frozen=True, slots=True)
class AskGrant:
    """Ask that an agent may repeat an operation on some servers without votes, for a time in seconds."""

    agent: str
    human: str
    operation: str
    servers: tuple[str, ...]
    seconds: float
    uses: int | None = None
    reason: str = ""


def parse_grant(words: Sequence[str], reason: str = "") -> AskGrant:
    """Return the request that words mean; raises `ArgumentsError` with what is missing."""
    typed = [match[1] for match in map(USES.fullmatch, words) if match]
    rest = [word for word in words if not USES.fullmatch(word)]
    uses = _uses(typed)
    at = next((index for index in range(1, len(rest)) if _operation(rest[index])), 0)
    if not at:
        raise ArgumentsError(f"Name the agent, then the operation. {EXAMPLE}")
    agent, human = _agent(rest[:at])
    servers, seconds = _servers_and_time(rest[at + 1 :])
    return AskGrant(agent, human, _operation(rest[at]), servers, seconds, uses, reason)


def _operation(word: str) -> str:
    """Return the operation that a word stands for, or ""."""
    meant = command_words([word])[0]
    return operation_of(meant) if meant in OPERATION_OF or meant in ALIASES else ""


def _agent(words: Sequence[str]) -> tuple[str, str]:
    """Return the words before the operation as the name of an agent, and of its person."""
    plain = [strip_quotes(word) for word in words]
    lowered = [word.lower() for word in plain]
    if OF not in lowered[1:]:
        return " ".join(plain), ""
    at = len(lowered) - 1 - lowered[::-1].index(OF)
    person = " ".join(plain[at + 1 :])
    if not person:
        raise ArgumentsError("The name of the agent's person is missing after 'of'.")
    return " ".join(plain[:at]), mentioned_user(person) or person.lstrip("@")


def _servers_and_time(words: Sequence[str]) -> tuple[tuple[str, ...], float]:
    lowered = [word.lower() for word in words]
    if FOR not in lowered:
        raise ArgumentsError(f"Say for how long. {EXAMPLE}")
    at = lowered.index(FOR)
    if at == 0:
        raise ArgumentsError(f"Name the servers. {EXAMPLE}")
    try:
        seconds = grant_seconds(" ".join(words[at + 1 :]))
    except InvalidInputError as error:
        raise ArgumentsError(f"{error.message} {error.hint}") from None
    return tuple(dict.fromkeys(map(plain_reference, words[:at]))), seconds


def _uses(typed: Sequence[str]) -> int | None:
    if not typed:
        return None
    uses = whole_number(typed[0], 1, MOST_USES) if len(typed) == 1 else None
    if uses is None:
        raise ArgumentsError(f"uses takes one number, and not '{abbreviate(' '.join(typed))}'.")
    return uses
