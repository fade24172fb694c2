"""A service manager is notified in its own protocol: ready, alive, at the end; a fake one listens at a real socket."""

import os
import socket
from collections.abc import Iterator
from pathlib import Path

import anyio
import pytest

from tests.harness.virtual_time import VirtualClock
from vpsops.core.server.service_manager import ServiceManager, reported


class FakeManager:
    """systemd's end of NOTIFY_SOCKET."""

    def __init__(self, address: str) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.sock.setblocking(False)
        self.sock.bind(address)

    def heard(self) -> list[str]:
        """Return what arrived since the last time."""
        words = []
        while True:
            try:
                words.append(self.sock.recv(4096).decode())
            except BlockingIOError:
                return words


@pytest.fixture
def manager(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeManager]:
    monkeypatch.chdir(tmp_path)
    fake = FakeManager("n")
    yield fake
    fake.sock.close()


def environ_of(path: Path, **more: str) -> dict[str, str]:
    """Return the variables that systemd gives."""
    return {"NOTIFY_SOCKET": str(path / "n"), **more}


@pytest.mark.requirement("service-notified")
async def test_it_is_ready_alive_and_ends(manager: FakeManager, tmp_path: Path) -> None:
    """A sign of life twice within the time that the manager waits."""
    environ = environ_of(tmp_path, WATCHDOG_USEC="30000000", WATCHDOG_PID=str(os.getpid()))
    async with reported(VirtualClock(), environ):
        await anyio.sleep(1)
        assert manager.heard() == ["READY=1", "WATCHDOG=1"]
        await anyio.sleep(30)
        assert manager.heard() == ["WATCHDOG=1"] * 2
    assert manager.heard() == ["STOPPING=1"]


@pytest.mark.parametrize(
    "more", [{}, {"WATCHDOG_USEC": "0"}, {"WATCHDOG_USEC": "x"}, {"WATCHDOG_PID": "1", "WATCHDOG_USEC": "9"}]
)
async def test_no_signs_are_given_that_no_one_waits_for(
    manager: FakeManager, tmp_path: Path, more: dict[str, str]
) -> None:
    """Neither those that are meant for another process."""
    async with reported(VirtualClock(), environ_of(tmp_path, **more)):
        await anyio.sleep(60)
    assert manager.heard() == ["READY=1", "STOPPING=1"]


async def test_a_fault_inside_is_an_end_too(manager: FakeManager, tmp_path: Path) -> None:
    with pytest.raises(BaseExceptionGroup):
        async with reported(VirtualClock(), environ_of(tmp_path)):
            raise OSError
    assert manager.heard() == ["READY=1", "STOPPING=1"]


async def test_a_manager_that_is_gone_ends_nothing(tmp_path: Path) -> None:
    async with reported(VirtualClock(), environ_of(tmp_path, WATCHDOG_USEC="30000000")):
        await anyio.sleep(60)


async def test_an_abstract_address_is_one() -> None:
    """Of containers and older systems: it begins with @."""
    name = f"vpsops-test-{os.getpid()}"
    fake = FakeManager(f"\0{name}")
    async with reported(VirtualClock(), {"NOTIFY_SOCKET": f"@{name}"}):
        pass
    assert fake.heard() == ["READY=1", "STOPPING=1"]
    fake.sock.close()


@pytest.mark.parametrize("address", ["", "vsock:2:1234", "n"])
def test_without_a_manager_nothing_is_sent(address: str) -> None:
    assert ServiceManager.of({"NOTIFY_SOCKET": address}, 1) is None
