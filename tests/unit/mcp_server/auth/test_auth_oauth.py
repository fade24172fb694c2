"""Access tokens of an authorization server: which are accepted, the caller they identify, and the client's answer."""

import hmac
import json
from base64 import urlsafe_b64encode
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import httpx
import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from jwt.algorithms import ECAlgorithm, RSAAlgorithm
from mcp.shared.exceptions import MCPError

from tests.fakes.clock import FakeClock
from tests.fakes.network.issuer import FakeIssuer, running_issuer, signer
from tests.unit.mcp_server.harness import Human, text
from tests.unit.mcp_server.http_harness import ANN_TOKEN, TOKENS, call, http_client, post, serving, with_tokens
from vpsops.core.app import Core
from vpsops.core.changes.scope import OPERATOR
from vpsops.core.config.settings import Settings
from vpsops.mcp_server.auth.issuer import IssuerConfig, KeysUnavailableError, TokenNotAcceptedError
from vpsops.mcp_server.auth.jwks import IssuerKeys, discovery_addresses
from vpsops.mcp_server.auth.jwt_verifier import JwtVerifier
from vpsops.mcp_server.http.app import McpHttp
from vpsops.mcp_server.http.config import HttpConfig
from vpsops.mcp_server.server import ServerOptions
from vpsops.playground.wayscloud.serve import SimulatorHandle

AUDIENCE = "https://vpsops.example.com/mcp"
ALL = ServerOptions(change_tools=True)
OTHER = "https://other.example.com/mcp"


@pytest.fixture
async def issuer() -> AsyncIterator[FakeIssuer]:
    async with running_issuer() as running:
        yield running


@pytest.fixture
def trusting(settings: Settings, issuer: FakeIssuer) -> Settings:
    return settings.model_copy(update={"oauth_issuer": issuer.url, "http_url": AUDIENCE})


@pytest.fixture
async def served(core: Core, trusting: Settings) -> AsyncIterator[tuple[HttpConfig, McpHttp]]:
    async with serving(core, trusting, ALL) as running:
        yield running


@pytest.fixture
async def verifying(issuer: FakeIssuer) -> AsyncIterator[tuple[JwtVerifier, FakeClock]]:
    """A verifier without a server, with a fixed clock."""
    clock = FakeClock()
    async with aiohttp.ClientSession() as session:
        trust = IssuerConfig(issuer.url, AUDIENCE, "email")
        yield JwtVerifier(trust, IssuerKeys(issuer.url, session, clock)), clock


async def test_the_metadata_tells_who_issues_tokens(served: tuple[HttpConfig, McpHttp], issuer: FakeIssuer) -> None:
    """RFC 9728: the resource by its public address, the issuer letter by letter, the scopes; for any page to read."""
    async with httpx.AsyncClient(trust_env=False) as client:
        path = "/.well-known/oauth-protected-resource/mcp"
        answer = await client.get(served[0].local.removesuffix("/mcp") + path, headers={"Origin": "https://x.example"})
    assert answer.status_code == 200
    assert answer.json()["resource"] == AUDIENCE
    assert answer.json()["authorization_servers"] == [issuer.url]
    assert answer.json()["scopes_supported"] == ["vps:read", "vps:write"]
    assert answer.json()["bearer_methods_supported"] == ["header"]


@pytest.mark.parametrize("algorithm", ["RS256", "ES256", "EdDSA"])
async def test_a_token_tells_who_calls(
    core: Core,
    served: tuple[HttpConfig, McpHttp],
    issuer: FakeIssuer,
    provider: SimulatorHandle,
    era: str,
    algorithm: str,
) -> None:
    """A change is recorded as the client's for the human of the token, by each accepted algorithm, in both eras."""
    issuer.signers[:] = [signer(algorithm)]
    token = issuer.token(AUDIENCE, groups=["ops", "oncall"])
    async with http_client(served[0].local, era, token, Human(), "laptop") as client:
        result = await client.call_tool("vps_stop", {"server": "web01"})
    assert not result.is_error, text(result)
    (change,) = await core.changes.list(scope=OPERATOR)
    actor = change.actor
    assert (actor.id, actor.human, actor.groups) == ("mcp:auth|ann:laptop", "ann@example.com", ("ops", "oncall"))
    assert dict(provider.simulator.world.counts) == {"stop": 1}


