"""Token edge cases: seconds of leeway, sizes, session owners, and each word of each set, without a socket."""

from dataclasses import replace
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

import httpx
import jwt
import pytest

from tests.fakes.network.issuer import FakeIssuer, signer
from vpsops.core.limits.access import AccessScope, Restriction
from vpsops.mcp_server.auth.issuer import IssuerConfig, TokenNotAcceptedError, VerifiedToken
from vpsops.mcp_server.auth.jwt_verifier import JwtVerifier, human_names, read_header, verified_token_from
from vpsops.mcp_server.auth.middleware import AuthConfig, CallerToken, LoopbackOnlyMiddleware, Verifier
from vpsops.mcp_server.auth.principal import Caller, agent_from, known_scopes, principal_of, token_reach
from vpsops.mcp_server.auth.scope_challenge import called_name

AUDIENCE = "https://vpsops.example.com/mcp"
ISSUER = FakeIssuer("https://issuer.example.com")
TRUST = IssuerConfig(ISSUER.url, AUDIENCE, "email")


class OneKey:
    """An issuer's keys, read already."""

    async def find(self, _kid: str | None, _algorithm: str) -> jwt.PyJWK:
        """Return the only value."""
        return jwt.PyJWK(signer("ES256").described, "ES256")


def issuer() -> JwtVerifier:
    keys: Any = OneKey()
    return JwtVerifier(TRUST, keys)


def now() -> int:
    """Return the time as PyJWT takes it."""
    return int(datetime.now(UTC).timestamp())  # noqa: TID251 - it asks the machine's own clock


@pytest.mark.parametrize(
    ("claim", "seconds", "accepted"),
    [
        ("exp", -25, True),
        ("exp", -35, False),
        ("exp", -2900, False),
        ("nbf", 25, True),
        ("nbf", 35, False),
        ("iat", 25, True),
        ("iat", 2900, False),
    ],
)
async def test_the_clocks_may_be_half_a_minute_apart(claim: str, seconds: int, *, accepted: bool) -> None:
    """Either way, and no longer."""
    claims: dict[str, Any] = {claim: now() + seconds}
    token = ISSUER.token(AUDIENCE, **claims)
    if accepted:
        assert (await issuer().grant_of(token)).caller.human == "ann@example.com"
    else:
        with pytest.raises(TokenNotAcceptedError):
            await issuer().grant_of(token)


@pytest.mark.parametrize(
    ("claims", "why"),
    [
        ({"exp": None}, "lacks a required claim"),
        ({"iss": None}, "lacks a required claim"),
        ({"sub": None}, "lacks a required claim"),
        ({"aud": None}, "lacks a required claim"),
        ({"iss": "https://other.example.com"}, "another issuer's"),
        ({"aud": "https://other.example.com/mcp"}, "another audience"),
        ({"cnf": {"jkt": "x"}}, "bound to a key"),
    ],
)
async def test_what_a_token_must_say(claims: dict[str, Any], why: str) -> None:
    """Each claim by itself: absent is not any."""
    with pytest.raises(TokenNotAcceptedError) as refused:
        await issuer().grant_of(ISSUER.token(AUDIENCE, **claims))
    assert why in refused.value.why


@pytest.mark.parametrize("kind", ["JWT", "jwt", "at+jwt", "AT+JWT", "application/at+jwt"])
def test_an_access_token_may_call_itself_so(kind: str) -> None:
    """In any case."""
    assert read_header(ISSUER.token(AUDIENCE, header={"typ": kind}))["alg"] == "ES256"


@pytest.mark.parametrize("header", [{"typ": "id+jwt"}, {"typ": "logout+jwt"}, {"typ": "dpop+jwt"}])
def test_another_kind_of_token_is_none(header: dict[str, str]) -> None:
    """An ID token is rejected, however signed."""
    with pytest.raises(TokenNotAcceptedError, match="no access token"):
        read_header(ISSUER.token(AUDIENCE, header=header))


@pytest.mark.parametrize("algorithm", ["HS256", "none", "RS512", "PS256"])
def test_algorithms_are_those_three(algorithm: str) -> None:
    """None that a public key could forge, and none that is not listed."""
    head = jwt.utils.base64url_encode(f'{{"alg":"{algorithm}","typ":"JWT"}}'.encode()).decode()
    with pytest.raises(TokenNotAcceptedError):
        read_header(f"{head}.e30.AAAA")


