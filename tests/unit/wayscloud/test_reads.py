"""Reads: both slash forms, every error, patience with limits, and answers that cannot be trusted."""

import gzip
import json
import threading
import zlib
from dataclasses import replace
from datetime import timedelta
from email.utils import format_datetime
from typing import Any

import anyio
import pytest

from core.errors import ConfigurationError
from core.wayscloud import routes
from core.wayscloud.client import Wayscloud
from core.wayscloud.credentials import Credentials
from core.wayscloud.errors import (
    Conflict,
    InvalidRequest,
    MalformedAnswer,
    NotAuthenticated,
    NotFound,
    NotOffered,
    NotPermitted,
    NotSent,
    ProviderFault,
    RateLimited,
    Refused,
    Unreachable,
    UntrustedRedirect,
    WayscloudError,
    WrongShape,
)
from core.wayscloud.models import JSON
from tests.fakes.clock import FakeClock
from tests.fakes.provider import (
    BOUND,
    KEY,
    QUICK,
    SERVER,
    SERVER_ID,
    Provider,
    Reply,
    answers,
    raw,
    refused_port,
    silent,
    wire,
)
from tests.harness.waiting import eventually

LIST = Reply(200, {"instances": [SERVER], "total": 1})
PLANS = Reply(200, [{"plan_code": "vps-2gb"}])
GET = f"/v1/vps/{SERVER_ID}"


async def test_a_list_is_read_from_the_documented_path() -> None:
    """The documented path is asked first, with the key in its header, and it is enough."""
    provider = Provider().on("GET", "/v1/vps", LIST)
    async with provider.client() as client:
        servers = await client.list_servers()
    assert [server.hostname for server in servers] == ["web01.example.com"]
    assert provider.paths() == ["GET /v1/vps"]
    assert provider.received[0].headers["x-api-key"] == KEY
    assert "authorization" not in provider.received[0].headers


@pytest.mark.parametrize("status", [404, 405])
async def test_the_other_slash_form_is_found_and_remembered(status: int) -> None:
    """Where the documented form is missing the other one is tried, and asked first from then on."""
    provider = Provider().on("GET", "/v1/vps", Reply(status)).on("GET", "/v1/vps/", LIST)
    async with provider.client() as client:
        assert len(await client.list_servers()) == len(await client.list_servers()) == 1
    assert provider.paths() == ["GET /v1/vps", "GET /v1/vps/", "GET /v1/vps/"]


async def test_a_form_that_stops_working_is_given_up() -> None:
    """A remembered form is a habit, not a law: the provider may be upgraded under a running client."""
    provider = Provider().on("GET", "/v1/vps/", LIST, Reply(404)).on("GET", "/v1/vps", Reply(404), LIST)
    async with provider.client() as client:
        await client.list_servers()
        assert len(await client.list_servers()) == 1
    assert provider.paths() == ["GET /v1/vps", "GET /v1/vps/", "GET /v1/vps/", "GET /v1/vps"]


async def test_a_server_in_place_of_the_plans_is_not_taken_for_them() -> None:
    """A greedy `/v1/vps/{vps_id}` may answer for the plans with a server: the other form is tried."""
    provider = Provider().on("GET", "/v1/vps/plans/", Reply(200, SERVER)).on("GET", "/v1/vps/plans", PLANS)
    async with provider.client() as client:
        assert [plan.code for plan in await client.list_plans()] == ["vps-2gb"]


async def test_plans_that_are_nowhere_a_list_are_reported_as_the_wrong_shape() -> None:
    """When neither form gives a list, the first one's failing is told."""
    provider = Provider().on("GET", "/v1/vps/plans/", Reply(200, SERVER)).on("GET", "/v1/vps/plans", Reply(422))
    async with provider.client() as client:
        with pytest.raises(WrongShape, match="not a list"):
            await client.list_plans()


async def test_a_slash_redirect_is_followed_and_remembered() -> None:
    """A 307 to the other form, on the same origin, leads to the answer; the next read goes there at once."""
    redirect = Reply(307, headers={"Location": "http://provider.test:80/v1/vps/os-templates/"})
    provider = Provider().on("GET", "/v1/vps/os-templates", redirect)
    provider.on("GET", "/v1/vps/os-templates/", Reply(200, [{"id": "debian-12"}]))
    async with provider.client() as client:
        await client.list_os_templates()
        await client.list_os_templates()
    assert provider.paths()[1:] == ["GET /v1/vps/os-templates/"] * 2


