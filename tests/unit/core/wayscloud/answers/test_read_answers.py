"""Answers to reads that cannot be trusted: empty, not JSON, packed, too long, broken off."""

import gzip
import json
import threading
import zlib
from dataclasses import replace
from typing import Any

import anyio
import pytest

from tests.fakes.provider import (
    BOUND,
    QUICK,
    SERVER,
    SERVER_ID,
    Provider,
    Reply,
    answers,
    raw,
    wire,
)
from vpsops.core.wayscloud.answers.errors import (
    MalformedAnswerError,
    NotSentError,
    ProviderRefusedError,
    UnreachableError,
)
from vpsops.core.wayscloud.answers.models import JSON
from vpsops.core.wayscloud.requests import endpoints
from vpsops.core.wayscloud.requests.connection import QUESTIONS

GET = f"/v1/vps/{SERVER_ID}"


async def test_an_empty_answer_to_a_read_is_malformed() -> None:
    """Nothing is not an account without servers, and not a state."""
    provider = Provider().on("GET", "/v1/vps", Reply(200)).on("GET", GET, Reply(204))
    async with provider.client() as client:
        for ask in (client.list_servers, lambda: client.get_server(SERVER_ID)):
            with pytest.raises(MalformedAnswerError, match="empty"):
                await ask()


@pytest.mark.parametrize("body", ["<html>login</html>", "{", b"\xff\xfe\x00", "[" * 100_000, '{"a": -}', '{"a": 1e}'])
async def test_what_is_not_json_is_malformed(body: str | bytes) -> None:
    """A page, half an object, wrong bytes and bottomless nesting are refused."""
    provider = Provider().on("GET", GET, Reply(200, body))
    async with provider.client() as client:
        with pytest.raises(MalformedAnswerError, match="not JSON"):
            await client.get_server(SERVER_ID)


async def test_a_missing_field_is_named() -> None:
    """A server without an id is an error that names the field."""
    provider = Provider().on("GET", GET, Reply(200, {"hostname": "web01"}))
    async with provider.client() as client:
        with pytest.raises(MalformedAnswerError, match="lacks 'id'"):
            await client.get_server(SERVER_ID)


async def test_a_good_code_with_a_failure_inside_is_refused() -> None:
    """`ok: false` in a 200 is a no, with its reason."""
    provider = Provider().on("GET", GET, Reply(200, {"ok": False, "error": "suspended"}))
    async with provider.client() as client:
        with pytest.raises(ProviderRefusedError, match="suspended"):
            await client.get_server(SERVER_ID)


def packed(encoding: str, content: bytes) -> bytes:
    """Return the content, packed."""
    return gzip.compress(content) if encoding == "gzip" else zlib.compress(content)


@pytest.mark.parametrize("encoding", ["gzip", "deflate"])
async def test_packed_answers_are_unpacked(encoding: str) -> None:
    """Both packings that the web uses are understood."""
    body = packed(encoding, json.dumps(SERVER).encode())
    provider = Provider().on("GET", GET, Reply(200, body, {"Content-Encoding": encoding}))
    async with provider.client() as client:
        assert (await client.get_server(SERVER_ID)).id == SERVER_ID


@pytest.mark.parametrize(
    ("body", "encoding", "reason"),
    [
        (gzip.compress(b" " * 50_000_000), "gzip", "larger"),
        (b"junk", "gzip", "packed wrongly"),
        (b"junk", "br", "packed in a way"),
    ],
)
async def test_packing_cannot_get_around_the_bound(body: bytes, encoding: str, reason: str) -> None:
    """A small answer that unpacks to a huge one, or to nothing, is malformed."""
    provider = Provider().on("GET", GET, Reply(200, body, {"Content-Encoding": encoding}))
    async with provider.client() as client:
        with pytest.raises(MalformedAnswerError, match=reason):
            await client.get_server(SERVER_ID)