async def test_a_reader_is_asked_for_more_when_it_needs_more(
    core: Core, served: tuple[HttpConfig, McpHttp], issuer: FakeIssuer
) -> None:
    """A change called with a reader's token is 403 with the scopes it takes, in both eras; the list holds none."""
    token = issuer.token(AUDIENCE, scope="vps:read")
    url = served[0].local
    listed = await post(url, call("tools/list"), token)
    assert "vps_stop" not in {tool["name"] for tool in listed.json()["result"]["tools"]}
    new = await post(url, call("tools/call", name="vps_stop", arguments={"server": "web01"}), token)
    async with http_client(url, "legacy", token) as client:
        assert "web01" in text(await client.call_tool("vps_list", {}))
        with pytest.raises(MCPError):
            await client.call_tool("vps_stop", {"server": "web01"})
    challenge = new.headers["www-authenticate"]
    assert new.status_code == 403
    assert 'error="insufficient_scope"' in challenge
    assert 'scope="vps:read vps:write"' in challenge
    assert 'resource_metadata="https://vpsops.example.com/.well-known/oauth-protected-resource/mcp"' in challenge
    assert await core.changes.list(scope=OPERATOR) == []


@pytest.mark.parametrize(
    ("claims", "scopes"),
    [
        ({"scope": "openid vps:write"}, {"vps:read", "vps:write"}),
        ({"scope": None, "scp": ["vps:read"]}, {"vps:read"}),
        ({"scope": None, "scp": "vps:read vps:write"}, {"vps:read", "vps:write"}),
        ({"email": None}, {"vps:read"}),
        ({"email": "ann"}, {"vps:read"}),
        ({"email_verified": False}, {"vps:read"}),
        ({"email_verified": "false"}, {"vps:read"}),
        ({"email_verified": None}, {"vps:read"}),
        ({"email_verified": True}, {"vps:read", "vps:write"}),
        ({"scope": "vps:reader vps:writer"}, set()),
        ({"scope": None}, set()),
        ({"scope": 7, "scp": {"vps:write": True}}, set()),
    ],
)
async def test_scopes_and_a_known_human_say_what_is_granted(
    verifying: tuple[JwtVerifier, FakeClock], issuer: FakeIssuer, claims: dict[str, Any], scopes: set[str]
) -> None:
    """Scopes are read as OAuth and its dialects have them; without an identifiable human, none to change."""
    grant = await verifying[0].grant_of(issuer.token(AUDIENCE, **claims))
    assert grant.caller.scopes == scopes


async def test_a_token_without_our_scopes_may_nothing(served: tuple[HttpConfig, McpHttp], issuer: FakeIssuer) -> None:
    """A valid token for something else entirely is 403, not 401."""
    answer = await post(served[0].local, call("tools/list"), issuer.token(AUDIENCE, scope="mail"))
    assert answer.status_code == 403
    assert 'scope="vps:read"' in answer.headers["www-authenticate"]


@pytest.mark.parametrize(
    ("claims", "why"),
    [
        ({"exp": 1_600_000_000}, "expired"),
        ({"exp": None}, "lacks a required claim"),
        ({"aud": OTHER}, "another audience"),
        ({"aud": [OTHER]}, "another audience"),
        ({"aud": None}, "lacks a required claim"),
        ({"iss": "https://evil.example.com"}, "another issuer"),
        ({"iss": None}, "lacks a required claim"),
        ({"sub": None}, "lacks a required claim"),
        ({"nbf": 4_000_000_000}, "not valid yet"),
        ({"iat": 4_000_000_000}, "not valid yet"),
        ({"cnf": {"jkt": "x"}}, "bound to a key"),
        ({"exp": "soon"}, "cannot be read"),
    ],
)
async def test_a_token_for_others_or_another_time_is_refused(
    verifying: tuple[JwtVerifier, FakeClock], issuer: FakeIssuer, claims: dict[str, Any], why: str
) -> None:
    """The reason is in our own words."""
    with pytest.raises(TokenNotAcceptedError, match=why):
        await verifying[0].grant_of(issuer.token(AUDIENCE, **claims))


