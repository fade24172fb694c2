"""Writes: sent once whatever happens, and exact about whether anything happened."""

import json
from collections.abc import Callable, Coroutine
from dataclasses import replace
from typing import Any, Final

import anyio
import httpcore
import httpx
import pytest

from tests.fakes.clock import FakeClock
from tests.fakes.provider import (
    BASE,
    BOUND,
    KEY,
    QUICK,
    SERVER_ID,
    Provider,
    Reply,
    answers,
    raw,
    refused_port,
    silent,
    wire,
)
from tests.harness.patience import eventually
from tests.harness.write_faults import FAULTS, HURRIED, BeforeSend, check_sent_once, fenced
from vpsops.core.wayscloud.answers.errors import (
    ConflictError,
    InvalidRequestError,
    NotAuthenticatedError,
    NotFoundError,
    NotOfferedError,
    NotPermittedError,
    NotSentError,
    OutcomeUnknownError,
    ProviderRefusedError,
    RateLimitedError,
    UntrustedRedirectError,
)
from vpsops.core.wayscloud.answers.models import NewServer
from vpsops.core.wayscloud.client import Wayscloud
from vpsops.core.wayscloud.requests.connection import ProviderConnection
from vpsops.core.wayscloud.requests.credentials import Credentials
from vpsops.core.wayscloud.requests.send_hook import RequestDeparture

NEW: Final = NewServer(hostname="new.example.com", plan="vps-2gb", region="oslo", os_template="debian-12")
CREATED: Final = {"id": SERVER_ID, "hostname": "new.example.com", "status": "provisioning", "ipv4": "192.0.2.7"}
STOP_PATH: Final = f"/v1/vps/{SERVER_ID}/stop"
Write = Callable[[Wayscloud, BeforeSend | None], Coroutine[Any, Any, Any]]
WRITES: Final[dict[str, Write]] = {
    "create": lambda client, before: client.create_server(NEW, departure=fenced(before)),
    "start": lambda client, before: client.start_server(SERVER_ID, departure=fenced(before)),
    "stop": lambda client, before: client.stop_server(SERVER_ID, departure=fenced(before)),
    "reboot": lambda client, before: client.reboot_server(SERVER_ID, departure=fenced(before)),
    "delete": lambda client, before: client.delete_server(SERVER_ID, departure=fenced(before)),
    "rename": lambda client, before: client.rename_server(SERVER_ID, "Web 01", departure=fenced(before)),
    "label": lambda client, before: client.label_server(SERVER_ID, {"team": "shop"}, departure=fenced(before)),
    "tag": lambda client, before: client.tag_server(SERVER_ID, ("web",), departure=fenced(before)),
    "upgrade": lambda client, before: client.upgrade_server(SERVER_ID, "vps-8gb", departure=fenced(before)),
}
every_write = pytest.mark.parametrize("write", WRITES.values(), ids=WRITES)


class FencedError(Exception):
    """The one who asked no longer owns the change."""


class Unplugged(httpx.AsyncBaseTransport):
    """A network that refuses the first connections, counts them, and then leads to the provider."""

    def __init__(self, refusals: int, provider: Provider) -> None:
        self.refusals = refusals
        self.connects = 0
        self.inner = httpx.ASGITransport(provider.app)

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        self.connects += 1
        if self.connects <= self.refusals:
            raise httpx.ConnectError("connection refused")
        return await self.inner.handle_async_request(request)

    def client(self) -> Wayscloud:
        """Return a client on this network."""
        return Wayscloud(
            ProviderConnection(Credentials(KEY), base_url=BASE, clock=FakeClock(), settings=QUICK, http_transport=self)
        )


async def test_create_sends_the_documented_names() -> None:
    """The body holds the documented fields, only those that were given, and the answer becomes a server."""
    provider = Provider().on("POST", "/v1/vps", Reply(201, CREATED))
    async with provider.client() as client:
        server = await client.create_server(NEW)
        await client.create_server(
            NEW.model_copy(update={"display_name": "Vår", "ssh_keys": ("ssh-ed25519 AAAA user@laptop",)}),
        )
    plain = {"hostname": "new.example.com", "plan_code": "vps-2gb", "region": "oslo", "os_template": "debian-12"}
    assert provider.received[0].json == plain
    full = {**plain, "display_name": "Vår", "ssh_keys": ["ssh-ed25519 AAAA user@laptop"]}
    assert provider.received[1].json == full
    assert provider.received[0].headers["content-type"] == "application/json"
    assert (server.id, server.state, server.ipv4) == (SERVER_ID, "provisioning", "192.0.2.7")


@pytest.mark.parametrize("operation", ["start", "stop", "reboot"])
async def test_a_power_operation_sends_no_body(operation: str) -> None:
    """Each goes to its own path, as a POST without a body."""
    path = f"/v1/vps/{SERVER_ID}/{operation}"
    provider = Provider().on(
        "POST", path, Reply(200, {"success": True, "action": "start", "message": "VPS is starting"})
    )
    async with provider.client() as client:
        assert (await WRITES[operation](client, None)).ok
    assert provider.paths() == [f"POST {path}"]
    assert provider.received[0].body == b""


