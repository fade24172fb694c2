"""An authorization server's public keys: found by its discovery document, kept, and read again when they rotate."""

import json
from collections.abc import Mapping, Sequence
from typing import Any, Final
from urllib.parse import urlsplit

import aiohttp
import anyio
import jwt
import structlog

from vpsops.core.common import timings
from vpsops.core.common.clock import Clock
from vpsops.mcp_server.auth.issuer import KeysUnavailableError, check_address

KINDS: Final[Mapping[str, tuple[str, str | None]]] = {
    "RS256": ("RSA", None),
    "ES256": ("EC", "P-256"),
    "EdDSA": ("OKP", "Ed25519"),
}
"""The accepted algorithms, with the type and curve of their keys. All are asymmetric."""

FRESH_SECONDS: Final = timings.KEYS_SECONDS
STALE_SECONDS: Final = timings.KEYS_STALE_SECONDS
AGAIN_SECONDS: Final = timings.KEYS_AGAIN_SECONDS
TIMEOUT: Final = aiohttp.ClientTimeout(total=timings.KEYS_TIMEOUT_SECONDS)
MAX_BYTES: Final = 262_144
MAX_KEYS: Final = 50
SMALLEST_RSA: Final = 2048

logger = structlog.get_logger(__name__)


class IssuerKeys:
    """One issuer's keys."""

    def __init__(self, issuer: str, session: aiohttp.ClientSession, clock: Clock) -> None:
        self._issuer = issuer
        self._session = session
        self._clock = clock
        self._lock = anyio.Lock()
        self._keys: Sequence[jwt.PyJWK] = ()
        self._read_at = float("-inf")
        self._tried_at = float("-inf")

    async def find(self, kid: str | None, algorithm: str) -> jwt.PyJWK | None:
        """Return the key with this id and algorithm, or the only key when the token names none.

        An unknown key id triggers one more fetch from the issuer. Raises `KeysUnavailableError`.
        """
        if self._age() > FRESH_SECONDS:
            await self._refresh(self._read_at)
        if self._age() > STALE_SECONDS:
            raise KeysUnavailableError
        key = self._match(kid, algorithm)
        if key is None:
            await self._refresh(self._read_at)
            key = self._match(kid, algorithm)
        return key

    async def count(self) -> int:
        """Fetch the keys now, and return how many may sign tokens. Raises `KeysUnavailableError` with the reason."""
        try:
            return len(await self._read())
        except (aiohttp.ClientError, TimeoutError, OSError, ValueError, RecursionError) as error:
            raise KeysUnavailableError(_words(error)) from None

    def _age(self) -> float:
        return self._clock.monotonic() - self._read_at

    def _match(self, kid: str | None, algorithm: str) -> jwt.PyJWK | None:
        fitting = [key for key in self._keys if key.algorithm_name == algorithm and kid in (None, key.key_id)]
        return fitting[0] if len(fitting) == 1 else None

    async def _refresh(self, seen: float) -> None:
        """Read the keys unless another request just did, or tried to a moment ago; a failure leaves those we have."""
        async with self._lock:
            now = self._clock.monotonic()
            if self._read_at != seen or now - self._tried_at < AGAIN_SECONDS:
                return
            self._tried_at = now
            try:
                self._keys = await self._read()
            except (aiohttp.ClientError, TimeoutError, OSError, ValueError, RecursionError) as error:
                logger.warning("issuer_keys_unreadable", issuer=self._issuer, error=_words(error))
                return
            self._read_at = now
            logger.info("issuer_keys_read", issuer=self._issuer, count=len(self._keys))

    async def _read(self) -> Sequence[jwt.PyJWK]:
        address = await self._discover()
        check_address(address)
        listed = (await self._get(address)).get("keys")
        if not isinstance(listed, list):
            raise ValueError("its key set has no keys")  # noqa: TRY004 - what was sent is wrong, not a type of ours
        return [key for jwk in listed[:MAX_KEYS] if (key := usable_key(jwk)) is not None]

    async def _discover(self) -> str:
        """Return the key set's address from the issuer's discovery document. Raises `ValueError` without an address."""
        for address in discovery_addresses(self._issuer):
            try:
                metadata = await self._get(address)
            except ValueError:
                continue
            if metadata.get("issuer") == self._issuer and isinstance(metadata.get("jwks_uri"), str):
                return str(metadata["jwks_uri"])
        raise ValueError("it has no discovery document that names it and its keys")

    async def _get(self, address: str) -> dict[str, Any]:
        headers = {"Accept": "application/json"}
        async with self._session.get(address, headers=headers, allow_redirects=False, timeout=TIMEOUT) as response:
            if response.status != 200:  # noqa: PLR2004 - the one that carries a document
                raise ValueError(f"it answers {response.status}")
            body = bytearray()
            async for chunk in response.content.iter_chunked(16_384):
                body += chunk
                if len(body) > MAX_BYTES:
                    raise ValueError("its answer is too long")
        document = json.loads(body)
        if not isinstance(document, dict):
            raise ValueError("its answer is no object")  # noqa: TRY004 - what was sent is wrong, not a type of ours
        return document


def discovery_addresses(issuer: str) -> list[str]:
    """Return the metadata addresses to try for an issuer, in MCP's order: RFC 8414, then OpenID Connect, with paths."""
    parts = urlsplit(issuer)
    base, path = f"{parts.scheme}://{parts.netloc}", parts.path.rstrip("/")
    known = [f"{base}/.well-known/oauth-authorization-server{path}", f"{base}/.well-known/openid-configuration{path}"]
    return [*known, f"{base}{path}/.well-known/openid-configuration"] if path else known


def usable_key(described: object) -> jwt.PyJWK | None:
    """Return a key that may sign tokens, or None: not symmetric, not weak, not for another use."""
    if not isinstance(described, dict) or described.get("use", "sig") != "sig":
        return None
    kind = (described.get("kty"), described.get("crv"))
    algorithm = next((name for name, known in KINDS.items() if known == kind), None)
    if algorithm is None or described.get("alg", algorithm) != algorithm:
        return None
    try:
        key = jwt.PyJWK({name: value for name, value in described.items() if name != "d"}, algorithm)
    except (jwt.PyJWTError, ValueError, TypeError, KeyError):
        return None
    return key if getattr(key.key, "key_size", SMALLEST_RSA) >= SMALLEST_RSA or algorithm != "RS256" else None


def _words(error: Exception) -> str:
    return str(error)[:200] if type(error) is ValueError else type(error).__name__
