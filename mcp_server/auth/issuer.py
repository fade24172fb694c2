"""A trusted authorization server and what its tokens come to, without what reads them: JOSE and an HTTP client.

Both are imported where an issuer is configured, and nowhere else: they take a tenth of a server's memory.
"""

from dataclasses import dataclass
from typing import Final
from urllib.parse import urlsplit

from vpsops.mcp_server.auth.principal import Caller

LOOPBACK: Final = frozenset({"localhost", "127.0.0.1", "::1"})


class TokenNotAcceptedError(Exception):
    """A token is not accepted; `why` is in our own words and quotes nothing of it."""

    def __init__(self, why: str) -> None:
        super().__init__(why)
        self.why = why


@dataclass(frozen=True, slots=True)
class IssuerConfig:
    """A trusted issuer, the expected audience, and the claims that name the human."""

    issuer: str
    audience: str
    human_claim: str
    slack_claim: str = ""


@dataclass(frozen=True, slots=True)
class VerifiedToken:
    """The claims of a token: the caller and the issuer's client."""

    caller: Caller
    client: str


class KeysUnavailableError(Exception):
    """The issuer's keys are not known and cannot be read now; a token can be neither accepted nor refused."""


def check_address(address: str) -> None:
    """Raise `ValueError` unless an address is HTTPS, or on this machine, and holds no password."""
    parts = urlsplit(address)
    if "@" in parts.netloc:
        raise ValueError("it must hold no user and no password")
    if not parts.hostname or (parts.scheme != "https" and not (parts.scheme == "http" and parts.hostname in LOOPBACK)):
        raise ValueError("it must be an https:// address")
