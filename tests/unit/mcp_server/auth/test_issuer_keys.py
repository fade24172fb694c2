"""An issuer's keys: when they are read again, from where, and which of them verify."""

from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from jwt.algorithms import RSAAlgorithm

from tests.fakes.clock import FakeClock
from tests.fakes.network.issuer import signer
from vpsops.mcp_server.auth.issuer import KeysUnavailableError, check_address
from vpsops.mcp_server.auth.jwks import IssuerKeys, usable_key


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