async def test_ten_thousand_full_servers_fit() -> None:
    """A fleet of 10,000 with every field that any source names passes under the default bound."""
    full: dict[str, Any] = {
        **SERVER,
        **dict.fromkeys(("display_name", "plan_code", "plan_name", "os_template", "provider_vm_id"), "x" * 48),
        **dict.fromkeys(("ipv4_address", "ipv6_address"), "2a01:4f9:c010:1234:aaaa:bbbb:cccc:dddd"),
        **dict.fromkeys(("created_at", "provisioned_at"), "2026-09-16T12:00:00.000000+00:00"),
        **dict.fromkeys(("vcpu", "ram_mb", "disk_gb", "monthly_price"), 131072.25),
        **dict.fromkeys(("currency", "region", "status"), "provisioning"),
    }
    fleet = {"instances": [{**full, "id": f"{SERVER_ID[:-5]}{n:05}"} for n in range(10_000)], "total": 10_000}
    provider = Provider().on("GET", "/v1/vps", Reply(200, fleet))
    async with provider.client(replace(QUICK, attempt_seconds=BOUND)) as client:
        servers = await client.list_servers()
    assert len(servers) == 10_000
    assert servers.complete


async def test_an_oversized_answer_is_not_read_to_its_end() -> None:
    """A body beyond the bound is given up in the middle, and not asked for again."""
    body = b'["' + b"x" * 300_000 + b'"]'
    endless = answers(raw("200 OK", body, length=10**12))
    async with wire(endless) as server, server.client(replace(QUICK, max_body_bytes=100_000)) as client:
        with anyio.fail_after(BOUND), pytest.raises(MalformedAnswerError, match="larger than 100000 bytes"):
            await client.get_server(SERVER_ID)
    assert len(server.received) == 1


async def test_a_broken_transfer_is_repeated() -> None:
    """An answer that stops in the middle, or never starts, is asked for again."""
    whole = raw("200 OK", json.dumps(SERVER).encode(), "Connection: close")
    half = raw("200 OK", b'{"id": ', "Connection: close", length=500)
    async with wire(answers(half, b"", whole)) as server, server.client() as client:
        assert (await client.get_server(SERVER_ID)).id == SERVER_ID
    assert len(server.received) == 3


@pytest.mark.parametrize(
    "fault", [b"", raw("200 OK", b"{", "Connection: close", length=99), b"HTTP/1.1 nonsense\r\n\r\n"]
)
async def test_a_transfer_that_stays_broken_is_unreachable(fault: bytes) -> None:
    """A dropped connection, half a body and bytes that are not HTTP end as UnreachableError, after three attempts."""
    async with wire(answers(fault)) as server, server.client() as client:
        with pytest.raises(UnreachableError) as caught:
            await client.get_server(SERVER_ID)
    assert not isinstance(caught.value, NotSentError)
    assert len(server.received) == 3


async def test_a_long_list_is_read_while_others_go_on() -> None:
    """Thousands of servers are read on a thread: a loop that others need to be acknowledged on keeps turning."""
    fleet = [{**SERVER, "id": f"{number:08d}-0000-4000-8000-000000000000"} for number in range(3000)]
    provider = Provider().on("GET", "/v1/vps", Reply(200, {"instances": fleet, "total": len(fleet)}))
    threads: set[int] = set()

    def parse(value: JSON) -> int:
        threads.add(threading.get_ident())
        return len(str(value))

    async with provider.client() as client:
        assert len(await client.list_servers()) == len(fleet)
        await client._connection.read(endpoints.SERVERS, parse, QUESTIONS)
    assert threads
    assert threading.get_ident() not in threads


async def test_a_long_list_that_is_none_is_told_as_such() -> None:
    """A fault in a long answer is reported as in a short answer."""
    provider = Provider().on("GET", "/v1/vps", Reply(200, b"[" + b" " * 300_000))
    async with provider.client() as client:
        with pytest.raises(MalformedAnswerError):
            await client.list_servers()
