"""The socket's file: its permissions, what it never replaces, and the socket that systemd hands over."""

import os
import socket
import stat
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.harness.patience import PATIENCE_SECONDS
from vpsops.core.common.errors import ConfigurationError
from vpsops.mcp_server.unix_socket.config import SocketConfig
from vpsops.mcp_server.unix_socket.listener import inherited_socket, listening

OPEN = SocketConfig({})


@pytest.fixture
def path(tmp_path: Path) -> Iterator[Path]:
    """A short path, as addresses of sockets have to be."""
    before = Path.cwd()
    yield tmp_path / "mcp.sock"
    os.chdir(before)


@pytest.mark.parametrize("mode", [0o600, 0o660, 0o666])
def test_the_file_has_its_mode_and_goes_with_the_service(path: Path, mode: int) -> None:
    with listening(str(path), SocketConfig({}, mode=mode), {}):
        assert stat.S_ISSOCK(path.lstat().st_mode)
        assert stat.S_IMODE(path.lstat().st_mode) == mode
    assert not path.exists()


@pytest.mark.requirement("socket-one-service")
def test_a_second_service_is_refused_and_the_first_goes_on(path: Path) -> None:
    with listening(str(path), OPEN, {}) as sock:
        made = path.lstat().st_ino
        with pytest.raises(ConfigurationError, match="another service listens"), listening(str(path), OPEN, {}):
            pass
        assert path.lstat().st_ino == made
        with socket.socket(socket.AF_UNIX) as client:
            client.connect(str(path))
            sock.accept()[0].close()


@pytest.mark.requirement("socket-one-service")
def test_of_many_services_that_start_at_once_one_listens(path: Path) -> None:
    """A race over a stale socket."""
    _leave_stale(path)
    barrier, over = threading.Barrier(8), threading.Barrier(8)
    outcomes: list[bool] = []

    def start() -> None:
        barrier.wait(PATIENCE_SECONDS)
        try:
            with listening(str(path), OPEN, {}):
                outcomes.append(True)
                over.wait(PATIENCE_SECONDS)
        except ConfigurationError:
            outcomes.append(False)
            over.wait(PATIENCE_SECONDS)

    threads = [threading.Thread(target=start) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(PATIENCE_SECONDS)
    assert sorted(outcomes) == [False] * 7 + [True]


def _leave_stale(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as sock:
        sock.bind(str(path))
        sock.listen()


def test_a_socket_that_a_crash_left_is_replaced(path: Path) -> None:
    _leave_stale(path)
    with listening(str(path), OPEN, {}), socket.socket(socket.AF_UNIX) as client:
        client.connect(str(path))


def test_a_service_without_our_lock_is_not_replaced(path: Path) -> None:
    """Whatever listens there is somebody's."""
    with socket.socket(socket.AF_UNIX) as sock:
        sock.bind(str(path))
        sock.listen()
        with pytest.raises(ConfigurationError, match="another service listens"), listening(str(path), OPEN, {}):
            pass
        assert path.exists()


@pytest.mark.requirement("socket-replaces-nothing")
@pytest.mark.parametrize("kind", ["file", "folder", "link", "dangling"])
def test_anything_else_is_left_as_it_is(path: Path, kind: str, tmp_path: Path) -> None:
    other = tmp_path / "other.sock"
    if kind == "file":
        path.write_text("kept")
    elif kind == "folder":
        path.mkdir()
    else:
        if kind == "link":
            _leave_stale(other)
        path.symlink_to(other)
    before = path.lstat()
    with pytest.raises(ConfigurationError, match="is there and is no socket"), listening(str(path), OPEN, {}):
        pass
    assert (path.lstat().st_ino, path.lstat().st_mtime_ns) == (before.st_ino, before.st_mtime_ns)


def test_a_lock_that_is_a_link_is_not_followed(path: Path, tmp_path: Path) -> None:
    target = tmp_path / "precious"
    target.write_text("kept")
    path.with_name("mcp.sock.lock").symlink_to(target)
    with pytest.raises(ConfigurationError, match="cannot be opened"), listening(str(path), OPEN, {}):
        pass
    assert target.read_text() == "kept"


@pytest.mark.requirement("socket-replaces-nothing")
@pytest.mark.parametrize(("mode", "fits"), [(0o755, True), (0o770, False), (0o707, False), (0o1777, True)])
def test_a_folder_that_others_write_is_refused(tmp_path: Path, mode: int, fits: bool) -> None:
    """Unless only the owner of a file can replace it there, as in /tmp."""
    folder = tmp_path / "run"
    folder.mkdir()
    folder.chmod(mode)
    if fits:
        with listening(str(folder / "mcp.sock"), OPEN, {}):
            pass
    else:
        with pytest.raises(ConfigurationError, match="others can replace"), listening(str(folder / "s"), OPEN, {}):
            pass


@pytest.mark.parametrize("text", ["mcp.sock", "/" + "x" * 107, "/no/such/folder/mcp.sock"])
def test_paths_that_cannot_be_served_are_refused(text: str) -> None:
    with pytest.raises(ConfigurationError, match="cannot be served"), listening(text, OPEN, {}):
        pass


def test_what_replaced_the_file_is_not_removed(path: Path) -> None:
    """At the end the file is another's."""
    with listening(str(path), OPEN, {}):
        path.unlink()
        path.write_text("another's")
    assert path.read_text() == "another's"


CHILD = """
import os, socket, sys
from vpsops.mcp_server.unix_socket.config import SocketConfig
from vpsops.mcp_server.unix_socket.listener import listening
sock = socket.socket(fileno=int(sys.argv[1])); kept = sock.fileno()
if kept != 3: os.dup2(kept, 3, inheritable=True); sock.close()
else: sock.detach()
environ = {"LISTEN_PID": str(os.getpid()), "LISTEN_FDS": sys.argv[3]}
try:
    with listening(sys.argv[2], SocketConfig({}), environ) as got:
        print("listens", os.get_inheritable(got.fileno()))
except Exception as error:
    print(type(error).__name__, error)
"""


def inherit(sock: socket.socket, path: str, count: str = "1") -> str:
    """Start a process with a socket as systemd does, and return what came of it."""
    sock.set_inheritable(True)
    command = [sys.executable, "-c", CHILD, str(sock.fileno()), path, count]
    done = subprocess.run(
        command, pass_fds=[sock.fileno()], capture_output=True, text=True, timeout=PATIENCE_SECONDS, check=True
    )
    return done.stdout.strip()


@pytest.mark.slow
@pytest.mark.real_time
def test_the_socket_of_systemd_is_used_and_left_in_place(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as sock, socket.create_server(("127.0.0.1", 0)) as other:
        sock.bind(str(path))
        assert "no Unix stream socket" in inherit(sock, str(path))  # it does not listen yet
        sock.listen()
        assert inherit(sock, str(path)) == inherit(sock, "") == "listens False"
        assert "--socket says /run/other.sock" in inherit(sock, "/run/other.sock")
        assert "2 sockets" in inherit(sock, str(path), "2")
        assert "no Unix stream socket" in inherit(other, str(path))
        assert path.exists()


@pytest.mark.parametrize(
    "environ", [{}, {"LISTEN_PID": "1", "LISTEN_FDS": "1"}, {"LISTEN_FDS": "1"}, {"LISTEN_PID": str(os.getpid())}]
)
def test_a_socket_for_another_process_is_not_taken(environ: dict[str, str]) -> None:
    assert inherited_socket(environ, os.getpid()) is None
