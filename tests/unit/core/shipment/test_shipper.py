"""Each record of the trail arrives, in its order and at least once, at receivers that are there for real."""

import json
import re
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import anyio
import pytest
import sqlalchemy as sa
from sqlalchemy.engine import Connection

from tests.fakes.audit_trail import RECORDS, happen
from tests.fakes.network.log_receivers import (
    LogReceiver,
    datagram_receiver,
    stream_receiver,
    webhook_receiver,
)
from tests.fakes.network.otlp import running_receiver
from tests.fakes.network.tls import certificate, server_context
from tests.harness.patience import eventually
from tests.harness.virtual_time import VirtualClock
from vpsops.core.audit import chain
from vpsops.core.common import timings
from vpsops.core.common.errors import ConfigurationError
from vpsops.core.config.settings import Settings
from vpsops.core.console.checks import Level
from vpsops.core.continuity.anchors import signature
from vpsops.core.diagnostics.shipment import check_shipment
from vpsops.core.shipment.address import ShipTarget, target_from
from vpsops.core.shipment.batch import MOST_BYTES, MOST_RECORDS, Batch, ShipmentError
from vpsops.core.shipment.shipper import RewrittenTrailError, Shipper, positions
from vpsops.core.storage import Database, open_database
from vpsops.core.storage.tables import AUDIT

CLOCK = VirtualClock()
HEADER = re.compile(
    rb'<110>1 \d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z \S+ vpsops \d+ (\S+) \[meta sequenceId="(\d+)"\] \xef\xbb\xbf'
)
Opened = Callable[[Path], AbstractContextManager[tuple[LogReceiver, str]]]


@pytest.fixture
async def trail(database_url: str) -> AsyncIterator[Database]:
    """A database with some records."""
    async with open_database(database_url, CLOCK) as database:
        await database.transact(happen)
        yield database


def append(connection: Connection, count: int, text: str = "x") -> None:
    for _ in range(count):
        chain.append(connection, 1.0, "noted", None, {"why": text})


@dataclass
class Memory:
    """A destination that keeps what it takes; `failures` are how many batches it refuses first."""

    batches: list[list[int]] = field(default_factory=list)
    lines: list[str] = field(default_factory=list)
    failures: int = 0

    async def send(self, batch: Batch) -> None:
        self.failures -= 1
        if self.failures >= 0:
            raise ShipmentError("It is away.")
        self.batches.append([shipped.record.seq for shipped in batch])
        self.lines += [shipped.line for shipped in batch]

    @property
    def numbers(self) -> list[int]:
        return [number for batch in self.batches for number in batch]


def shipper(database: Database, memory: Memory, *secrets: str) -> Shipper:
    return Shipper(database, CLOCK, ShipTarget(memory, "audit_ship_test", "memory"), secrets)


@contextmanager
def udp(_: Path) -> Iterator[tuple[LogReceiver, str]]:
    with datagram_receiver() as receiver:
        yield receiver, f"syslog+udp://{receiver.address}"


@contextmanager
def tcp(_: Path) -> Iterator[tuple[LogReceiver, str]]:
    with stream_receiver() as receiver:
        yield receiver, f"syslog+tcp://{receiver.address}"


@contextmanager
def tls(folder: Path) -> Iterator[tuple[LogReceiver, str]]:
    path = certificate(folder, "logs.example.com")
    with stream_receiver(context=server_context(path)) as receiver:
        yield receiver, f"syslog+tls://{receiver.address}?ca={path}"


@contextmanager
def unix_datagrams(folder: Path) -> Iterator[tuple[LogReceiver, str]]:
    with datagram_receiver(folder / "log") as receiver:
        yield receiver, f"syslog+unix://{receiver.address}"


@contextmanager
def unix_stream(folder: Path) -> Iterator[tuple[LogReceiver, str]]:
    with stream_receiver(folder / "log") as receiver:
        yield receiver, f"syslog+unix://{receiver.address}"