async def test_a_refusal_says_where_to_get_a_better_token(
    served: tuple[HttpConfig, McpHttp], issuer: FakeIssuer
) -> None:
    """Without a token, with an expired and with a foreign one, 401 points to the metadata by its public address."""
    metadata = 'resource_metadata="https://vpsops.example.com/.well-known/oauth-protected-resource/mcp"'
    claims = {
        "": "",
        issuer.token(AUDIENCE, exp=1_600_000_000): "it has expired",
        issuer.token(OTHER): "it is for another audience",
    }
    for token, why in claims.items():
        answer = await post(served[0].local, call("tools/list"), token)
        challenge = answer.headers["www-authenticate"]
        assert answer.status_code == 401
        assert metadata in challenge
        assert ('error="invalid_token"' in challenge) is bool(token)
        assert why in challenge


def _parts(header: dict[str, Any], body: dict[str, Any], signature: bytes = b"") -> str:
    encoded = [json.dumps(header).encode(), json.dumps(body).encode(), signature]
    return ".".join(urlsafe_b64encode(item).decode().rstrip("=") for item in encoded)


async def test_a_forged_token_is_refused(verifying: tuple[JwtVerifier, FakeClock], issuer: FakeIssuer) -> None:
    """No signature, a signature by the public key as a secret, another key under a known name, other kinds of token."""
    rs, mine = signer("RS256"), signer("RS256", "mine")
    issuer.signers[:] = [rs]
    good = issuer.token(AUDIENCE)
    claims = jwt.decode(good, options={"verify_signature": False})
    pem = rs.private.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)

    unsigned = _parts({"alg": "HS256", "kid": "one"}, claims)
    signed = hmac.new(pem, unsigned.rpartition(".")[0].encode(), "sha256").digest()
    forged = {
        "none": _parts({"alg": "none", "kid": "one"}, claims),
        "None": _parts({"alg": "None", "kid": "one"}, claims),
        "empty": _parts({"alg": "RS256", "kid": "one"}, claims),
        "confused": _parts({"alg": "HS256", "kid": "one"}, claims, signed),
        "rs512": jwt.encode(claims, rs.private, "RS512", headers={"kid": "one"}),
        "ps256": jwt.encode(claims, rs.private, "PS256", headers={"kid": "one"}),
        "named": jwt.encode(claims, mine.private, "RS256", headers={"kid": "one"}),
        "unknown": jwt.encode(claims, mine.private, "RS256", headers={"kid": "mine"}),
        "another algorithm": jwt.encode(claims, signer("ES256").private, "ES256", headers={"kid": "one"}),
        "its own key": jwt.encode(claims, mine.private, "RS256", headers={"kid": "one", "jwk": mine.described}),
        "critical": jwt.encode(claims, rs.private, "RS256", headers={"kid": "one", "crit": ["x"], "x": 1}),
        "id token": issuer.token(AUDIENCE, header={"typ": "dpop+jwt"}),
        "tampered": good[:-8] + ("A" * 8 if not good.endswith("A" * 8) else "B" * 8),
        "half": good.rpartition(".")[0],
        "array": _parts({"alg": "RS256", "kid": "one"}, {}) + ".x",
        "deep": "e30." + "W" * 5_000 + ".x",
    }
    assert (await verifying[0].grant_of(good)).caller.human == "ann@example.com"
    accepted = []
    for name, token in forged.items():
        try:
            await verifying[0].grant_of(token)
            accepted.append(name)
        except TokenNotAcceptedError:
            pass
    assert accepted == []


