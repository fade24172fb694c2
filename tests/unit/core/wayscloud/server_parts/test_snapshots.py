"""Snapshots: every shape of their answers, what a 404 is about, and names that are safe in a path."""

from collections.abc import Callable, Coroutine
from datetime import UTC, datetime
from typing import Any, Final

import pytest

from tests.fakes.provider import SERVER, SERVER_ID, Provider, Reply
from tests.harness.write_faults import FAULTS, BeforeSend, check_refused_once, check_sent_once, every_refusal, fenced
from vpsops.core.common.errors import InvalidInputError
from vpsops.core.wayscloud.answers.errors import (
    NotFoundError,
    NotOfferedError,
    OutcomeUnknownError,
    ProviderRefusedError,
    WrongShapeError,
)
from vpsops.core.wayscloud.client import Wayscloud

GET: Final = f"/v1/vps/{SERVER_ID}"
LIST: Final = f"{GET}/snapshots"
NAME: Final = "before-upgrade"
ENTRY: Final[dict[str, Any]] = {"snapshot_name": NAME, "status": "available", "created_at": "2026-04-05T20:00:00Z"}

Write = Callable[[Wayscloud, BeforeSend | None], Coroutine[Any, Any, Any]]
WRITES: Final[dict[str, tuple[str, str, Write]]] = {
    "create": ("POST", LIST, lambda api, at: api.snapshots.create_snapshot(SERVER_ID, NAME, departure=fenced(at))),
    "delete": (
        "DELETE",
        f"{LIST}/{NAME}",
        lambda api, at: api.snapshots.delete_snapshot(SERVER_ID, NAME, departure=fenced(at)),
    ),
    "rollback": (
        "POST",
        f"{LIST}/{NAME}/rollback",
        lambda api, at: api.snapshots.rollback_snapshot(SERVER_ID, NAME, departure=fenced(at)),
    ),
}
every_write = pytest.mark.parametrize(("method", "path", "write"), WRITES.values(), ids=WRITES)


@pytest.mark.parametrize(
    "body",
    [
        {"snapshots": [ENTRY | {"description": None}]},
        {"data": [ENTRY | {"id": 7}], "total": 1},
        [{"name": NAME, "status": "Available", "created_at": "2026-04-05T22:00:00+02:00"}],
    ],
)
async def test_a_list_of_snapshots_is_read_in_each_shape(body: Any) -> None:
    """Under its key, in an envelope or bare."""
    provider = Provider().on("GET", LIST, Reply(200, body))
    async with provider.client() as client:
        listed = await client.snapshots.list_snapshots(SERVER_ID)
    (snapshot,) = listed
    assert (snapshot.name, snapshot.created_at) == (NAME, datetime(2026, 4, 5, 20, tzinfo=UTC))
    assert (listed.complete, snapshot.complete, snapshot.failed, snapshot.description) == (True, True, False, None)


@pytest.mark.parametrize(
    ("status", "complete", "failed"),
    [(None, True, False), ("kept", True, False), ("Creating", False, False), ("error", False, True)],
)
async def test_a_listed_snapshot_is_complete_unless_its_state_says_otherwise(
    status: str | None, complete: bool, failed: bool
) -> None:
    """No source has the states; what is listed is there."""
    provider = Provider().on("GET", LIST, Reply(200, [ENTRY | {"status": status}]))
    async with provider.client() as client:
        (snapshot,) = await client.snapshots.list_snapshots(SERVER_ID)
    assert (snapshot.complete, snapshot.failed) == (complete, failed)


@pytest.mark.parametrize(
    ("body", "complete"),
    [
        ({"snapshots": [], "total": 0}, True),
        ({"snapshots": [ENTRY, {"status": "available"}]}, False),
        ({"snapshots": [ENTRY], "total": 2}, False),
        ({"snapshots": [ENTRY], "has_more": True}, False),
    ],
)
async def test_a_list_that_lacks_snapshots_says_so(body: Any, complete: bool) -> None:
    """What is missing or unreadable makes the list incomplete, so that absence from it proves nothing."""
    provider = Provider().on("GET", LIST, Reply(200, body))
    async with provider.client() as client:
        assert (await client.snapshots.list_snapshots(SERVER_ID)).complete is complete


async def test_what_is_no_list_is_refused() -> None:
    """It is not taken for an empty list."""
    provider = Provider().on("GET", LIST, Reply(200, {"message": "hello"}))
    async with provider.client() as client:
        with pytest.raises(WrongShapeError):
            await client.snapshots.list_snapshots(SERVER_ID)


