"""Access tokens of an authorization server (RFC 9068): verified with its keys, and mapped to a caller."""

from collections.abc import Callable, Mapping
from typing import Any, Final

import jwt

from vpsops.core.common import timings
from vpsops.core.identity.identifiers import normal_email, slack_name
from vpsops.mcp_server.auth.issuer import IssuerConfig, TokenNotAcceptedError, VerifiedToken
from vpsops.mcp_server.auth.jwks import KINDS, IssuerKeys
from vpsops.mcp_server.auth.principal import TOOLSET_SCOPES, WRITE, Caller, fingerprint, known_scopes, token_reach

LEEWAY: Final = timings.LEEWAY_SECONDS
TYPES: Final = frozenset({"jwt", "at+jwt", "application/at+jwt"})
REQUIRED: Final = ("exp", "iss", "aud", "sub")
LONGEST: Final = 200
MAX_GROUPS: Final = 100

REASONS: Final[Mapping[type[Exception], str]] = {
    jwt.ExpiredSignatureError: "it has expired",
    jwt.ImmatureSignatureError: "it is not valid yet",
    jwt.InvalidAudienceError: "it is for another audience",
    jwt.InvalidIssuerError: "it is another issuer's",
    jwt.InvalidSignatureError: "its signature is wrong",
    jwt.MissingRequiredClaimError: "it lacks a required claim",
}


class JwtVerifier:
    """Verifies the tokens of one authorization server."""

    def __init__(self, trust: IssuerConfig, keys: IssuerKeys) -> None:
        self._trust = trust
        self._keys = keys

    async def grant_of(self, token: str) -> VerifiedToken:
        """Verify a token. Raises `TokenNotAcceptedError`, `KeysUnavailableError`."""
        header = read_header(token)
        key = await self._keys.find(header.get("kid"), header["alg"])
        if key is None:
            raise TokenNotAcceptedError("its key is not the issuer's")
        return verified_token_from(self._claims(token, key), self._trust)

    def _claims(self, token: str, key: jwt.PyJWK) -> dict[str, Any]:
        try:
            return jwt.decode(
                token,
                key,
                algorithms=list(KINDS),
                audience=self._trust.audience,
                issuer=self._trust.issuer,
                leeway=LEEWAY,
                options={"require": list(REQUIRED), "enforce_minimum_key_length": True},
            )
        except (jwt.PyJWTError, ValueError, TypeError, RecursionError) as error:
            raise TokenNotAcceptedError(REASONS.get(type(error), "it cannot be read")) from None


def read_header(token: str) -> dict[str, Any]:
    """Return a token's header, if we accept its values. Raises `TokenNotAcceptedError`."""
    try:
        header = jwt.get_unverified_header(token)
    except (jwt.PyJWTError, ValueError, TypeError, RecursionError):
        raise TokenNotAcceptedError("it cannot be read") from None
    if header.get("alg") not in KINDS:
        raise TokenNotAcceptedError("its algorithm is not accepted")
    if str(header.get("typ", "JWT")).lower() not in TYPES:
        raise TokenNotAcceptedError("it is no access token")
    return header


def verified_token_from(claims: Mapping[str, Any], trust: IssuerConfig) -> VerifiedToken:
    """Read verified claims. Raises `TokenNotAcceptedError` for a sender-constrained token (`cnf`)."""
    if "cnf" in claims:
        raise TokenNotAcceptedError("it is bound to a key, which a bearer does not prove")
    names = human_names(claims, trust)
    human = names[0] if names else ""
    words = (*_words(claims.get("scope")), *_words(claims.get("scp")))
    client = str(claims.get("client_id") or claims.get("azp") or "")[:LONGEST]
    scopes = known_scopes(words)
    caller = Caller(
        human=human or str(claims["sub"])[:LONGEST],
        subject=str(claims["sub"])[:LONGEST],
        aliases=names[1:],
        groups=tuple(group[:LONGEST] for group in _words(claims.get("groups"))[:MAX_GROUPS]),
        scopes=scopes if human else scopes - {WRITE},
        reach=token_reach(TOOLSET_SCOPES[word] for word in words if word in TOOLSET_SCOPES),
        named_in=f"the claim {trust.slack_claim or trust.human_claim} of the access token",
        credential=fingerprint(trust.issuer, str(claims["sub"]), client, *sorted(words)),  # the same after a renewal
    )
    return VerifiedToken(caller, client)


def human_names(claims: Mapping[str, Any], trust: IssuerConfig) -> tuple[str, ...]:
    """Return the names of the human behind a token, none where nothing proven names a human.

    A subject is never read as a Slack id: its format is the issuer's choice.
    """
    ident = _read_name(claims.get(trust.slack_claim), slack_name) if trust.slack_claim else ""
    email = _read_name(claims.get(trust.human_claim), normal_email) if _is_proven(claims, trust.human_claim) else ""
    return tuple(name for name in (email, ident) if name)


def _is_proven(claims: Mapping[str, Any], claim: str) -> bool:
    """Return whether the address in a claim is verified: by `email_verified`, or by configuration."""
    verified = claims.get("email_verified")
    return verified is True or (claim != "email" and verified is None)


def _read_name(value: object, normal: Callable[[str], str]) -> str:
    try:
        return normal(value) if isinstance(value, str) else ""
    except ValueError:
        return ""


def _words(value: object) -> tuple[str, ...]:
    if isinstance(value, str):
        return tuple(value.split())
    return tuple(word for word in value if isinstance(word, str)) if isinstance(value, list) else ()
