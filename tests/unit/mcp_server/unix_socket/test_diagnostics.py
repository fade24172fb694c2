"""`vpsops doctor` on the local service: which set-up `vpsops mcp` of this user is in."""

import errno
import os
import socket
from pathlib import Path

import pytest

from tests.harness.virtual_time import VirtualClock
from vpsops.core.config.settings import Settings
from vpsops.core.console.checks import DoctorFinding, Level
from vpsops.mcp_server.diagnostics import check_socket
from vpsops.mcp_server.unix_socket.config import SocketConfig
from vpsops.mcp_server.unix_socket.listener import listening
from vpsops.mcp_server.unix_socket.peer import peer_of, user_name

KEY = "wayscloud_vps_test1_SECRET"


async def inspect(path: Path | str, **values: str) -> list[DoctorFinding]:
    """Return the findings for a path of the socket."""
    return list(await check_socket(Settings.model_validate({"VPSOPS_SOCKET": str(path), **values}), VirtualClock()))


async def test_without_a_service_it_is_a_server_of_its_own(tmp_path: Path) -> None:
    for path in (tmp_path / "none", "off", "OFF"):
        (finding,) = await inspect(path)
        assert finding.level is Level.OK
        assert "is a server of its own" in finding.what


async def test_a_service_is_named_with_its_user_and_a_key_beside_it_is_warned_of(tmp_path: Path) -> None:
    path = tmp_path / "mcp.sock"
    with listening(str(path), SocketConfig({}), {}) as sock:
        ours, theirs = socket.socketpair(socket.AF_UNIX)
        with ours, theirs:
            user = user_name(peer_of(ours).uid)
        (finding,) = await inspect(path)
        assert (finding.level, finding.what.endswith(f"of the user {user}")) == (Level.OK, True)
        first, second = await inspect(path, WAYSCLOUD_API_KEY=KEY)
        assert (first.level, second.level) == (Level.OK, Level.WARN)
        assert KEY not in second.what + second.todo
        assert sock.fileno() > 0


async def test_a_service_that_does_not_answer_is_warned_of(tmp_path: Path) -> None:
    path = tmp_path / "mcp.sock"
    with socket.socket(socket.AF_UNIX) as sock:
        sock.bind(str(path))
    (finding,) = await inspect(path)
    assert finding.level is Level.WARN
    assert "does not answer" in finding.what


async def test_a_user_without_the_group_is_named_and_the_services_own_user_is_right(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Starting the service again, or removing its socket, would help neither."""

    def refuse(*_: object) -> socket.socket:
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))

    monkeypatch.setattr("vpsops.mcp_server.diagnostics.connect", refuse)
    path, user = tmp_path / "mcp.sock", user_name(os.geteuid())
    with socket.socket(socket.AF_UNIX) as sock:
        sock.bind(str(path))
    (finding,) = await inspect(path, VPSOPS_SOCKET_USER="nobody-else")
    assert (finding.level, f"the user {user} may not connect" in finding.what) == (Level.WARN, True)
    assert "group" in finding.todo
    (own,) = await inspect(path, VPSOPS_SOCKET_USER=user)
    assert (own.level, "runs as this user" in own.what) == (Level.OK, True)


async def test_what_is_no_socket_of_the_service_fails(tmp_path: Path) -> None:
    path = tmp_path / "mcp.sock"
    path.symlink_to(tmp_path / "other")
    (finding,) = await inspect(path)
    assert finding.level is Level.FAIL
    assert "symbolic link" in finding.what


async def test_the_services_own_map_is_counted(tmp_path: Path) -> None:
    config = tmp_path / "vpsops.toml"
    config.write_text(
        '[mcp.socket]\nunmapped = "read"\n[mcp.socket.users]\n4001 = "ann@example.com"\n', encoding="utf-8"
    )
    _, mapped = await inspect("off", VPSOPS_CONFIG=str(config))
    assert mapped.what == "[mcp.socket] maps 1 users; the others may read"
