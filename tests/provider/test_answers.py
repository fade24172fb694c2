"""Answers that hold something odd: the rest of them is read, and the provider's own words reach people."""

import gzip
from typing import Any

import pytest

from tests.fakes.provider import SERVER, Provider, Reply, wire
from vpsops.core.common.errors import VpsopsError
from vpsops.core.wayscloud.answers.errors import (
    MalformedAnswerError,
    NotOfferedError,
    OutcomeUnknownError,
    ProviderFaultError,
    RateLimitedError,
    UnreachableError,
)

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
    """An odd number is an unknown fact of one server."""
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
            200, {"detail": "Account suspended"}, "Account suspended", MalformedAnswerError, id="200 with a detail"
        ),
        pytest.param(
            200, {"error": {"message": "No such tenant"}}, "No such tenant", MalformedAnswerError, id="200, error"
        ),
        pytest.param(200, HTML, "502 Bad Gateway. nginx", MalformedAnswerError, id="200 in HTML"),
        pytest.param(502, HTML, "502 Bad Gateway. nginx", ProviderFaultError, id="502 in HTML"),
        pytest.param(
            500, {"detail": [{"loc": ["query", "x"], "msg": "bad"}]}, "x: bad", ProviderFaultError, id="a list"
        ),
        pytest.param(500, {"detail": {"error": "node down"}}, "node down", ProviderFaultError, id="an object"),
        pytest.param(503, "Down for maintenance", "Down for maintenance", ProviderFaultError, id="text"),
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
        with pytest.raises(NotOfferedError, match=r"no VPS API at http://provider\.test: ") as caught:
            await client.list_servers()
    assert caught.value.hint == "Check WAYSCLOUD_API_URL."


@pytest.mark.requirement("errors-name-the-cause")
async def test_who_cannot_be_reached_is_named() -> None:
    """Address and variable, where no server listens."""
    async with wire(_never) as closed:
        url = closed.url
    closed_client = closed.client()
    async with closed_client as client:
        with pytest.raises(UnreachableError, match=f"{url} could not be reached") as caught:
            await client.list_servers()
    assert "WAYSCLOUD_API_URL" in caught.value.hint


async def _never(*_: Any) -> None:
    raise AssertionError(SERVER)


@pytest.mark.parametrize(
    ("body", "taken"),
    [
        pytest.param({"success": True, "action": "start", "message": "VPS is starting"}, True, id="as documented"),
        pytest.param({"ok": True, "detail": "queued"}, True, id="ok with words"),
        pytest.param({"message": "VPS is stopping"}, True, id="a message"),
        pytest.param({"status": "stopping"}, True, id="a state"),
        pytest.param({}, True, id="an empty object"),
        pytest.param({"detail": "VPS is locked"}, False, id="a detail alone"),
        pytest.param({"error": "locked"}, False, id="an error"),
        pytest.param({"status": "error", "message": "locked"}, False, id="a status of failure"),
    ],
)
async def test_a_power_answer_that_speaks_of_an_error_was_not_accepted(body: Any, taken: bool) -> None:
    """Under a code that means success: the outcome is unknown, so it is queried, and the words are kept."""
    path = f"/v1/vps/{SERVER['id']}/stop"
    provider = Provider().on("POST", path, Reply(200, body))
    async with provider.client() as client:
        if taken:
            assert (await client.stop_server(SERVER["id"])).ok
            return
        with pytest.raises(OutcomeUnknownError, match=r"locked|it speaks of an error"):
            await client.stop_server(SERVER["id"])
    assert provider.paths() == [f"POST {path}"]


async def test_a_broken_list_of_regions_says_what_is_still_possible() -> None:
    """A route that takes its own name for a server's id answers 500."""
    reply = Reply(500, {"detail": "invalid input syntax for type uuid"})
    provider = Provider().on("GET", "/v1/vps/regions", reply).on("GET", "/v1/vps/regions/", reply)
    async with provider.client() as client:
        with pytest.raises(ProviderFaultError) as caught:
            await client.list_regions()
    assert "name the region" in caught.value.hint


async def test_gzip_in_several_members_is_read() -> None:
    """The gzip format allows several members."""
    content = b"".join(gzip.compress(part) for part in (b'{"instances": [], ', b'"total": 0}'))
    reply = Reply(200, content, {"content-encoding": "gzip"})
    async with Provider().on("GET", "/v1/vps", reply).client() as client:
        assert list(await client.list_servers()) == []


@pytest.mark.parametrize(
    ("wait", "date", "words"),
    [
        ("120", "", "It asks to wait 120 s."),
        ("251606464857", "", "It asks to wait longer than makes sense."),
        ("9" * 40, "", "It asks to wait longer than makes sense."),
        ("Mon, 04 Jan 2027 09:02:00 GMT", "Mon, 04 Jan 2027 09:00:00 GMT", "It asks to wait 120 s."),
        ("soon", "", "Wait a little"),
    ],
)
async def test_a_wish_to_wait_is_read_by_the_providers_clock(wait: str, date: str, words: str) -> None:
    """A date is relative to the answer's own date; an unreasonable one is reported as such."""
    headers = {"retry-after": wait} | ({"date": date} if date else {})
    reply = Reply(429, {"detail": "Too many requests"}, headers)
    async with Provider().on("GET", "/v1/vps", reply).client() as client:
        with pytest.raises(RateLimitedError) as caught:
            await client.list_servers()
    assert caught.value.hint.startswith(words)


@pytest.mark.parametrize("amount", [-5, -0.01, "-99"])
async def test_a_negative_price_or_size_is_not_known(amount: Any) -> None:
    """It would make room for others under a limit, so it is unknown; the raw value is kept."""
    plan = {"plan_code": "s", "price": amount, "currency": "NOK", "ram_gb": amount, "vcpus": -1}
    async with Provider().on("GET", "/v1/vps/plans/", Reply(200, [plan])).client() as client:
        (read,) = await client.list_plans()
    assert (read.monthly_price, read.memory_gb, read.vcpus) == (None, None, None)
    assert read.extra == {"price": amount, "ram_gb": amount, "vcpus": -1}