@pytest.mark.real_time
@pytest.mark.parametrize("host", [f"{'a' * 64}.example", "a..example"])
async def test_a_host_that_can_have_no_address_is_a_failure_like_others(trail: Database, host: str) -> None:
    """Python encodes a name before it looks it up, and raises no OSError there."""
    with pytest.raises(ShipmentError, match="did not take"):
        await Shipper(trail, CLOCK, target_from(f"syslog+udp://{host}", "", CLOCK)).ship(attempts=1)


@pytest.mark.real_time
@pytest.mark.requirement("ship-arrives")
@pytest.mark.parametrize("opened", [udp, tcp, tls, unix_datagrams, unix_stream])
async def test_syslog_receives_each_record_as_a_message_of_rfc_5424(
    trail: Database, tmp_path: Path, opened: Opened
) -> None:
    with opened(tmp_path) as (receiver, address):
        await Shipper(trail, CLOCK, target_from(address, "", CLOCK)).ship()
        await eventually(lambda: len(receiver.messages) == RECORDS)
    records = await trail.read(chain.read)
    for message, record in zip(receiver.messages, records, strict=True):
        header = HEADER.match(message)
        assert header, message
        assert (header[1].decode(), int(header[2])) == (record.event, record.seq)
        assert json.loads(message[header.end() :])["record"] == record.text


@pytest.mark.real_time
@pytest.mark.parametrize("opened", [udp, unix_datagrams])
async def test_a_datagram_holds_60_000_bytes_of_a_longer_message(
    trail: Database, tmp_path: Path, opened: Opened
) -> None:
    """A datagram of UDP has 65,507 bytes at most: a longer one would not leave, and the trail would stay here."""
    await trail.transact(partial(append, count=1, text="x" * 59_000))
    await trail.transact(partial(append, count=1, text="x" * 70_000))
    with opened(tmp_path) as (receiver, address):
        await Shipper(trail, CLOCK, target_from(address, "", CLOCK)).ship(attempts=1)
        await eventually(lambda: len(receiver.messages) == RECORDS + 2)
    whole, cut = receiver.messages[-2:]
    assert whole.endswith(b"}")
    assert len(cut) == 60_000


@pytest.mark.real_time
@pytest.mark.requirement("ship-at-least-once")
async def test_a_stream_that_was_reset_is_sent_again(trail: Database, tmp_path: Path) -> None:
    """What it took is not known, so all of the batch comes again."""
    with tcp(tmp_path) as (receiver, address):
        receiver.refusals = 2
        await Shipper(trail, VirtualClock(), target_from(address, "", CLOCK)).ship()
        await eventually(lambda: len(receiver.messages) == RECORDS)
        assert receiver.seen == 3


@pytest.mark.real_time
async def test_a_receiver_without_a_trusted_certificate_gets_nothing(trail: Database, tmp_path: Path) -> None:
    with tls(tmp_path) as (receiver, address):
        with pytest.raises(ShipmentError, match="did not take"):
            await Shipper(trail, CLOCK, target_from(address.partition("?")[0], "", CLOCK)).ship(attempts=1)
        assert receiver.messages == []


@pytest.mark.real_time
@pytest.mark.requirement("ship-arrives")
async def test_a_webhook_receives_signed_batches_and_is_asked_again_after_a_no(trail: Database) -> None:
    with webhook_receiver() as receiver:
        receiver.refusals = 1
        await Shipper(trail, CLOCK, target_from(receiver.address, "a shared secret", CLOCK)).ship()
    ((headers, body),) = receiver.requests
    stamp = int(headers["X-Vpsops-Timestamp"])
    assert headers["X-Vpsops-Signature"] == signature("a shared secret", stamp, body)
    content = json.loads(body)
    assert (content["first"], content["last"]) == (1, RECORDS)
    assert [record["seq"] for record in content["records"]] == list(range(1, RECORDS + 1))