CLAIMS = {"sub": "auth|ann", "email": "ann@example.com", "email_verified": True}


@pytest.mark.parametrize(
    ("claims", "human"),
    [
        ({}, "ann@example.com"),
        ({"email_verified": True}, "ann@example.com"),
        ({"email_verified": False}, ""),
        ({"email_verified": "true"}, ""),
        ({"email_verified": None}, ""),
        ({"email": 7}, ""),
        ({"email": "ann"}, ""),
        ({"email": "U0ANN00"}, ""),
        ({"email": " Ann@Example.COM "}, "ann@example.com"),
    ],
)
def test_the_human_behind_a_token(claims: dict[str, Any], human: str) -> None:
    """Named by a verified address; a token without one cannot change anything."""
    claims_text = CLAIMS | claims
    assert human_names(claims_text, TRUST) == ((human,) if human else ())
    grant = verified_token_from(claims_text | {"scope": "vps:write"}, TRUST)
    assert grant.caller.may_change is (human != "")
    assert grant.caller.human == (human or "auth|ann")


def test_an_unverified_mark_is_about_the_address_alone() -> None:
    """Another claim may name the human all the same."""
    trust = replace(TRUST, slack_claim="slack")
    assert human_names({"slack": "U0ANN00", "email_verified": False}, trust) == ("slack:U0ANN00",)


@pytest.mark.parametrize(
    ("payload", "scopes", "toolsets"),
    [
        ({"scope": "vps:read"}, {"vps:read"}, ""),
        ({"scope": "vps:write"}, {"vps:read", "vps:write"}, ""),
        ({"scp": ["vps:read", 7]}, {"vps:read"}, ""),
        ({"scope": "openid", "scp": "vps:read"}, {"vps:read"}, ""),
        ({"scope": "vps:read vps:servers"}, {"vps:read"}, "servers"),
        ({"scope": "vps:read", "scp": ["vps:changes", "vps:catalogue"]}, {"vps:read"}, "catalogue, changes"),
        ({"scope": {"vps:write": 1}}, set(), ""),
        ({}, set(), ""),
    ],
)
def test_what_a_token_grants(payload: dict[str, Any], scopes: set[str], toolsets: str) -> None:
    """By either claim, as words or a list; whatever else is there grants nothing."""
    caller = verified_token_from(CLAIMS | payload, TRUST).caller
    assert caller.scopes == scopes
    assert dict(item for reach in caller.reach.narrowings for item in reach.described()) == (
        {"toolsets": toolsets} if toolsets else {}
    )


def test_what_a_token_says_is_bounded() -> None:
    """Two hundred characters each, and a hundred groups."""
    long = "x" * 201
    claims = {"sub": long, "groups": [long] * 101, "client_id": long}
    grant = verified_token_from(claims, TRUST)
    assert (len(grant.caller.subject), len(grant.caller.human), len(grant.client)) == (200, 200, 200)
    assert (len(grant.caller.groups), {len(group) for group in grant.caller.groups}) == (100, {200})
    fits = verified_token_from({"sub": "x" * 200, "groups": ["g"] * 100, "azp": "host"}, TRUST)
    assert (len(fits.caller.subject), len(fits.caller.groups), fits.client) == (200, 100, "host")


def test_other_ids_of_the_same_human_are_kept_with_them() -> None:
    """The configured claim names a Slack id; a subject never does, whatever its form."""
    slack = replace(TRUST, slack_claim="slack")
    caller = verified_token_from(CLAIMS | {"sub": "W0ANN00", "slack": "U0ANN00"}, slack).caller
    assert (caller.human, caller.aliases) == ("ann@example.com", ("slack:U0ANN00",))
    same = verified_token_from(CLAIMS | {"sub": "ann@example.com"}, TRUST).caller
    assert (same.human, same.aliases) == ("ann@example.com", ())
    assert verified_token_from(CLAIMS | {"email_verified": False}, TRUST).caller.aliases == ()


ANN = Caller("ann@example.com", "ann", scopes=frozenset({"vps:read", "vps:write"}))


def client_of(caller: Caller, client: str = "host") -> str:
    """Return what the SDK binds a session to."""
    return str(CallerToken.of(VerifiedToken(caller, client), "https://issuer.example.com").client_id)