@pytest.mark.parametrize(
    "reply",
    [
        Reply(404, {"detail": "VPS not found"}),
        Reply(422, {"detail": [{"loc": ["path", "vps_id"], "msg": "not a UUID"}]}),
        Reply(400, {"detail": "bad id"}),
        Reply(405),
        Reply(501),
        Reply(200, SERVER),
    ],
)
async def test_a_missing_list_of_regions_is_no_obstacle(reply: Reply) -> None:
    """Where the API has no such route, whatever it says instead, the error says how to go on."""
    provider = Provider().on("GET", "/v1/vps/regions", reply).on("GET", "/v1/vps/regions/", reply)
    async with provider.client() as client:
        with pytest.raises(NotOffered, match=r"list the regions.*name the region"):
            await client.list_regions()


async def test_a_troubled_list_of_regions_is_not_called_missing() -> None:
    """A fault of the moment is a fault, in the first form asked and in the second."""
    for first, second in ((Reply(500), Reply(404)), (Reply(404), Reply(500))):
        provider = Provider().on("GET", "/v1/vps/regions", first).on("GET", "/v1/vps/regions/", second)
        async with provider.client() as client:
            with pytest.raises(ProviderFault):
                await client.list_regions()


async def test_a_server_that_is_not_there_is_not_found() -> None:
    """A 404 in both forms is about the server; once the route is known, one request is enough to say so."""
    provider = Provider().on("GET", GET, Reply(200, SERVER))
    async with provider.client() as client:
        with pytest.raises(NotFound, match="Not Found"):
            await client.get_server("other")
        assert (await client.get_server(SERVER_ID)).id == SERVER_ID
        with pytest.raises(NotFound):
            await client.get_server("other")
    assert provider.paths()[-3:] == ["GET /v1/vps/other/", f"GET {GET}", "GET /v1/vps/other"]


async def test_usage_is_read() -> None:
    """The figures of one server come from its own route."""
    provider = Provider().on("GET", f"{GET}/status", Reply(200, {"status": "running", "uptime_seconds": 7}))
    async with provider.client() as client:
        assert (await client.server_status(SERVER_ID)).uptime_seconds == 7


ERRORS: list[tuple[int, type[WayscloudError]]] = [
    (400, InvalidRequest),
    (401, NotAuthenticated),
    (402, Refused),
    (403, NotPermitted),
    (409, Conflict),
    (422, InvalidRequest),
    (423, Conflict),
    (429, RateLimited),
    (500, ProviderFault),
    (502, ProviderFault),
    (503, ProviderFault),
    (504, ProviderFault),
    (410, NotFound),
    (404, NotFound),
    (405, NotOffered),
    (501, NotOffered),
    (300, MalformedAnswer),
]


@pytest.mark.parametrize(("status", "kind"), ERRORS)
async def test_each_code_has_its_error(status: int, kind: type[WayscloudError]) -> None:
    """The error's class, code, words and operation follow from the answer; a key in it is masked."""
    body = {"detail": f"the reason, {KEY}"}
    provider = Provider().on("GET", GET, Reply(status, body)).on("GET", f"{GET}/", Reply(404))
    async with provider.client() as client:
        with pytest.raises(kind) as caught:
            await client.get_server(SERVER_ID)
    error = caught.value
    assert type(error) is kind
    assert (error.status, error.operation) == (status, "get_server")
    assert error.said.startswith("the reason")
    assert KEY not in f"{error} {error!r} {error.said}"
    assert str(status) in error.message
    assert error.hint or kind in {Refused, MalformedAnswer}


async def test_a_limit_may_be_a_quota_and_says_so() -> None:
    """A 429 that stays names the waiting time and the other explanation."""
    provider = Provider().on("GET", "/v1/vps", Reply(429, {"detail": "Rate limit exceeded"}, {"Retry-After": "60"}))
    async with provider.client() as client:
        with pytest.raises(RateLimited, match=r"wait 60 s.*quota") as caught:
            await client.list_servers()
    assert caught.value.retry_after == 60.0
    assert len(provider.received) == 1, "beyond the cap nothing is gained by waiting here"


