"""Redirects and failures: which are followed, with what, and what had been sent, by status and kind of request."""

import gzip
from collections.abc import AsyncGenerator, Callable

import httpx
import pytest

from tests.fakes.clock import FakeClock
from tests.fakes.provider import BASE, KEY, QUICK, SERVER_ID, Provider, Reply
from vpsops.core.common.errors import ConfigurationError, InvalidInputError
from vpsops.core.common.timings import TransportSettings
from vpsops.core.wayscloud.answers.errors import (
    NotSentError,
    OutcomeUnknownError,
    UnreachableError,
    UntrustedRedirectError,
)
from vpsops.core.wayscloud.answers.models import NewServer
from vpsops.core.wayscloud.answers.validate import validate_hostname, validate_id
from vpsops.core.wayscloud.client import Wayscloud
from vpsops.core.wayscloud.requests.connection import ProviderConnection
from vpsops.core.wayscloud.requests.credentials import Credentials
from vpsops.core.wayscloud.requests.response_body import Body, read_body
from vpsops.core.wayscloud.requests.transport import ProviderResponse, Transport

NEW = NewServer(hostname="new.example.com", plan="vps-2gb", region="oslo", os_template="debian-12")
CREATED = {"id": SERVER_ID, "hostname": "new.example.com", "status": "provisioning"}


@pytest.mark.parametrize("status", [301, 302, 307, 308])
@pytest.mark.parametrize(
    "location", ["/v1/vps/", "https://provider.test/v1/vps/", "http://api-7.internal:8000/v1/vps/"]
)
@pytest.mark.requirement("key-stays-at-its-origin")
async def test_a_write_follows_no_redirect_and_learns_from_it(status: int, location: str) -> None:
    """The form that redirects is not served: the sender may send again, and that goes to the other form, here."""
    provider = Provider().on("POST", "/v1/vps", Reply(status, headers={"Location": location}))
    provider.on("POST", "/v1/vps/", Reply(201, CREATED))
    async with provider.client() as client:
        with pytest.raises(UntrustedRedirectError, match="other form of its own path") as caught:
            await client.create_server(NEW)
        assert caught.value.again
        assert provider.paths() == ["POST /v1/vps"]
        assert [(await client.create_server(NEW)).id for _ in range(2)] == [SERVER_ID] * 2
    assert provider.paths()[1:] == ["POST /v1/vps/"] * 2
    assert {item.headers["host"] for item in provider.received} == {"provider.test"}


@pytest.mark.parametrize("status", [301, 302, 307, 308])
@pytest.mark.requirement("writes-leave-once")
async def test_a_redirect_between_both_forms_or_to_itself_leaves_the_outcome_unknown(status: int) -> None:
    """Such an answer proves nothing about the effect, and nothing is sent again for it."""
    provider = Provider().on("POST", "/v1/vps", Reply(status, headers={"Location": "/v1/vps/"}))
    provider.on("POST", "/v1/vps/", Reply(status, headers={"Location": "/v1/vps"}))
    stop = f"/v1/vps/{SERVER_ID}/stop"
    provider.on("POST", stop, Reply(status, headers={"Location": stop}))
    async with provider.client() as client:
        with pytest.raises(UntrustedRedirectError):
            await client.create_server(NEW)
        with pytest.raises(OutcomeUnknownError):
            await client.create_server(NEW)
        with pytest.raises(OutcomeUnknownError):
            await client.stop_server(SERVER_ID)
    assert provider.paths() == ["POST /v1/vps", "POST /v1/vps/", f"POST {stop}"]


ELSEWHERE = [
    "https://provider.test/v1/vps/",
    "http://provider.test:81/v1/vps/",
    "http://other.test/v1/vps/",
    "http://provider.test.other.test/v1/vps/",
    "//other.test/v1/vps/",
    "http://user:word@provider.test/v1/vps/",
    "http://provider.test@other.test/",
]