@pytest.mark.filterwarnings("ignore:The RSA key is 1024 bits")
async def test_weak_and_foreign_keys_are_not_used(verifying: tuple[JwtVerifier, FakeClock], issuer: FakeIssuer) -> None:
    """A symmetric, a short, a private-use or another curve's key in the set verifies nothing, and breaks nothing."""
    short = rsa.generate_private_key(public_exponent=65537, key_size=1024)  # noqa: S505 - the weak key
    wide = ec.generate_private_key(ec.SECP384R1())
    issuer.extra_keys = [
        {"kty": "oct", "k": "c2VjcmV0", "kid": "oct", "alg": "HS256"},
        {**RSAAlgorithm.to_jwk(short.public_key(), as_dict=True), "kid": "short"},
        {**ECAlgorithm.to_jwk(wide.public_key(), as_dict=True), "kid": "wide"},
        {**signer("RS256").described, "kid": "enc", "use": "enc"},
        {"kty": "RSA", "n": "!", "e": "AQAB", "kid": "broken"},
        {"kty": "RSA"},
        "no key",  # type: ignore[list-item]
    ]
    assert (await verifying[0].grant_of(issuer.token(AUDIENCE))).client == "host-app"
    body = jwt.decode(issuer.token(AUDIENCE), options={"verify_signature": False})
    weak = jwt.encode(body, short, "RS256", headers={"kid": "short"})
    sealed = jwt.encode(body, signer("RS256").private, "RS256", headers={"kid": "enc"})
    for token in (weak, sealed):
        with pytest.raises(TokenNotAcceptedError):
            await verifying[0].grant_of(token)


async def test_keys_rotate(verifying: tuple[JwtVerifier, FakeClock], issuer: FakeIssuer) -> None:
    """A new key is fetched once; tokens with made-up keys cause no more than one reading in ten seconds."""
    verifier, clock = verifying
    old = issuer.token(AUDIENCE)
    await verifier.grant_of(old)
    await verifier.grant_of(old)
    assert issuer.reads == 1
    issuer.signers[:] = [signer("ES256", "two")]
    new = issuer.token(AUDIENCE)
    with pytest.raises(TokenNotAcceptedError, match="not the issuer's"):
        await verifier.grant_of(new)
    assert issuer.reads == 1
    clock.advance(11)
    await verifier.grant_of(new)
    assert issuer.reads == 2
    for _ in range(5):
        with pytest.raises(TokenNotAcceptedError):
            await verifier.grant_of(old)
    assert issuer.reads == 2
    clock.advance(601)
    await verifier.grant_of(new)
    assert issuer.reads == 3


async def test_known_keys_bridge_an_outage_of_the_issuer(
    verifying: tuple[JwtVerifier, FakeClock], issuer: FakeIssuer
) -> None:
    """During the issuer's absence its keys serve for a day, then no token can be verified."""
    verifier, clock = verifying
    token = issuer.token(AUDIENCE)
    await verifier.grant_of(token)
    issuer.down = True
    clock.advance(3_600)
    await verifier.grant_of(token)
    clock.advance(86_400)
    with pytest.raises(KeysUnavailableError):
        await verifier.grant_of(token)
    issuer.down = False
    with pytest.raises(KeysUnavailableError):
        await verifier.grant_of(token)
    clock.advance(11)
    await verifier.grant_of(token)


@pytest.mark.parametrize("fault", ["down", "other name", "too long", "no metadata"])
async def test_an_issuer_that_cannot_be_read_is_no_reason_to_drop_a_token(
    served: tuple[HttpConfig, McpHttp], issuer: FakeIssuer, fault: str
) -> None:
    """503 and when to come again, rather than 401, which would make a client throw its token away."""
    issuer.down = fault == "down"
    issuer.named = "https://evil.example.com" if fault == "other name" else ""
    issuer.padding = 300_000 if fault == "too long" else 0
    issuer.metadata = "/nowhere" if fault == "no metadata" else issuer.metadata
    answer = await post(served[0].local, call("tools/list"), issuer.token(AUDIENCE))
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "10")


