"""Answers that hold something odd: the rest of them is read, and the provider's own words reach people."""

from typing import Any

import pytest

from core.errors import VpsopsError
from core.wayscloud.errors import MalformedAnswer, NotOffered, ProviderFault, Unreachable
from tests.fakes.provider import SERVER, Provider, Reply, wire

HTML = "<html><head><title>502 Bad Gateway</title><style>p {}</style></head><body><h1>502 Bad Gateway</h1><p>nginx</p>"


@pytest.mark.parametrize(
    ("text", "price"),
    [
        pytest.param("NaN", None, id="NaN"),
        pytest.param("-Infinity", None, id="infinite"),
        pytest.param("1e999", None, id="too large"),
        pytest.param("9" * 5000, None, id="5,000 digits"),
        pytest.param("99.5", 99.5, id="a number"),
    ],
)
async def test_one_odd_number_hides_no_fleet(text: str, price: float | None) -> None:
    """It is a fact that is not known, of one server."""
    body = f'{{"instances": [{{"id": "a", "hostname": "a", "status": "running", "monthly_price": {text}}}]}}'
    async with Provider().on("GET", "/v1/vps", Reply(200, body)).client() as client:
        (server,) = await client.list_servers()
    assert (server.id, server.monthly_price) == ("a", price)


async def test_half_a_character_can_be_written_down() -> None:
    """A lone surrogate in a name, a key or a value is replaced; a pair is the character that it means."""
    body = '{"instances": [{"id": "a", "hostname": "we\\ud83db", "status": "running", "x\\udc00": ["\\ud83d\\ude00"]}]}'
    async with Provider().on("GET", "/v1/vps", Reply(200, body)).client() as client:
        (server,) = await client.list_servers()
    assert server.hostname == "we?b"
    assert server.extra == {"x?": ["\U0001f600"]}


@pytest.mark.parametrize(
    ("status", "body", "words", "kind"),
    [
        pytest.param(
            200, {"detail": "Account suspended"}, "Account suspended", MalformedAnswer, id="200 with a detail"
        ),
        pytest.param(200, {"error": {"message": "No such tenant"}}, "No such tenant", MalformedAnswer, id="200, error"),
        pytest.param(200, HTML, "502 Bad Gateway. nginx", MalformedAnswer, id="200 in HTML"),
        pytest.param(502, HTML, "502 Bad Gateway. nginx", ProviderFault, id="502 in HTML"),
        pytest.param(500, {"detail": [{"loc": ["query", "x"], "msg": "bad"}]}, "x: bad", ProviderFault, id="a list"),
        pytest.param(500, {"detail": {"error": "node down"}}, "node down", ProviderFault, id="an object"),
        pytest.param(503, "Down for maintenance", "Down for maintenance", ProviderFault, id="text"),
    ],
)
async def test_the_providers_words_survive(status: int, body: Any, words: str, kind: type[VpsopsError]) -> None:
    """Whatever their shape, and without what draws a page."""
    async with Provider().on("GET", "/v1/vps", Reply(status, body)).client() as client:
        with pytest.raises(kind) as caught:
            await client.list_servers()
    assert words in caught.value.message
    assert "<" not in caught.value.message


@pytest.mark.requirement("errors-name-the-cause")
@pytest.mark.parametrize(
    "reply", [Reply(404, "not here"), Reply(405, {"detail": "no"}), Reply(404, {"detail": "Not Found"})]
)
async def test_a_service_without_servers_is_a_wrong_address(reply: Reply) -> None:
    """The likeliest slip gets the address and the variable."""
    provider = Provider().on("GET", "/v1/vps", reply).on("GET", "/v1/vps/", reply)
    async with provider.client() as client:
        with pytest.raises(NotOffered, match=r"no VPS API at http://provider\.test: ") as caught:
            await client.list_servers()
    assert caught.value.hint == "Check WAYSCLOUD_API_URL."


@pytest.mark.requirement("errors-name-the-cause")
async def test_who_cannot_be_reached_is_named() -> None:
    """Address and variable, where nobody listens."""
    async with wire(_never) as nobody:
        url = nobody.url
    nobody_there = nobody.client()
    async with nobody_there as client:
        with pytest.raises(Unreachable, match=f"{url} could not be reached") as caught:
            await client.list_servers()
    assert "WAYSCLOUD_API_URL" in caught.value.hint


async def _never(*_: Any) -> None:
    raise AssertionError(SERVER)