@pytest.mark.parametrize("location", [*ELSEWHERE, ""])
@pytest.mark.parametrize("method", ["GET", "POST"])
@pytest.mark.requirement("key-stays-at-its-origin")
async def test_the_key_goes_to_no_other_scheme_host_or_port(location: str, method: str) -> None:
    """Of reads and writes; a read may ask for the other slash form, here."""
    provider = Provider().on(method, "/v1/vps", Reply(307, headers={"Location": location}))
    provider.on(method, "/v1/vps/", Reply(307, headers={"Location": location}))
    async with provider.client() as client:
        with pytest.raises(UntrustedRedirectError):
            await (client.list_servers() if method == "GET" else client.create_server(NEW))
    assert {item.headers.get("host") for item in provider.received} == {"provider.test"}
    assert len(provider.received) <= (2 if method == "GET" else 1)


class Broken(httpx.AsyncBaseTransport):
    """A connection that breaks, or worse, once a request is on it."""

    def __init__(self, error: Exception) -> None:
        self.error = error

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Raise it."""
        assert request.url.host == "provider.test"
        raise self.error


def broken(error: Exception) -> Wayscloud:
    return Wayscloud(
        ProviderConnection(
            Credentials(KEY), base_url=BASE, clock=FakeClock(), settings=QUICK, http_transport=Broken(error)
        )
    )


@pytest.mark.parametrize(
    "error", [httpx.ReadError("x"), httpx.ReadTimeout("x"), OSError("x"), RuntimeError("a bug"), ValueError("a bug")]
)
async def test_whatever_breaks_after_a_write_has_left_is_unclear(error: Exception) -> None:
    """This includes errors that are no fault of the network: they must not count as not sent."""
    async with broken(error) as client:
        with pytest.raises(OutcomeUnknownError):
            await client.create_server(NEW)


@pytest.mark.parametrize("error", [httpx.ConnectError("x"), httpx.ConnectTimeout("x"), httpx.PoolTimeout("x")])
async def test_what_never_had_a_connection_was_not_sent(error: Exception) -> None:
    """A request without a connection is reported as not sent."""
    async with broken(error) as client:
        with pytest.raises(NotSentError):
            await client.create_server(NEW)


@pytest.mark.parametrize(("error", "raised"), [(RuntimeError("a bug"), RuntimeError), (OSError("x"), UnreachableError)])
async def test_a_bug_in_a_read_is_a_bug(error: Exception, raised: type[Exception]) -> None:
    """Nothing was altered, so nothing has to be checked."""
    async with broken(error) as client:
        with pytest.raises(raised):
            await client.list_servers()


def made(url: str) -> Transport:
    return Transport(Credentials(KEY), base_url=url, settings=TransportSettings(), http_transport=None)


@pytest.mark.parametrize(
    ("url", "fits"),
    [
        (" http://127.0.0.1:9 ", True),
        ("http://localhost", True),
        ("http://[::1]:9/base", True),
        ("http://provider.test", False),
        ("http://127.0.0.1.provider.test", False),
        ("ftp://localhost", False),
        ("http://user@localhost", False),
        ("http://localhost/?key=1", False),
        ("http://localhost/#x", False),
        ("http://", False),
        ("localhost", False),
        ("", False),
    ],
)
def test_where_the_key_may_go_at_all(url: str, *, fits: bool) -> None:
    """Over https, or in the clear to this machine; blanks around an address are a slip."""
    make: Callable[[str], Transport] = made
    if fits:
        assert make(url)._base.host in {"127.0.0.1", "localhost", "::1"}
    else:
        with pytest.raises(ConfigurationError, match="WAYSCLOUD_API_URL"):
            make(url)


@pytest.mark.parametrize(("status", "fine"), [(199, False), (200, True), (299, True), (300, False)])
def test_any_2xx_is_a_yes(status: int, *, fine: bool) -> None:
    """Any 2xx, and no other status, is a success."""
    assert ProviderResponse(status, Body(), "/").ok is fine


def test_what_is_waited_for_and_read_is_bounded() -> None:
    """Written out: an unmeasured bound is a comment."""
    bounds = TransportSettings()
    assert (bounds.connect_seconds, bounds.read_seconds, bounds.write_seconds) == (5.0, 20.0, 10.0)
    assert (bounds.attempts, bounds.max_redirects, bounds.max_body_bytes) == (3, 3, 8_388_608)
    assert (bounds.change_seconds, bounds.total_seconds, bounds.retry_after_cap) == (60.0, 75.0, 20.0)


async def chunks(*parts: bytes) -> AsyncGenerator[bytes]:
    """Give a body in parts."""
    for part in parts:
        yield part


@pytest.mark.parametrize("encoding", ["", " Identity "])
@pytest.mark.parametrize(("size", "whole"), [(0, True), (9, True), (10, True), (11, False), (1000, False)])
async def test_a_body_has_so_many_bytes_at_most(size: int, encoding: str, *, whole: bool) -> None:
    """The bound itself fits, and one more does not."""
    body = await read_body(chunks(b"x" * size), {"content-encoding": encoding}, 10)
    assert (body.flaw == "", len(body.content)) == (whole, size if whole else 0)


@pytest.mark.parametrize("encoding", ["gzip", "X-GZIP "])
async def test_a_packed_body_comes_in_parts(encoding: str) -> None:
    """A packed body is not whole until its end."""
    packed = gzip.compress(b"words")
    whole = await read_body(chunks(packed[:4], packed[4:]), {"content-encoding": encoding}, 100)
    cut = await read_body(chunks(packed[:-9]), {"content-encoding": encoding}, 100)
    assert (whole.content, whole.flaw, cut.cut_short) == (b"words", "", True)


@pytest.mark.parametrize(("limit", "fits"), [(1000, True), (999, False)])
async def test_a_small_body_that_unpacks_to_a_large_one_is_cut(limit: int, *, fits: bool) -> None:
    """The bound is on the unpacked size."""
    body = await read_body(chunks(gzip.compress(b"x" * 1000)), {"content-encoding": "gzip"}, limit)
    assert (body.flaw == "") is fits


async def test_members_of_a_packed_body_are_read_one_after_the_other() -> None:
    """A proxy may append one; the bound is on all of them, in bytes and in number, and a cut one is no whole body."""

    async def read(packed: bytes, limit: int = 10) -> Body:
        return await read_body(chunks(packed), {"content-encoding": "gzip"}, max(limit, len(packed)))

    first, two = gzip.compress(b"one"), gzip.compress(b"two")
    assert (await read(first + two)).content == b"onetwo"
    assert (await read(first + two[:-5])).cut_short
    assert "wrongly" in (await read(first + b"junk")).flaw
    assert "wrongly" in (await read(gzip.compress(b"") * 1000)).flaw
    large = gzip.compress(b"x" * 100_000)
    assert "larger" in (await read(large * 3, 250_000)).flaw


@pytest.mark.parametrize("encoding", ["br", "zstd", "gzip, gzip"])
async def test_a_packing_that_was_not_asked_for_is_a_flaw(encoding: str) -> None:
    """Its content is not guessed."""
    assert "not asked for" in (await read_body(chunks(b"x"), {"content-encoding": encoding}, 10)).flaw


LABEL = "a" * 63


@pytest.mark.parametrize(
    ("check", "text", "fits"),
    [
        (validate_hostname, f"{LABEL}.{LABEL}.{LABEL}.{'b' * 61}", True),
        (validate_hostname, f"{LABEL}.{LABEL}.{LABEL}.{'b' * 62}", False),
        (validate_hostname, LABEL, True),
        (validate_hostname, f"{LABEL}a", False),
        (validate_id, "a" * 128, True),
        (validate_id, "a" * 129, False),
        (validate_id, "", False),
        (validate_id, ".", False),
    ],
)
def test_a_name_and_an_id_have_so_many_characters(check: Callable[[str], str], text: str, *, fits: bool) -> None:
    """253 for a name, 63 for a label, 128 for an id: the bound fits, and one more does not."""
    if fits:
        assert check(text) == text
    else:
        with pytest.raises(InvalidInputError):
            check(text)
