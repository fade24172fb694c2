"""Backups: every shape of their answers, what a 404 is about, and an address that no error quotes."""

import logging
from collections.abc import Callable, Coroutine
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import pytest
from structlog.testing import capture_logs

from tests.fakes.clock import FakeClock
from tests.fakes.provider import SERVER, SERVER_ID, Provider, Reply
from tests.harness.write_faults import FAULTS, BeforeSend, check_refused_once, check_sent_once, every_refusal, fenced
from vpsops.core.common.errors import InvalidInputError
from vpsops.core.wayscloud.answers.errors import (
    ConflictError,
    InvalidRequestError,
    MalformedAnswerError,
    NotAuthenticatedError,
    NotFoundError,
    NotOfferedError,
    NotPermittedError,
    OtherServerError,
    OutcomeUnknownError,
    ProviderFaultError,
    ProviderRefusedError,
    RateLimitedError,
    WayscloudError,
    WrongShapeError,
)
from vpsops.core.wayscloud.client import Wayscloud
from vpsops.core.wayscloud.server_parts.backup_answers import BackupPolicy

GET: Final = f"/v1/vps/{SERVER_ID}"
BACKUP: Final = "0f8e7d6c-5b4a-4321-8765-43210fedcba9"
LIST: Final = f"{GET}/backups"
POLICY: Final = f"{GET}/backup-policy"
DOWNLOAD: Final = f"{LIST}/{BACKUP}/download"
ADDRESS: Final = "https://storage.example.com/b.qcow2?signature=0123456789abcdef"
DAILY: Final = BackupPolicy(enabled=True, frequency="daily", time_of_day="03:00", retention_days=14)
ENTRY: Final[dict[str, Any]] = {"backup_id": BACKUP, "status": "completed", "started_at": "2026-04-05T03:00:00Z"}

Read = Callable[[Wayscloud], Coroutine[Any, Any, Any]]
READS: Final[dict[str, tuple[str, Read]]] = {
    "list": (LIST, lambda client: client.backups.list_backups(SERVER_ID)),
    "usage": (f"{GET}/backup-usage", lambda client: client.backups.backup_usage(SERVER_ID)),
    "policy": (POLICY, lambda client: client.backups.backup_policy(SERVER_ID)),
    "download": (DOWNLOAD, lambda client: client.backups.download_backup(SERVER_ID, BACKUP)),
}
Write = Callable[[Wayscloud, BeforeSend | None], Coroutine[Any, Any, Any]]
WRITES: Final[dict[str, Write]] = {
    "create": lambda client, before: client.backups.create_backup(SERVER_ID, departure=fenced(before)),
    "delete": lambda client, before: client.backups.delete_backup(SERVER_ID, BACKUP, departure=fenced(before)),
    "restore": lambda client, before: client.backups.restore_backup(SERVER_ID, BACKUP, departure=fenced(before)),
    "set policy": lambda client, before: client.backups.set_backup_policy(SERVER_ID, DAILY, departure=fenced(before)),
    "remove policy": lambda client, before: client.backups.remove_backup_policy(SERVER_ID, departure=fenced(before)),
}
every_read = pytest.mark.parametrize(("path", "read"), READS.values(), ids=READS)
every_write = pytest.mark.parametrize("write", WRITES.values(), ids=WRITES)


def known(provider: Provider) -> Provider:
    """Let the server itself be there."""
    return provider.on("GET", GET, Reply(200, SERVER))


@pytest.mark.parametrize(
    "body",
    [
        {"backups": [ENTRY | {"size_gb": 3.5, "backup_type": "Manual", "expires_at": None}]},
        {"data": [ENTRY | {"size_mb": 3584, "type": "manual"}]},
        [{"id": BACKUP, "status": "Completed", "created_at": "2026-04-05T05:00:00+02:00", "size_bytes": 3758096384}],
    ],
)
async def test_a_list_of_backups_is_read_in_each_shape(body: Any) -> None:
    """Under its key, in an envelope or bare; sizes and moments come out the same."""
    provider = Provider().on("GET", LIST, Reply(200, body))
    async with provider.client() as client:
        (backup,) = await client.backups.list_backups(SERVER_ID)
    assert (backup.id, backup.size_gb, backup.started_at) == (BACKUP, 3.5, datetime(2026, 4, 5, 3, tzinfo=UTC))
    assert backup.complete
    assert not backup.failed