@pytest.mark.parametrize("status", [429, 502, 503, 504])
async def test_a_passing_trouble_is_sat_out(status: int) -> None:
    """Two bad answers and a good one are a good one."""
    provider = Provider().on("GET", "/v1/vps", Reply(status), Reply(status), LIST)
    async with provider.client() as client:
        assert len(await client.list_servers()) == 1
    assert len(provider.received) == 3


@pytest.mark.parametrize("status", [429, 503])
async def test_patience_ends_after_three_attempts(status: int) -> None:
    """A trouble that stays is reported after the third attempt."""
    provider = Provider().on("GET", "/v1/vps", Reply(status))
    async with provider.client() as client:
        with pytest.raises(WayscloudError):
            await client.list_servers()
    assert len(provider.received) == 3


@pytest.mark.parametrize("status", [400, 401, 403, 409, 500])
async def test_what_asking_again_cannot_cure_is_not_asked_again(status: int) -> None:
    """These answers are final."""
    provider = Provider().on("GET", GET, Reply(status))
    async with provider.client() as client:
        with pytest.raises(WayscloudError):
            await client.get_server(SERVER_ID)
    assert len(provider.received) == 1


@pytest.mark.parametrize("form", ["seconds", "date"])
async def test_retry_after_is_waited_for_in_both_forms(form: str) -> None:
    """The provider's waiting time is kept to, by the clock, whichever way it is written."""
    clock = FakeClock()
    header = "0.2" if form == "seconds" else format_datetime(clock.now() + timedelta(seconds=0), usegmt=True)
    settings = replace(QUICK, wait_initial=0.2)
    provider = Provider().on("GET", "/v1/vps", Reply(503, headers={"Retry-After": header}), LIST)
    async with provider.client(settings, clock) as client:
        started = anyio.current_time()
        await client.list_servers()
    assert anyio.current_time() - started >= 0.199


async def test_a_date_too_far_away_is_not_waited_for() -> None:
    """A date beyond the cap gives up at once and tells the seconds."""
    clock = FakeClock()
    header = format_datetime(clock.now() + timedelta(seconds=3600), usegmt=True)
    provider = Provider().on("GET", "/v1/vps", Reply(503, headers={"Retry-After": header}))
    async with provider.client(clock=clock) as client:
        with pytest.raises(ProviderFault) as caught:
            await client.list_servers()
    assert caught.value.retry_after == 3600.0
    assert len(provider.received) == 1


async def test_all_attempts_together_are_bounded_in_time() -> None:
    """However long the provider asks to wait, the whole read ends; the last trouble is what is told."""
    settings = replace(QUICK, total_seconds=0.3)
    provider = Provider().on("GET", "/v1/vps", Reply(503, {"detail": "later"}, {"Retry-After": "10"}))
    async with provider.client(settings) as client:
        with anyio.fail_after(BOUND), pytest.raises(ProviderFault, match="later"):
            await client.list_servers()


async def test_an_empty_answer_to_a_read_is_malformed() -> None:
    """Nothing is not an account without servers, and not a state."""
    provider = Provider().on("GET", "/v1/vps", Reply(200)).on("GET", GET, Reply(204))
    async with provider.client() as client:
        for ask in (client.list_servers, lambda: client.get_server(SERVER_ID)):
            with pytest.raises(MalformedAnswer, match="empty"):
                await ask()


@pytest.mark.parametrize("body", ["<html>login</html>", "{", b"\xff\xfe\x00", "[" * 100_000, '{"a": -}', '{"a": 1e}'])
async def test_what_is_not_json_is_malformed(body: str | bytes) -> None:
    """A page, half an object, wrong bytes and bottomless nesting are refused."""
    provider = Provider().on("GET", GET, Reply(200, body))
    async with provider.client() as client:
        with pytest.raises(MalformedAnswer, match="not JSON"):
            await client.get_server(SERVER_ID)


async def test_a_missing_field_is_named() -> None:
    """A server without an id is an error that names the field."""
    provider = Provider().on("GET", GET, Reply(200, {"hostname": "web01"}))
    async with provider.client() as client:
        with pytest.raises(MalformedAnswer, match="lacks 'id'"):
            await client.get_server(SERVER_ID)