@pytest.mark.real_time
@pytest.mark.requirement("ship-arrives")
async def test_a_collector_receives_logs(trail: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    with running_receiver() as receiver:
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", receiver.url)
        await Shipper(trail, CLOCK, target_from("otlp", "", CLOCK)).ship()
    records = await trail.read(chain.read)
    assert [(number, event) for number, event, _ in receiver.logs] == [(record.seq, record.event) for record in records]
    assert json.loads(receiver.logs[0][2])["hash"] == records[0].hash


@pytest.mark.requirement("ship-arrives")
async def test_a_file_holds_the_lines_of_an_export_and_ends_one_that_a_crash_left(
    trail: Database, tmp_path: Path
) -> None:
    path = tmp_path / "audit log.jsonl"
    ship = Shipper(trail, CLOCK, target_from(f"file://{str(path).replace(' ', '%20')}", "", CLOCK))
    await ship.ship()
    assert [json.loads(line)["seq"] for line in path.read_text("utf-8").splitlines()] == list(range(1, RECORDS + 1))
    assert path.stat().st_mode & 0o777 == 0o600
    path.write_text('{"seq":', "utf-8")
    await trail.transact(partial(append, count=1))
    await ship.ship()
    torn, whole = path.read_text("utf-8").splitlines()
    assert (torn, json.loads(whole)["seq"]) == ('{"seq":', RECORDS + 1)
    path.unlink()
    path.mkdir()
    await trail.transact(partial(append, count=1))
    with pytest.raises(ShipmentError, match="cannot be written"):
        await ship.ship(attempts=1)


@pytest.mark.requirement("ship-at-least-once")
async def test_a_restart_continues_after_what_was_taken(trail: Database) -> None:
    memory = Memory()
    await shipper(trail, memory).ship()
    await trail.transact(partial(append, count=2))
    await shipper(trail, memory).ship()
    assert memory.numbers == list(range(1, RECORDS + 3))
    (position,) = await trail.read(positions)
    assert (position.seq, position.shown) == (RECORDS + 2, "memory")


@pytest.mark.requirement("ship-at-least-once")
async def test_what_was_not_taken_comes_again_after_pauses_that_grow(trail: Database) -> None:
    memory, begun = Memory(failures=4), CLOCK.monotonic()
    await shipper(trail, memory).ship(attempts=5)
    assert memory.numbers == list(range(1, RECORDS + 1))
    assert CLOCK.monotonic() - begun == pytest.approx(1 + 2 + 4 + 8)
    await trail.transact(partial(append, count=1))
    memory.failures = 5
    with pytest.raises(ShipmentError):
        await shipper(trail, memory).ship(attempts=5)
    assert memory.numbers[-1] == RECORDS


async def test_batches_are_bounded_by_count_and_by_size(trail: Database) -> None:
    memory = Memory()
    await trail.transact(partial(append, count=MOST_RECORDS + 1))
    await trail.transact(partial(append, count=3, text="y" * (MOST_BYTES // 2)))
    await shipper(trail, memory).ship()
    sizes = [len(batch) for batch in memory.batches]
    assert (sizes[0], memory.numbers) == (MOST_RECORDS, list(range(1, RECORDS + MOST_RECORDS + 5)))
    assert sizes[-2:] == [1, 1]


@pytest.mark.requirement("ship-without-secrets")
async def test_a_secret_of_this_process_does_not_leave_with_a_record(trail: Database) -> None:
    """Words lose them as they come in; this is for what was stored before the secret was one."""
    memory, secret = Memory(), "hunter2-is-a-long-password"
    await trail.transact(partial(append, count=1, text=f"it is {secret}"))
    await shipper(trail, memory, secret).ship()
    assert len(memory.lines) == RECORDS + 1
    assert secret not in "".join(memory.lines)


async def test_new_records_are_shipped_as_they_come_and_a_stop_finishes_the_batch(trail: Database) -> None:
    """The batch in hand is sent and stored, so that the next start sends nothing twice."""
    memory = Memory()
    ship = shipper(trail, memory)
    async with anyio.create_task_group() as group:
        group.start_soon(ship.follow)
        await eventually(lambda: len(memory.numbers) == RECORDS)
        await trail.transact(partial(append, count=1))
        await eventually(lambda: len(memory.numbers) == RECORDS + 1)
        group.cancel_scope.cancel()
    assert (await trail.read(positions))[0].seq == RECORDS + 1


async def test_a_batch_in_hand_is_finished_although_the_process_ends(trail: Database) -> None:
    memory, begun, sent = Memory(), anyio.Event(), anyio.Event()
    take = memory.send

    async def send(batch: Batch) -> None:
        begun.set()
        await sent.wait()
        await take(batch)

    memory.send = send  # type: ignore[method-assign] # a destination that is slow
    async with anyio.create_task_group() as group:
        group.start_soon(shipper(trail, memory).follow)
        await begun.wait()
        group.cancel_scope.cancel()
        sent.set()
    assert (await trail.read(positions))[0].seq == RECORDS


async def test_two_that_ship_to_one_place_leave_no_gap(trail: Database) -> None:
    """One of them stores a position; the other's records came twice at worst."""
    memory = Memory()
    first, second = shipper(trail, memory), shipper(trail, memory)
    position, batch = await trail.read(first._next)
    await second.ship()
    await trail.transact(partial(append, count=1))
    await second.ship()
    await first._delivers(batch[:2], position, 1)
    assert (await trail.read(positions))[0].seq == RECORDS + 1


@pytest.mark.requirement("ship-notices-a-rewritten-trail")
async def test_a_trail_that_was_rewritten_behind_what_was_shipped_stops_it(trail: Database) -> None:
    memory = Memory()
    await shipper(trail, memory).ship()
    await trail.transact(lambda connection: connection.execute(sa.update(AUDIT).values(hash="f" * 64)))
    with pytest.raises(RewrittenTrailError, match=f"record {RECORDS}"):
        await shipper(trail, memory).follow()
    again = shipper(trail, memory)
    await again.begin_after(2)
    await again.ship()
    assert memory.numbers[RECORDS:] == list(range(3, RECORDS + 1))
    with pytest.raises(RewrittenTrailError, match="no record 99"):
        await again.begin_after(99)


@pytest.mark.parametrize(
    ("address", "shown"),
    [
        ("file:///var/log/audit.jsonl", "file /var/log/audit.jsonl"),
        ("syslog+udp://logs.example.com", "syslog at logs.example.com:514 (udp)"),
        ("syslog+tcp://logs.example.com:9000", "syslog at logs.example.com:9000 (tcp)"),
        ("syslog+tls://[::1]", "syslog at ::1:6514 (tls)"),
        ("syslog+unix:///dev/log", "syslog at /dev/log"),
        ("https://user:pass@hooks.example.com/T0KEN?key=K", "https://hooks.example.com"),
        ("http://127.0.0.1:9/x", "http://127.0.0.1"),
    ],
)
def test_an_address_names_a_destination_and_shows_no_secret(address: str, shown: str) -> None:
    target = target_from(address, "s", CLOCK)
    assert target.shown == shown
    assert len(target.name) <= 40
    assert "T0KEN" not in repr(target)


@pytest.mark.parametrize(
    "address",
    [
        "",
        "audit.jsonl",
        "/var/log/audit.jsonl",
        "file://host/path",
        "file:///",
        "http://hooks.example.com/x",
        "https://",
        "syslog://logs",
        "syslog+tcp://",
        "syslog+tcp://logs:port",
        "syslog+tcp://logs:99999",
        "syslog+unix://dev/log",
        "syslog+tls://logs?ca=/not/there.pem",
        "https://[::1",
    ],
)
def test_another_address_is_refused_with_what_there_is(address: str) -> None:
    with pytest.raises(ConfigurationError):
        target_from(address, "", CLOCK)


@pytest.mark.requirement("doctor-names-shipment")
async def test_doctor_says_how_far_each_destination_is(trail: Database) -> None:
    settings = Settings.model_validate({"VPSOPS_AUDIT_SHIP_URL": "file:///x"})
    assert await check_shipment(trail, Settings()) == []
    assert [finding.level for finding in await check_shipment(trail, settings)] == [Level.WARN]
    await shipper(trail, Memory()).ship()
    (finding,) = await check_shipment(trail, settings)
    assert (finding.level, finding.what) == (Level.OK, f"memory has the trail up to record {RECORDS}")
    late = CLOCK.now().timestamp() - timings.SHIP_LATE_SECONDS - 1
    await trail.transact(lambda connection: chain.append(connection, late, "noted", None, {}))
    (finding,) = await check_shipment(trail, settings)
    assert (finding.level, "lacks 1, the oldest for 1 h" in finding.what) == (Level.WARN, True)