def test_a_session_is_of_one_client_human_scope_and_reach() -> None:
    """Another of any of these needs a session of its own: a list that was made for one is not shown to another."""
    web, db = (AccessScope((Restriction("t", servers=frozenset({name})),)) for name in ("web*", "db*"))
    others = (
        client_of(ANN),
        client_of(ANN, "other"),
        client_of(ANN, ""),
        client_of(replace(ANN, human="ben@example.com")),
        client_of(replace(ANN, scopes=frozenset({"vps:read"}))),
        client_of(replace(ANN, reach=web)),
        client_of(replace(ANN, reach=db)),
    )
    assert len(set(others)) == len(others)
    assert client_of(replace(ANN, reach=web)) == client_of(replace(ANN, reach=web))


def test_an_open_question_is_bound_to_who_was_asked() -> None:
    """By subject, human and client."""
    others = {
        principal_of("host", ANN),
        principal_of("other", ANN),
        principal_of("host", replace(ANN, subject="ben")),
        principal_of("host", replace(ANN, human="ben@example.com")),
    }
    assert len(others) == 4
    assert agent_from("ho:st", ANN).id == "mcp:ann:ho.st"
    assert agent_from("", replace(ANN, subject="")).id == "mcp:unnamed client"
    assert len(agent_from("x" * 61, ANN).name) == 60


@pytest.mark.parametrize(
    ("scopes", "known"),
    [
        ((), set()),
        (("vps:read",), {"vps:read"}),
        (("vps:write",), {"vps:read", "vps:write"}),
        (("admin", "vps:writes"), set()),
    ],
)
def test_who_may_change_may_read(scopes: tuple[str, ...], known: set[str]) -> None:
    """And words that we do not know grant nothing."""
    assert known_scopes(scopes) == known
    assert token_reach() == AccessScope()
    assert not replace(ANN, reach=AccessScope((Restriction("t", read_only=True),))).may_change


async def verdict(token: str, *, static: Any = None, trust: IssuerConfig | None = None) -> str:
    """Return the verification result of a token."""
    try:
        return (await Verifier(AuthConfig(static, trust), None).verify_token(token)).caller.human
    except TokenNotAcceptedError as refused:
        return refused.why


@pytest.mark.parametrize(("length", "known"), [(16_384, True), (16_385, False), (1_000_000, False)])
async def test_a_token_has_16384_characters_at_most(length: int, *, known: bool) -> None:
    """A longer one is not even hashed."""
    seen: list[int] = []
    static = SimpleNamespace(find=lambda token: seen.append(len(token)))
    text = await verdict("x" * length, static=static)
    assert (seen, text == "it cannot be read") == ([length] if known else [], not known)
    assert await verdict("t\u00f6ken", static=static) == "it cannot be read"


def test_a_token_is_needed_where_anything_is_configured_to_prove_who_calls() -> None:
    """Static tokens or an issuer require a token; without either none is required."""
    static: Any = object()
    assert [AuthConfig().required, AuthConfig(tokens=static).required, AuthConfig(trust=TRUST).required] == [
        False,
        True,
        True,
    ]


@pytest.mark.parametrize(
    ("body", "name"),
    [
        (b'{"method":"tools/call","params":{"name":"vps_stop"}}', "vps_stop"),
        (b'{"method":"tools/call","params":[]}', ""),
        (b'{"method":"tools/call"}', ""),
        (b'{"method":"tools/list"}', ""),
        (b'{"method":"tasks/cancel"}', "tasks/cancel"),
        (b'{"method":["tools/call"]}', ""),
        (b"[]", ""),
        (b"{", ""),
        (b"[" * 100_000, ""),
    ],
)
def test_what_a_message_calls(body: bytes, name: str) -> None:
    """A tool by its name, a task's method by itself, and nothing of a message that is no call."""
    assert called_name(body) == name


@pytest.mark.parametrize("header", ["X-Forwarded-For", "Via", "Forwarded", "X-Real-IP"])
async def test_what_came_through_a_proxy_is_told_what_to_set(header: str) -> None:
    """With a code for programs and a sentence for people."""

    async def behind(_scope: Any, _receive: Any, _send: Any) -> None:
        raise AssertionError

    async with httpx.AsyncClient(
        transport=httpx.ASGITransport(LoopbackOnlyMiddleware(behind)), base_url="http://mcp.test"
    ) as client:
        answer = await client.post("/mcp", headers={header: "x"})
    assert (answer.status_code, answer.json()["error"]) == (403, "access_denied")
    assert "VPSOPS_HTTP_TOKENS_FILE" in answer.json()["error_description"]