@pytest.mark.parametrize(
    ("body", "complete"),
    [
        ({"backups": [], "total": 0}, True),
        ({"backups": [ENTRY, {"status": "completed"}]}, False),
        ({"backups": [ENTRY], "total": 2}, False),
        ({"backups": [ENTRY], "has_more": True}, False),
    ],
)
async def test_a_list_that_lacks_backups_says_so(body: Any, complete: bool) -> None:
    """What is missing or unreadable makes the list incomplete, so that absence from it proves nothing."""
    provider = Provider().on("GET", LIST, Reply(200, body))
    async with provider.client() as client:
        assert (await client.backups.list_backups(SERVER_ID)).complete is complete


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ({"policy": None}, None),
        ({"policy": {"enabled": True, "frequency": "Daily", "time_of_day": "3:00", "retention_days": "14"}}, DAILY),
        ({"enabled": "true", "frequency": "daily", "time_of_day": "03:00:00Z", "retention_days": 14.0}, DAILY),
        (
            {"policy": {"frequency": "weekly", "day_of_week": "Monday", "time_of_day": None}},
            BackupPolicy(frequency="weekly", day_of_week=0),
        ),
    ],
)
async def test_a_policy_is_read_in_each_shape(body: Any, expected: BackupPolicy | None) -> None:
    """Null is no policy; a field that cannot be read is not known, and hides no other."""
    provider = Provider().on("GET", POLICY, Reply(200, body))
    async with provider.client() as client:
        assert (await client.backups.backup_policy(SERVER_ID)).policy == expected


@pytest.mark.parametrize("time", ["9" * 5_000 + ":00", "٣:00", "24:00", "03:60", "03:0"])
async def test_a_time_that_is_none_is_not_known(time: str) -> None:
    """Python raises where it reads a number of 5,000 digits; the rest of the policy is read all the same."""
    provider = Provider().on("GET", POLICY, Reply(200, {"policy": {"frequency": "daily", "time_of_day": time}}))
    async with provider.client() as client:
        policy = (await client.backups.backup_policy(SERVER_ID)).policy
    assert policy is not None
    assert (policy.frequency, policy.time_of_day) == ("daily", None)


@pytest.mark.parametrize("body", [{}, {"policy": {}}, {"policy": "none"}, [], b"", {"message": "hello"}])
async def test_an_answer_without_a_policy_is_not_none(body: Any) -> None:
    """Only null says that there is none."""
    provider = Provider().on("GET", POLICY, Reply(200, body))
    async with provider.client() as client:
        with pytest.raises(MalformedAnswerError):
            await client.backups.backup_policy(SERVER_ID)


async def test_the_space_of_backups_is_read() -> None:
    """Both figures, or those there are; an answer without any is none."""
    provider = Provider().on(
        "GET", f"{GET}/backup-usage", Reply(200, {"total_backups": 3, "total_size_gb": 10.26}), Reply(200, {})
    )
    async with provider.client() as client:
        usage = await client.backups.backup_usage(SERVER_ID)
        assert (usage.total_backups, usage.total_size_gb) == (3, 10.26)
        with pytest.raises(WrongShapeError):
            await client.backups.backup_usage(SERVER_ID)


@every_read
async def test_a_route_that_is_absent_is_not_offered(path: str, read: Read) -> None:
    """The server is there and the route is in neither form: the API does not have it."""
    provider = known(Provider())
    async with provider.client() as client:
        with pytest.raises(NotOfferedError, match="does not offer"):
            await read(client)
    assert provider.paths()[:2] == [f"GET {path}", f"GET {path}/"]


@every_read
async def test_a_server_that_is_absent_is_not_found(path: str, read: Read) -> None:
    """A 404 of the server itself is no statement about the route."""
    provider = Provider().on("GET", path, Reply(404, {"detail": "VPS not found"}))
    async with provider.client() as client:
        with pytest.raises(NotFoundError):
            await read(client)


@every_read
@pytest.mark.parametrize("trouble", [500, 401, 429])
async def test_a_server_that_cannot_be_read_settles_nothing(path: str, read: Read, trouble: int) -> None:
    """Where the server cannot be read either, a 404 stays one: never "not offered"."""
    del path
    provider = Provider().on("GET", GET, Reply(trouble))
    async with provider.client() as client:
        with pytest.raises(NotFoundError):
            await read(client)