@pytest.mark.parametrize(
    ("status", "body"), [(200, b""), (202, b""), (204, b""), (200, {}), (202, {"ok": True}), (200, b" \n")]
)
async def test_an_empty_or_plain_yes_is_accepted(status: int, body: Any) -> None:
    """Any 2xx with nothing, or with an object that does not refuse, is a yes."""
    provider = Provider().on("POST", STOP_PATH, Reply(status, body))
    async with provider.client() as client:
        assert (await client.stop_server(SERVER_ID)).ok


@every_write
@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.requirement("never-repeated")
async def test_no_fault_makes_a_write_go_out_twice(fault: str, write: Write) -> None:
    """Whatever goes wrong after a write has left, it went once, and the outcome is unknown."""
    await check_sent_once(fault, write)


@pytest.mark.parametrize(
    "body", [b"", b"{}", b'{"hostname": "new.example.com"}', b"null", b'{"id": null}', b'{"ok": false, "id": "x1"}']
)
async def test_a_create_that_tells_no_id_is_unknown(body: bytes) -> None:
    """A good code without a server in it proves nothing, and neither does a no that names one."""
    provider = Provider().on("POST", "/v1/vps", Reply(201, body))
    async with provider.client() as client:
        with pytest.raises(OutcomeUnknownError):
            await client.create_server(NEW)
    assert len(provider.received) == 1


@every_write
@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (400, InvalidRequestError),
        (401, NotAuthenticatedError),
        (402, ProviderRefusedError),
        (403, NotPermittedError),
        (405, NotOfferedError),
        (409, ConflictError),
        (413, ProviderRefusedError),
        (422, InvalidRequestError),
        (429, RateLimitedError),
        (501, NotOfferedError),
    ],
)
async def test_a_clear_no_is_a_clear_no(status: int, kind: type[ProviderRefusedError], write: Write) -> None:
    """A refusal is reported with its reason, and not sent again, not even after 429."""
    no = raw(f"{status} No", b'{"detail": "because"}', "Retry-After: 0")
    async with wire(answers(no)) as server, server.client() as client:
        with pytest.raises(kind, match="because") as caught:
            await write(client, None)
    assert type(caught.value) is kind
    assert len(server.received) == 1


async def test_a_missing_server_and_a_missing_route_are_told_apart() -> None:
    """A 404 is about the server in a power operation, and about the route in a create."""
    async with Provider().client() as client:
        with pytest.raises(NotFoundError):
            await client.stop_server(SERVER_ID)
        with pytest.raises(NotOfferedError):
            await client.create_server(NEW)


@every_write
async def test_the_other_slash_form_is_never_tried_for_a_write(write: Write) -> None:
    """Only reads try other forms."""
    provider = Provider()
    async with provider.client() as client:
        with pytest.raises(ProviderRefusedError):
            await write(client, None)
    assert len(provider.received) == 1


@every_write
async def test_a_no_inside_a_good_code_is_a_no(write: Write) -> None:
    """`success: false` in a 200 is a refusal with its reason."""
    no = raw("200 OK", b'{"success": false, "message": "locked by backup"}')
    async with wire(answers(no)) as server, server.client() as client:
        with pytest.raises(ProviderRefusedError, match="locked by backup"):
            await write(client, None)
    assert len(server.received) == 1


@every_write
@pytest.mark.parametrize("connection", ["Connection: close", "Connection: keep-alive"])
async def test_a_no_whose_reason_was_lost_is_still_a_no(connection: str, write: Write) -> None:
    """The code of a refusal counts, though its body breaks off or never comes."""
    no = raw("409 Conflict", b'{"detail"', connection, length=99)
    async with wire(answers(no)) as server, server.client(HURRIED) as client:
        with pytest.raises(ConflictError, match="no reason"):
            await write(client, None)
    assert len(server.received) == 1


async def test_the_fields_of_an_invalid_create_are_named() -> None:
    """Each complaint about a field is listed separately."""
    complaint = {"detail": [{"type": "missing", "loc": ["body", "hostname"], "msg": "Field required"}]}
    provider = Provider().on("POST", "/v1/vps", Reply(422, complaint))
    async with provider.client() as client:
        with pytest.raises(InvalidRequestError) as caught:
            await client.create_server(NEW)
    assert caught.value.fields == ("hostname: Field required",)


async def test_a_refused_connection_is_tried_again_for_power_operations_only() -> None:
    """Nothing left, so two more tries are harmless; a create is left to the one who asked."""
    provider = Provider().on("POST", STOP_PATH, Reply(200)).on("POST", "/v1/vps", Reply(201, CREATED))
    for refusals, write, connects, good in ((2, "stop", 3, True), (3, "stop", 3, False), (1, "create", 1, False)):
        network = Unplugged(refusals, provider)
        async with network.client() as client:
            if good:
                await WRITES[write](client, None)
            else:
                with pytest.raises(NotSentError):
                    await WRITES[write](client, None)
        assert network.connects == connects
    assert provider.paths() == [f"POST {STOP_PATH}"]


