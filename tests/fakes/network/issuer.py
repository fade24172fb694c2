"""An authorization server on a real socket: its metadata, its keys, and tokens signed with them."""

import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import cache
from typing import Any

import anyio
import jwt
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from jwt.algorithms import ECAlgorithm, OKPAlgorithm, RSAAlgorithm
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from vpsops.core.server.http_server import base_of, listen, serve

Private = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey


@dataclass(frozen=True)
class Signer:
    """A private key with its name and algorithm."""

    kid: str
    algorithm: str
    private: Any

    @property
    def described(self) -> dict[str, Any]:
        """The public half as a key set has it."""
        to_jwk: dict[str, Callable[..., Any]] = {
            "RS256": RSAAlgorithm.to_jwk,
            "ES256": ECAlgorithm.to_jwk,
            "EdDSA": OKPAlgorithm.to_jwk,
        }
        public = to_jwk[self.algorithm](self.private.public_key(), as_dict=True)
        return {**public, "kid": self.kid, "use": "sig", "alg": self.algorithm}


@cache
def signer(algorithm: str, kid: str = "one") -> Signer:
    """Return a key; the same one for the same words, for RSA keys take their time."""
    made: dict[str, Callable[[], Private]] = {
        "RS256": lambda: rsa.generate_private_key(public_exponent=65537, key_size=2048),
        "ES256": lambda: ec.generate_private_key(ec.SECP256R1()),
        "EdDSA": ed25519.Ed25519PrivateKey.generate,
    }
    return Signer(kid, algorithm, made[algorithm]())


@dataclass
class FakeIssuer:
    """The served documents, and how often each was requested."""

    url: str
    signers: list[Signer] = field(default_factory=lambda: [signer("ES256")])
    extra_keys: list[dict[str, Any]] = field(default_factory=list)
    named: str = ""
    metadata: str = "/.well-known/oauth-authorization-server"
    down: bool = False
    padding: int = 0
    cookie: str = ""
    reads: int = 0
    cookies_received: list[str] = field(default_factory=list)

    def token(
        self, audience: str, *, by: Signer | None = None, header: dict[str, Any] | None = None, **claims: Any
    ) -> str:
        """Return a token of the first key for Ann, who may do everything, unless overridden; None drops a claim."""
        by = by or self.signers[0]
        now = int(time.time())
        metadata = {
            "iss": self.url,
            "aud": audience,
            "sub": "auth|ann",
            "exp": now + 600,
            "iat": now,
            "email": "ann@example.com",
            "email_verified": True,
            "client_id": "host-app",
            "scope": "vps:read vps:write",
            **claims,
        }
        body = {name: value for name, value in metadata.items() if value is not None}
        return jwt.encode(body, by.private, by.algorithm, headers={"kid": by.kid, "typ": "at+jwt", **(header or {})})

    def app(self) -> Starlette:
        """Return what listens."""

        async def document(request: Request) -> Response:
            headers = {"Set-Cookie": self.cookie} if self.cookie else None
            if self.down or request.url.path != self.metadata:
                return JSONResponse({}, status_code=503 if self.down else 404)
            described = {"issuer": self.named or self.url, "jwks_uri": f"{self.url}/keys"}
            return JSONResponse(described, headers=headers)

        async def keys(request: Request) -> Response:
            self.reads += 1
            self.cookies_received += request.headers.getlist("cookie")
            described = [*(item.described for item in self.signers), *self.extra_keys]
            return JSONResponse(
                {"keys": described, "padding": "x" * self.padding}, status_code=503 if self.down else 200
            )

        return Starlette(routes=[Route("/keys", keys), Route("/{rest:path}", document)])


@asynccontextmanager
async def running_issuer() -> AsyncIterator[FakeIssuer]:
    """Run an authorization server until the block ends."""
    sock = listen("127.0.0.1", 0)
    issuer = FakeIssuer(base_of(sock))
    stop = anyio.Event()
    async with anyio.create_task_group() as group:
        group.start_soon(serve, issuer.app(), sock, stop)
        yield issuer
        stop.set()