@every_read
@pytest.mark.parametrize("status", [405, 501])
async def test_a_route_that_is_refused_as_such_is_not_offered(path: str, read: Read, status: int) -> None:
    """405 and 501 are about the route, whatever the server."""
    provider = Provider().on("GET", path, Reply(status)).on("GET", f"{path}/", Reply(status))
    async with provider.client() as client:
        with pytest.raises(NotOfferedError):
            await read(client)


async def test_the_providers_own_words_of_a_404_are_kept() -> None:
    """A sentence about something else than the route is no sign that the route is absent."""
    provider = known(Provider()).on("GET", POLICY, Reply(404, {"detail": "No policy is configured"}))
    async with provider.client() as client:
        with pytest.raises(NotFoundError, match="No policy is configured"):
            await client.backups.backup_policy(SERVER_ID)


@every_read
@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (400, InvalidRequestError),
        (401, NotAuthenticatedError),
        (403, NotPermittedError),
        (409, ConflictError),
        (422, InvalidRequestError),
        (429, RateLimitedError),
        (500, ProviderFaultError),
        (503, ProviderFaultError),
    ],
)
async def test_every_error_of_a_read_is_of_its_kind(
    path: str, read: Read, status: int, kind: type[WayscloudError]
) -> None:
    """With the provider's reason."""
    provider = Provider().on("GET", path, Reply(status, {"detail": "because"}))
    async with provider.client() as client:
        with pytest.raises(kind, match="because"):
            await read(client)


@pytest.mark.parametrize(
    "body",
    [
        {"backup_id": BACKUP, "download_url": ADDRESS, "expires_in": 3600},
        {"url": ADDRESS, "expires_at": FakeClock().now().isoformat()},
        {"download": {"href": ADDRESS}},
        {"data": {"signed_url": ADDRESS}},
    ],
)
async def test_an_address_is_read_and_masked(body: dict[str, Any]) -> None:
    """Under each likely name; neither the value's text nor its JSON holds it."""
    clock = FakeClock()
    hour = clock.now() + timedelta(hours=1)
    provider = Provider().on("GET", DOWNLOAD, Reply(200, body))
    async with provider.client(clock=clock) as client:
        download = await client.backups.download_backup(SERVER_ID, BACKUP)
    assert download.url.get_secret_value() == ADDRESS
    expected = {"expires_in": hour, "expires_at": clock.now()}
    assert download.expires_at == next((at for name, at in expected.items() if name in body), None)
    assert "signature" not in f"{download!r}{download}{download.model_dump_json()}"


@pytest.mark.parametrize(
    "reply",
    [
        Reply(200, ADDRESS.encode()),
        Reply(200, {"detail": ADDRESS}),
        Reply(200, {"other_name": ADDRESS}),
        Reply(200, {"url": "javascript:alert(1)", "note": ADDRESS}),
        Reply(200, {"backup_id": "another", "url": ADDRESS}),
        Reply(200, [ADDRESS]),
        Reply(404, {"detail": f"expired: {ADDRESS}"}),
        Reply(500, ADDRESS.encode()),
        Reply(302, headers={"Location": ADDRESS}),
        Reply(307, headers={"Location": ADDRESS}),
    ],
)
@pytest.mark.requirement("secret-addresses")
async def test_no_error_and_no_log_quotes_an_address(reply: Reply, caplog: pytest.LogCaptureFixture) -> None:
    """Whatever shape an answer with the address has, what is said and logged of it lacks the address."""
    caplog.set_level(logging.DEBUG)
    provider = known(Provider()).on("GET", DOWNLOAD, reply).on("GET", LIST, Reply(200, {"backups": [ENTRY]}))
    async with provider.client() as client:
        with capture_logs() as logged, pytest.raises(WayscloudError) as caught:
            await client.backups.download_backup(SERVER_ID, BACKUP)
    error: BaseException | None = caught.value
    assert "0123456789abcdef" not in f"{vars(caught.value)}{caught.value.hint}{logged}{caplog.text}"
    while error is not None:
        assert "0123456789abcdef" not in f"{error}{error!r}"
        error = error.__cause__ or (None if error.__suppress_context__ else error.__context__)


async def test_a_missing_backup_and_a_missing_route_are_told_apart() -> None:
    """The list of backups decides: it is not offered either, lacks the backup, or has it."""
    for listed, kind in (
        (Reply(404, {"detail": "Not Found"}), NotOfferedError),
        (Reply(200, {"backups": []}), NotFoundError),
        (Reply(200, {"backups": [ENTRY]}), NotOfferedError),
        (Reply(500), NotFoundError),
    ):
        provider = known(Provider()).on("GET", LIST, listed).on("GET", f"{LIST}/", listed)
        async with provider.client() as client:
            with pytest.raises(kind) as caught:
                await client.backups.download_backup(SERVER_ID, BACKUP)
        assert type(caught.value) is kind