@every_write
async def test_nothing_is_asked_of_the_fence_when_nobody_listens(write: Write) -> None:
    """A refused connection never gets as far as sending."""
    asked: list[str] = []
    url = f"http://127.0.0.1:{await refused_port()}"
    async with Wayscloud(
        ProviderConnection(Credentials(KEY), base_url=url, clock=FakeClock(), settings=QUICK)
    ) as client:
        with pytest.raises(NotSentError):
            await write(client, lambda: asked.append("asked"))
    assert asked == []


@every_write
@pytest.mark.parametrize(
    "refusal", [FencedError("not yours"), TimeoutError("db"), httpx.ConnectError("x"), KeyError("x"), GeneratorExit()]
)
async def test_a_fence_that_raises_lets_nothing_out(refusal: BaseException, write: Write) -> None:
    """Not one byte arrives over the socket, and the very same exception comes out, whatever kind it is."""

    def fence() -> None:
        raise refusal

    async with wire(answers(raw("200 OK", b"{}"))) as server, server.client() as client:
        with pytest.raises(type(refusal)) as caught:
            await write(client, fence)
    assert caught.value is refusal
    assert server.received == []


async def test_a_fence_holds_in_process_too() -> None:
    """Over a transport without connections the fence is asked before the request is handed over."""
    provider = Provider()

    def fence() -> None:
        raise FencedError

    async with provider.client() as client:
        with pytest.raises(FencedError):
            await client.create_server(NEW, departure=fenced(fence))
    assert provider.received == []


@every_write
async def test_the_fence_is_asked_once_and_before_the_bytes(write: Write) -> None:
    """When it is asked nothing has arrived; afterwards one request has."""
    seen: list[int] = []
    async with wire(answers(raw("200 OK", json.dumps(CREATED).encode()))) as server, server.client() as client:
        await write(client, lambda: seen.append(len(server.received)))
    assert (seen, len(server.received)) == ([0], 1)


async def test_the_fence_is_asked_after_waiting_for_a_turn() -> None:
    """A write that queues behind another one is not asked for until its turn has come."""
    asked = anyio.Event()
    release = anyio.Event()

    async def hold(stream: Any, request: Any) -> None:
        if request.path.endswith("/start"):
            await release.wait()
        await stream.send(raw("200 OK", json.dumps(CREATED).encode()))

    entry = replace(QUICK, max_writes=1)
    async with wire(hold) as server, server.client(entry) as client, anyio.create_task_group() as tasks:
        tasks.start_soon(client.start_server, SERVER_ID)
        await _until(lambda: len(server.received) == 1)
        tasks.start_soon(WRITES["stop"], client, asked.set)
        await anyio.wait_all_tasks_blocked()
        assert not asked.is_set()
        release.set()
        with anyio.fail_after(BOUND):
            await asked.wait()
    assert [request.path for request in server.received] == [f"/v1/vps/{SERVER_ID}/start", STOP_PATH]


@every_write
async def test_a_cancelled_write_is_not_swallowed_and_not_repeated(write: Write) -> None:
    """Cancelling a write that has left ends it there; whether it happened is for the caller to find out."""
    async with wire(silent) as server, server.client() as client:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(write, client, None)
            await _until(lambda: len(server.received) == 1)
            tasks.cancel_scope.cancel()
        assert tasks.cancel_scope.cancelled_caught
    assert len(server.received) == 1


@every_write
@pytest.mark.parametrize("status", ["301 Moved", "302 Found", "307 Temporary Redirect", "308 Permanent Redirect"])
async def test_a_write_is_not_carried_to_another_port(status: str, write: Write) -> None:
    """Neither key nor body go to another origin; the redirect means that nothing was done."""
    async with wire(answers(raw("200 OK", b"{}"))) as elsewhere:
        redirect = raw(status, b"", f"Location: {elsewhere.url}/v1/vps")
        async with wire(answers(redirect)) as server, server.client() as client:
            with pytest.raises(UntrustedRedirectError):
                await write(client, None)
    assert (len(server.received), elsewhere.connections) == (1, 0)


async def test_each_write_has_a_connection_of_its_own() -> None:
    """Reads share a connection; a write never goes out on one that may just be closing."""
    async with wire(answers(raw("200 OK", json.dumps(CREATED).encode()))) as server, server.client() as client:
        await client.get_server(SERVER_ID)
        await client.get_server(SERVER_ID)
        assert server.connections == 1
        await client.stop_server(SERVER_ID)
        await client.start_server(SERVER_ID)
    assert server.connections == 3


async def test_a_proxys_own_request_is_not_taken_for_ours() -> None:
    """Through a proxy a CONNECT goes out first; the fence is asked when the write itself does."""
    asked: list[str] = []
    departure = RequestDeparture(fenced(lambda: asked.append("asked")))
    for method in ("CONNECT", "POST"):
        request = httpcore.Request(method, "https://provider.test/v1/vps")
        await departure.trace("http11.send_request_headers.started", {"request": request})
        await departure.trace("http11.send_request_headers.complete", {"return_value": None})
        assert departure.left is (method == "POST")
    assert asked == ["asked"]


async def _until(condition: Callable[[], bool]) -> None:
    await eventually(condition)