async def test_a_good_code_with_a_failure_inside_is_refused() -> None:
    """`ok: false` in a 200 is a no, with its reason."""
    provider = Provider().on("GET", GET, Reply(200, {"ok": False, "error": "suspended"}))
    async with provider.client() as client:
        with pytest.raises(Refused, match="suspended"):
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
        with pytest.raises(MalformedAnswer, match=reason):
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
        with anyio.fail_after(BOUND), pytest.raises(MalformedAnswer, match="larger than 100000 bytes"):
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
    """A dropped connection, half a body and bytes that are not HTTP end as Unreachable, after three attempts."""
    async with wire(answers(fault)) as server, server.client() as client:
        with pytest.raises(Unreachable) as caught:
            await client.get_server(SERVER_ID)
    assert not isinstance(caught.value, NotSent)
    assert len(server.received) == 3


async def test_silence_ends_in_time() -> None:
    """A provider that takes the request and says nothing is given up."""
    async with wire(silent) as server, server.client(replace(QUICK, attempt_seconds=0.1, attempts=1)) as client:
        with anyio.fail_after(BOUND), pytest.raises(Unreachable, match="TimeoutError"):
            await client.get_server(SERVER_ID)


async def test_dripping_bytes_end_in_time() -> None:
    """A body that comes byte by byte, each in time, still ends when the attempt's time is up."""

    async def drip(stream: Any, _: Any) -> None:
        await stream.send(raw("200 OK", b"", length=10**6))
        while True:
            await stream.send(b" ")
            await anyio.sleep(0.01)

    async with wire(drip) as server, server.client(replace(QUICK, attempt_seconds=0.2, attempts=1)) as client:
        with anyio.fail_after(BOUND), pytest.raises((Unreachable, MalformedAnswer)):
            await client.get_server(SERVER_ID)


async def test_nobody_listening_is_not_sent() -> None:
    """A refused connection means that nothing left."""
    port = await refused_port()
    client = Wayscloud(Credentials(KEY), base_url=f"http://127.0.0.1:{port}", clock=FakeClock(), settings=QUICK)
    async with client:
        with pytest.raises(NotSent, match=r"could not be reached \(All connection attempts failed\)"):
            await client.list_servers()


@pytest.mark.parametrize(
    "status", ["301 Moved", "302 Found", "303 See Other", "307 Temporary Redirect", "308 Permanent Redirect"]
)
@pytest.mark.requirement("key-stays-at-its-origin")
async def test_the_key_never_goes_to_another_port(status: str) -> None:
    """A redirect to another origin, even on the same machine, is refused and not visited."""
    async with wire(answers(raw("200 OK", b"{}"))) as elsewhere:
        redirect = raw(status, b"", f"Location: {elsewhere.url}/v1/vps")
        async with wire(answers(redirect)) as server, server.client() as client:
            with pytest.raises(UntrustedRedirect, match="key stays here"):
                await client.list_servers()
        assert elsewhere.connections == 0
    assert len(server.received) == 1


@pytest.mark.parametrize(
    "location",
    [
        "https://provider.test/v1/vps/",
        "http://provider.test:8443/v1/vps/",
        "http://evil.test/v1/vps/",
        "//evil.test/v1/vps/",
        "http://someone@provider.test/v1/vps/",
        "http://provider.test.evil.test/",
        "http://[broken/",
        "",
    ],
)
async def test_only_the_same_origin_is_followed(location: str) -> None:
    """Another scheme, port, host or user, and an address that is none, are refused; the other form is asked here."""
    provider = Provider().on("GET", "/v1/vps", Reply(307, headers={"Location": location}))
    async with provider.client() as client:
        with pytest.raises(UntrustedRedirect):
            await client.list_servers()
    other_form = location.endswith("/v1/vps/") and "@" not in location
    assert provider.paths() == ["GET /v1/vps", "GET /v1/vps/"][: 1 + other_form]
    assert {one.headers["host"] for one in provider.received} == {"provider.test"}