@pytest.mark.parametrize(
    ("of_list", "of_server", "kind"),
    [
        (Reply(404, {"detail": "Not Found"}), Reply(200, SERVER), NotOfferedError),
        (Reply(404, {"detail": "Not Found"}), Reply(404, {"detail": "VPS not found"}), NotFoundError),
        (Reply(404, {"detail": "Not Found"}), Reply(500), NotFoundError),
        (Reply(404, {"detail": "The disk has no snapshots"}), Reply(200, SERVER), NotFoundError),
        (Reply(405), Reply(200, SERVER), NotOfferedError),
        (Reply(501), Reply(200, SERVER), NotOfferedError),
    ],
)
async def test_an_absent_route_and_an_absent_server_differ(of_list: Reply, of_server: Reply, kind: type) -> None:
    """Only where the server is there, a 404 of the route means that the API has no snapshots."""
    provider = Provider().on("GET", LIST, of_list).on("GET", f"{LIST}/", of_list).on("GET", GET, of_server)
    async with provider.client() as client:
        with pytest.raises(kind) as caught:
            await client.snapshots.list_snapshots(SERVER_ID)
    assert type(caught.value) is kind


async def test_writes_send_what_the_official_clients_send() -> None:
    """A new snapshot has its name, and a description only where there is one; the others have no body."""
    provider = Provider()
    for method, path, _ in WRITES.values():
        provider.on(method, path, Reply(204) if method == "DELETE" else Reply(201, {"snapshot_name": NAME}))
    async with provider.client() as client:
        for _, _, write in WRITES.values():
            await write(client, None)
        made = await client.snapshots.create_snapshot(SERVER_ID, NAME, "Before the kernel")
    assert (made.name, made.status) == (NAME, "creating")
    assert [request.json for request in provider.received if request.body] == [
        {"snapshot_name": NAME},
        {"snapshot_name": NAME, "description": "Before the kernel"},
    ]


@pytest.mark.parametrize("reply", [Reply(204), Reply(200, {"ok": True}), Reply(201, {"snapshot": {"name": NAME}})])
async def test_a_new_snapshot_need_not_be_named(reply: Reply) -> None:
    """An empty answer means that it is being taken under the name that was asked for."""
    provider = Provider().on("POST", LIST, reply)
    async with provider.client() as client:
        made = await client.snapshots.create_snapshot(SERVER_ID, NAME)
    assert (made.name, made.status) == (NAME, "creating")


@every_write
@pytest.mark.parametrize("body", [{"snapshot_name": "another"}, {"vps_id": "another"}, {"error": "disk full"}])
async def test_an_answer_about_something_else_is_no_yes(method: str, path: str, write: Write, body: Any) -> None:
    """A write that is answered with another snapshot or server, or with an error, is not known to be done."""
    provider = Provider().on(method, path, Reply(200, body))
    async with provider.client() as client:
        with pytest.raises(OutcomeUnknownError):
            await write(client, None)
    assert len(provider.received) == 1


@every_write
@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.requirement("never-repeated")
async def test_no_fault_sends_a_write_about_snapshots_twice(method: str, path: str, fault: str, write: Write) -> None:
    """Whatever goes wrong after it has left, it went once, and the outcome is unknown."""
    del method, path
    await check_sent_once(fault, write)


@every_write
@every_refusal
async def test_a_refused_write_about_snapshots_is_sent_once(
    method: str, path: str, write: Write, status: int, kind: type[ProviderRefusedError]
) -> None:
    """Each refusal has its kind and its reason."""
    del method, path
    await check_refused_once(status, kind, write)


@pytest.mark.parametrize("name", ["", ".", "..", "a/b", "a b", "a?b", "a%2fb", "é", "x" * 65, "a\n", "a\u2024b"])
async def test_a_name_that_would_reach_another_route_is_refused(name: str) -> None:
    """Before anything is sent."""
    provider = Provider()
    async with provider.client() as client:
        api = client.snapshots
        for call in (api.create_snapshot, api.delete_snapshot, api.rollback_snapshot):
            with pytest.raises(InvalidInputError, match="snapshot's name"):
                await call(SERVER_ID, name)
    assert provider.received == []


@pytest.mark.parametrize("name", ["a", "a..b", "...", "-1_.Z", "x" * 64])
async def test_a_name_of_the_allowed_characters_is_sent_as_it_is(name: str) -> None:
    """One segment of the path."""
    provider = Provider().on("DELETE", f"{LIST}/{name}", Reply(204))
    async with provider.client() as client:
        assert (await client.snapshots.delete_snapshot(SERVER_ID, name)).ok
    assert provider.paths() == [f"DELETE {LIST}/{name}"]