async def test_writes_send_what_the_official_clients_send() -> None:
    """A backup and a restore have no body; a policy has its fields, the day only where it is set."""
    provider = Provider().on("POST", LIST, Reply(201, {"backup_id": BACKUP}))
    for method, path in (("DELETE", f"{LIST}/{BACKUP}"), ("POST", f"{LIST}/{BACKUP}/restore"), ("DELETE", POLICY)):
        provider.on(method, path, Reply(204))
    provider.on("PUT", POLICY, Reply(200, {"policy": {"enabled": True}}))
    async with provider.client() as client:
        made = await client.backups.create_backup(SERVER_ID)
        for write in WRITES.values():
            await write(client, None)
        await client.backups.set_backup_policy(SERVER_ID, replace_day(DAILY))
    assert (made.id, made.status) == (BACKUP, "creating")
    bodies = {request.method: request.json for request in provider.received if request.body}
    daily = {"enabled": True, "frequency": "daily", "time_of_day": "03:00", "retention_days": 14}
    sent = [request.json for request in provider.received if request.method == "PUT"]
    assert sent == [daily, daily | {"frequency": "weekly", "day_of_week": 6}]
    assert set(bodies) == {"PUT"}


def replace_day(policy: BackupPolicy) -> BackupPolicy:
    """Return a policy for Sundays."""
    return policy.model_copy(update={"frequency": "weekly", "day_of_week": 6})


@every_write
@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.requirement("never-repeated")
async def test_no_fault_sends_a_write_about_backups_twice(fault: str, write: Write) -> None:
    """Whatever goes wrong after it has left, it went once, and the outcome is unknown."""
    await check_sent_once(fault, write)


@every_write
@every_refusal
async def test_a_refused_write_about_backups_is_sent_once(
    status: int, kind: type[ProviderRefusedError], write: Write
) -> None:
    """Each refusal has its kind and its reason."""
    await check_refused_once(status, kind, write)


@pytest.mark.parametrize("body", [b"", b"{}", b"null", b'{"status": "creating"}', b'{"backup_id": null}'])
async def test_a_new_backup_without_an_id_is_unknown(body: bytes) -> None:
    """A good code that names no backup proves nothing."""
    provider = Provider().on("POST", LIST, Reply(201, body))
    async with provider.client() as client:
        with pytest.raises(OutcomeUnknownError):
            await client.backups.create_backup(SERVER_ID)
    assert len(provider.received) == 1


@pytest.mark.parametrize("body", [{"backup_id": "another"}, {"vps_id": "another"}, {"status": "failed"}])
async def test_an_answer_about_something_else_is_no_yes(body: Any) -> None:
    """A delete that is answered with another backup or server, or with a failure, is not known to be done."""
    provider = Provider().on("DELETE", f"{LIST}/{BACKUP}", Reply(200, body))
    async with provider.client() as client:
        with pytest.raises(OutcomeUnknownError):
            await client.backups.delete_backup(SERVER_ID, BACKUP)


async def test_an_answer_about_another_backup_is_refused() -> None:
    """The address of another backup is not handed on."""
    provider = Provider().on("GET", DOWNLOAD, Reply(200, {"backup_id": "another", "url": ADDRESS}))
    async with provider.client() as client:
        with pytest.raises(OtherServerError, match="another"):
            await client.backups.download_backup(SERVER_ID, BACKUP)


@pytest.mark.parametrize("ident", ["", ".", "..", "a/b", "a b", "a?b", "a%2fb", "x" * 129, "a\n"])
async def test_an_id_that_would_reach_another_route_is_refused(ident: str) -> None:
    """Before anything is sent."""
    provider = Provider()
    async with provider.client() as client:
        for call in (client.backups.delete_backup, client.backups.restore_backup, client.backups.download_backup):
            with pytest.raises(InvalidInputError, match="backup id"):
                await call(SERVER_ID, ident)
    assert provider.received == []


async def test_a_policy_that_lacks_a_field_is_not_sent() -> None:
    """Nothing is left to the provider's defaults."""
    provider = Provider()
    async with provider.client() as client:
        with pytest.raises(InvalidInputError):
            await client.backups.set_backup_policy(SERVER_ID, BackupPolicy(frequency="daily"))
    assert provider.received == []