async def test_redirects_in_a_circle_end() -> None:
    """Three hops are followed, the fourth is not."""
    provider = Provider().on("GET", "/v1/vps", Reply(308, headers={"Location": "/v1/vps"}))
    async with provider.client() as client:
        with pytest.raises(UntrustedRedirect, match="circle"):
            await client.list_servers()
    assert len(provider.received) == 4


@pytest.mark.parametrize(
    "url", ["", "api.wayscloud.services", "ftp://host", "https://", "https://u:p@host", "https://h/?q=1", "http://host"]
)
def test_an_address_that_would_endanger_the_key_does_not_load(url: str) -> None:
    """Plain http to elsewhere, users in the address and things that are no address are refused at the start."""
    with pytest.raises(ConfigurationError):
        Wayscloud(Credentials(KEY), base_url=url, clock=FakeClock())


async def test_a_base_path_is_kept() -> None:
    """An API behind a path prefix is reached, and its slash habit remembered."""
    async with wire(answers(raw("404 Not Found"), raw("200 OK", json.dumps([SERVER]).encode()))) as server:
        client = Wayscloud(Credentials(KEY), base_url=f"{server.url}/api/", clock=FakeClock(), settings=QUICK)
        async with client:
            await client.list_servers()
            await client.list_servers()
    assert [request.path for request in server.received] == ["/api/v1/vps", "/api/v1/vps/", "/api/v1/vps/"]


async def test_no_more_than_the_allowed_requests_are_under_way() -> None:
    """Of many reads at once only so many are out at a time, and all of them come back."""
    out = 0
    most = 0
    full = anyio.Event()

    async def count(stream: Any, _: Any) -> None:
        nonlocal out, most
        out += 1
        most = max(most, out)
        if out == 3:
            full.set()
        await full.wait()
        out -= 1
        await stream.send(raw("200 OK", json.dumps(SERVER).encode()))

    three = replace(QUICK, max_in_flight=3, attempt_seconds=BOUND)
    async with wire(count) as server, server.client(three) as client, anyio.create_task_group() as tasks:
        for _ in range(12):
            tasks.start_soon(client.get_server, SERVER_ID)
    assert most == 3
    assert len(server.received) == 12


async def test_a_queue_that_does_not_move_ends_in_not_sent() -> None:
    """A read that gets no turn in time was not sent."""
    async with wire(silent) as server:
        settings = replace(QUICK, max_in_flight=1, queue_seconds=0.05, attempts=1)
        async with server.client(settings) as client, anyio.create_task_group() as tasks:
            tasks.start_soon(client.get_server, SERVER_ID)
            await eventually(lambda: server.received)
            with pytest.raises(NotSent):
                await client.get_server(SERVER_ID)
            tasks.cancel_scope.cancel()


async def test_reads_that_people_look_at_share_a_call() -> None:
    """Twenty lists at once are one call where that is asked for, and twenty where it is not; the next one is new."""
    provider = Provider().on("GET", "/v1/vps", LIST)

    async def read(client: Wayscloud) -> None:
        assert [server.id for server in await client.list_servers()] == [SERVER_ID]

    async with provider.client() as client:
        for view, calls in ((client.shared(), 1), (client.shared(), 2), (client, 22)):
            async with anyio.create_task_group() as group:
                for _ in range(20):
                    group.start_soon(read, view)
            assert len(provider.received) == calls


async def test_what_is_shared_fails_for_all() -> None:
    """A refused key is told to everybody who shared the call."""
    provider = Provider().on("GET", "/v1/vps", Reply(401, {"detail": "no"}))
    told: list[str] = []

    async def read(client: Wayscloud) -> None:
        with pytest.raises(NotAuthenticated) as caught:
            await client.list_servers()
        told.append(caught.value.error_id)

    async with provider.client() as client, anyio.create_task_group() as group:
        for _ in range(5):
            group.start_soon(read, client.shared())
    assert len(told) == 5
    assert len(set(told)) == 1


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
        await client._caller.read(routes.SERVERS, parse)
    assert threads
    assert threading.get_ident() not in threads


async def test_a_long_list_that_is_none_is_told_as_such() -> None:
    """What is wrong with a long answer is told as with a short one."""
    provider = Provider().on("GET", "/v1/vps", Reply(200, b"[" + b" " * 300_000))
    async with provider.client() as client:
        with pytest.raises(MalformedAnswer):
            await client.list_servers()
