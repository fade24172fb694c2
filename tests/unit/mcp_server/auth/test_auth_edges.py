"""Token edge cases: seconds of leeway, sizes, session owners, and each word of each set, without a socket."""

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import httpx
import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from jwt.algorithms import RSAAlgorithm

from tests.fakes.clock import FakeClock
from tests.fakes.issuer import FakeIssuer, signer
from vpsops.core.common.errors import ConfigurationError
from vpsops.core.limits.access import AccessScope, Restriction
from vpsops.mcp_server.auth.jwks import IssuerKeys, KeysUnavailableError, check_address, usable_key
from vpsops.mcp_server.auth.jwt_verifier import (
    IssuerConfig,
    JwtVerifier,
    TokenNotAcceptedError,
    VerifiedToken,
    human_names,
    read_header,
    verified_token_from,
)
from vpsops.mcp_server.auth.middleware import AuthConfig, CallerToken, LoopbackOnlyMiddleware, Verifier
from vpsops.mcp_server.auth.principal import Caller, agent_from, known_scopes, principal_of, token_reach
from vpsops.mcp_server.auth.scope_challenge import called_name
from vpsops.mcp_server.auth.static_tokens import StaticTokens, digest_of, read_tokens

AUDIENCE = "https://vpsops.example.com/mcp"
ISSUER = FakeIssuer("https://issuer.example.com")
TRUST = IssuerConfig(ISSUER.url, AUDIENCE, "email")
TOKEN = "ann-" + "a" * 40
ENTRY = (
    f'[[token]]\nsha256 = "{digest_of(TOKEN)}"\nsubject = "ann"\nhuman = "ann@example.com"\nscopes = ["vps:write"]\n'
)


class OneKey:
    """An issuer's keys, read already."""

    async def find(self, _kid: str | None, _algorithm: str) -> jwt.PyJWK:
        """Return the only one."""
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


def written(folder: Path, text: str) -> Path:
    path = folder / "tokens.toml"
    path.write_text(text, encoding="utf-8")
    path.chmod(0o600)
    return path


@pytest.mark.parametrize(("size", "fits"), [(1_000_000, True), (1_000_001, False), (1_500_000, False)])
def test_a_file_of_tokens_holds_a_million_bytes_at_most(tmp_path: Path, size: int, *, fits: bool) -> None:
    """A larger one is refused, and not read further."""
    path = written(tmp_path, ENTRY + "#" * (size - len(ENTRY)))
    if fits:
        assert len(read_tokens(path)) == 1
    else:
        with pytest.raises(ConfigurationError, match="over a megabyte"):
            read_tokens(path)


@pytest.mark.parametrize(
    ("entry", "why"),
    [
        (ENTRY.replace("sha256", "digest"), "digest"),
        (ENTRY + f'token = "{"t" * 32}"\n', "and not both"),
        (ENTRY.replace(digest_of(TOKEN), digest_of(TOKEN)[1:]), "sha256"),
        ('[[token]]\ntoken = "' + "t" * 31 + '"\nsubject = "a"\nhuman = "a@b.c"\nscopes = ["vps:read"]\n', "token"),
        (ENTRY.replace("ann@example.com", "ann"), "human is an e-mail"),
        (ENTRY.replace('["vps:write"]', "[]"), "scopes"),
        (ENTRY.replace("vps:write", "vps:admin"), "scopes"),
        (ENTRY.replace('"ann"', f'"{"a" * 201}"'), "subject"),
        (ENTRY.replace('"ann"', '"an n"'), "subject"),
        (ENTRY.replace('"ann"', '""'), "subject"),
        (ENTRY + ENTRY, "stands there twice"),
        (ENTRY + "[other]\n", "nothing else"),
        (ENTRY + "expires = 2030-01-01T00:00:00\n", "expires"),
        ("token = 1\n", r"\[\[token\]\] tables"),
        ("", "nothing else"),
    ],
)
def test_an_entry_that_is_not_right_is_refused_and_not_quoted(tmp_path: Path, entry: str, why: str) -> None:
    """The file and the place are named, and never a secret."""
    with pytest.raises(ConfigurationError, match=why) as refused:
        read_tokens(written(tmp_path, entry))
    assert digest_of(TOKEN)[1:] not in str(refused.value)
    assert "tttt" not in str(refused.value)


def test_a_token_is_accepted_until_the_second_it_expires(tmp_path: Path) -> None:
    """At that second it is over; one without an end continues."""
    clock = FakeClock()
    tokens = StaticTokens(written(tmp_path, ENTRY + "expires = 2027-01-04T09:01:00Z\n"), clock)
    clock.advance(59)
    assert tokens.find(TOKEN) is not None
    assert tokens.find(TOKEN.upper()) is None
    clock.advance(1)
    assert tokens.find(TOKEN) is None
    for_ever = StaticTokens(written(tmp_path, ENTRY), clock)
    clock.advance(9e6)
    assert for_ever.find(TOKEN) is not None