@pytest.mark.parametrize("path", ["/.well-known/oauth-authorization-server", "/.well-known/openid-configuration"])
async def test_either_kind_of_metadata_will_do(
    served: tuple[HttpConfig, McpHttp], issuer: FakeIssuer, path: str
) -> None:
    """An OAuth server and an OpenID provider are both found."""
    issuer.metadata = path
    assert (await post(served[0].local, call("tools/list"), issuer.token(AUDIENCE))).status_code == 200


def test_an_issuer_with_a_path_is_looked_for_where_the_specification_says() -> None:
    """The path goes behind the well-known part, and before it as OpenID Connect has it."""
    assert discovery_addresses("https://id.example.com/tenant/") == [
        "https://id.example.com/.well-known/oauth-authorization-server/tenant",
        "https://id.example.com/.well-known/openid-configuration/tenant",
        "https://id.example.com/tenant/.well-known/openid-configuration",
    ]


async def test_static_tokens_and_an_issuer_go_together(
    core: Core, trusting: Settings, tmp_path: Any, issuer: FakeIssuer
) -> None:
    """Both kinds of token are accepted where both are configured."""
    async with serving(core, with_tokens(trusting, tmp_path, TOKENS)) as (site, _):
        statuses = [
            (await post(site.local, call("tools/list"), token)).status_code
            for token in (ANN_TOKEN, issuer.token(AUDIENCE), "x" * 40)
        ]
    assert statuses == [200, 200, 401]


async def test_an_audience_and_a_claim_may_be_named(core: Core, trusting: Settings, issuer: FakeIssuer) -> None:
    """Where an issuer has its own names for us and for people, these are taken instead."""
    named = trusting.model_copy(update={"oauth_audience": "api://vpsops", "oauth_slack_claim": "slack_id"})
    async with serving(core, named) as (site, _):
        token = issuer.token("api://vpsops", slack_id="U0ANN00")
        own = await post(site.local, call("tools/list"), token)
        old = await post(site.local, call("tools/list"), issuer.token(AUDIENCE))
        await post(site.local, call("tools/call", name="vps_stop", arguments={"server": "web01"}), token)
    assert (own.status_code, old.status_code) == (200, 401)
    assert len(own.json()["result"]["tools"]) == 15
    (change,) = await core.changes.list(scope=OPERATOR)
    assert (change.actor.human, change.actor.aliases) == ("ann@example.com", ("slack:U0ANN00",))


async def test_a_token_with_other_scopes_needs_its_own_session(
    served: tuple[HttpConfig, McpHttp], issuer: FakeIssuer
) -> None:
    """The list of a session never changes: a token that grants something else opens another session."""
    begin = {
        "jsonrpc": "2.0",
        "id": 1,
        "method": "initialize",
        "params": {"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": "raw", "version": "1"}},
    }
    headers = {"Accept": "application/json, text/event-stream"}
    async with httpx.AsyncClient(trust_env=False) as client:

        async def send(message: dict[str, Any], token: str, **more: str) -> httpx.Response:
            headers_text = {**headers, "Authorization": f"Bearer {token}", **more}
            return await client.post(served[0].local, json=message, headers=headers_text)

        session = (await send(begin, issuer.token(AUDIENCE))).headers["mcp-session-id"]
        listing = {"jsonrpc": "2.0", "id": 2, "method": "tools/list"}
        less = await send(listing, issuer.token(AUDIENCE, scope="vps:read"), **{"Mcp-Session-Id": session})
        renewed = await send(listing, issuer.token(AUDIENCE, jti="2"), **{"Mcp-Session-Id": session})
    assert (less.status_code, renewed.status_code) == (404, 200)