class Served(IssuerKeys):
    """Keys with counted reads that may fail."""

    def __init__(self, clock: FakeClock) -> None:
        session: Any = None
        super().__init__("https://issuer.example.com", session, clock)
        self.reads = 0
        self.failure: Exception | None = None

    async def _read(self) -> list[jwt.PyJWK]:
        self.reads += 1
        if self.failure is not None:
            raise self.failure
        return [jwt.PyJWK(signer("ES256").described, "ES256")]


async def test_keys_are_read_again_after_ten_minutes_and_serve_for_a_day() -> None:
    """During the issuer's absence the known keys serve, and after a day no token can be verified."""
    clock = FakeClock()
    keys = Served(clock)
    for seconds, reads in ((0, 1), (600, 1), (1, 2)):
        clock.advance(seconds)
        assert await keys.find("one", "ES256") is not None
        assert keys.reads == reads
    keys.failure = OSError("away")
    clock.advance(86_400)
    assert await keys.find("one", "ES256") is not None
    clock.advance(1)
    with pytest.raises(KeysUnavailableError):
        await keys.find("one", "ES256")


async def test_unknown_keys_are_asked_for_once_in_ten_seconds() -> None:
    """Whatever tokens arrive: the issuer is not flooded."""
    clock = FakeClock()
    keys = Served(clock)
    for seconds, reads in ((0, 1), (9.9, 1), (0.1, 2), (9.9, 2)):
        clock.advance(seconds)
        assert await keys.find("other", "ES256") is None
        assert keys.reads == reads
    assert await keys.find(None, "ES256") is not None
    assert await keys.find(None, "RS256") is None


@pytest.mark.parametrize(
    ("address", "fits"),
    [
        ("https://issuer.example.com/keys", True),
        ("http://localhost/keys", True),
        ("http://127.0.0.1:1/keys", True),
        ("http://[::1]/keys", True),
        ("http://issuer.example.com/keys", False),
        ("https://u:p@issuer.example.com/keys", False),
        ("https:///keys", False),
        ("ftp://localhost/keys", False),
    ],
)
def test_keys_are_read_over_https_or_from_this_machine(address: str, *, fits: bool) -> None:
    """And with no password in the address."""
    if fits:
        check_address(address)
    else:
        with pytest.raises(ValueError, match="it must"):
            check_address(address)


@pytest.mark.parametrize(
    ("other", "fits"),
    [
        ({}, True),
        ({"use": "enc"}, False),
        ({"alg": "RS256"}, False),
        ({"kty": "oct"}, False),
        ({"crv": "P-384"}, False),
    ],
)
def test_a_key_is_usable_for_what_it_says(other: dict[str, str], *, fits: bool) -> None:
    """For signing, by its own algorithm."""
    assert (usable_key(signer("ES256").described | other) is not None) is fits
    assert usable_key("key") is None


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


@pytest.mark.parametrize(("bits", "fits"), [(1024, False), (2048, True)])
def test_a_weak_key_signs_nothing(bits: int, *, fits: bool) -> None:
    """Two thousand and forty-eight bits for RSA; the other kinds have one size."""
    private = rsa.generate_private_key(public_exponent=65537, key_size=bits)
    described = {**RSAAlgorithm.to_jwk(private.public_key(), as_dict=True), "use": "sig", "alg": "RS256"}
    assert (usable_key(described) is not None) is fits
    assert usable_key(signer("EdDSA").described) is not None


@pytest.mark.parametrize(("error", "why"), [(OSError("secret"), "OSError"), (ValueError("it has none"), "it has none")])
async def test_keys_that_cannot_be_read_say_why_in_our_words(error: Exception, why: str) -> None:
    """A library's own text may hold anything, so only its kind is reported."""
    keys = Served(FakeClock())
    keys.failure = error
    with pytest.raises(KeysUnavailableError, match=why) as refused:
        await keys.count()
    assert "secret" not in str(refused.value)
    keys.failure = None
    assert await keys.count() == 1


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


@pytest.mark.parametrize(("count", "kept"), [(50, 50), (51, 50)])
async def test_an_issuer_has_fifty_keys_at_most(monkeypatch: pytest.MonkeyPatch, count: int, kept: int) -> None:
    """Keys beyond fifty are not read."""
    session: Any = None
    keys = IssuerKeys("https://issuer.example.com", session, FakeClock())

    async def get(_: IssuerKeys, address: str) -> dict[str, Any]:
        if address.endswith("/keys"):
            return {"keys": [signer("ES256").described] * count}
        return {"issuer": "https://issuer.example.com", "jwks_uri": "https://issuer.example.com/keys"}

    monkeypatch.setattr(IssuerKeys, "_get", get)
    assert await keys.count() == kept
