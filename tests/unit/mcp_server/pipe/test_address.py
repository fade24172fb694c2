"""Whose socket is taken for the service's: an impostor must not get the assistant's words."""

import os
import socket
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from vpsops.mcp_server.pipe.address import WELL_KNOWN, UntrustedSocketError, check_file, connect, find_socket

OTHER = 4005


@pytest.fixture
def path(tmp_path: Path) -> Iterator[Path]:
    place = tmp_path / "mcp.sock"
    with socket.socket(socket.AF_UNIX) as sock:
        sock.bind(str(place))
        sock.listen()
        yield place


def test_a_service_is_where_its_socket_is(path: Path, tmp_path: Path) -> None:
    """Nothing there, `off`, and what needs no service mean a server of its own, as ever."""
    environ = {"VPSOPS_SOCKET": str(path)}
    assert find_socket([], environ) == find_socket(["--read-only"], environ) == str(path)
    assert find_socket([], {"VPSOPS_SOCKET": str(tmp_path / "none")}) is None
    assert find_socket([], {"VPSOPS_SOCKET": str(path / "none")}) is None
    assert find_socket([], {"VPSOPS_SOCKET": "OFF"}) is None
    for words in (["--http", "127.0.0.1:1"], ["--http=127.0.0.1:1"], ["--help"], ["-h"]):
        assert find_socket(words, environ) is None
    assert find_socket([], {}) == (WELL_KNOWN if Path(WELL_KNOWN).exists() else None)


def test_a_path_that_cannot_be_seen_counts_as_a_service() -> None:
    """Unknown is not none: the user who is kept out gets an error, not a server with other settings."""
    assert find_socket([], {"VPSOPS_SOCKET": "/tmp/" + "x" * 300}) is not None  # noqa: S108


def test_the_users_own_socket_is_taken(path: Path) -> None:
    check_file(str(path), {})
    connect(str(path), {}).close()


@pytest.mark.requirement("socket-no-impostor")
@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a file to another user")
def test_another_users_socket_is_refused_unless_it_is_the_services(path: Path) -> None:
    os.chown(path, OTHER, OTHER)
    for environ in ({}, {"VPSOPS_SOCKET_USER": "daemon"}, {"VPSOPS_SOCKET_USER": "no-such-user"}):
        with pytest.raises(UntrustedSocketError, match=f"belongs to the user {OTHER}"):
            check_file(str(path), environ)
        with pytest.raises(UntrustedSocketError):
            connect(str(path), environ)
    check_file(str(path), {"VPSOPS_SOCKET_USER": str(OTHER)})


@pytest.mark.requirement("socket-no-impostor")
@pytest.mark.skipif(os.geteuid() != 0, reason="only root can be another user for a moment")
def test_an_impostor_behind_a_trusted_file_is_refused() -> None:
    """The kernel says who listens; whose the file is, is not enough."""
    with tempfile.TemporaryDirectory() as folder, socket.socket(socket.AF_UNIX) as sock:
        Path(folder).chmod(0o777)
        place = Path(folder) / "mcp.sock"
        os.seteuid(OTHER)
        try:
            sock.bind(str(place))
            sock.listen()
        finally:
            os.seteuid(0)
        os.chown(place, 0, 0)
        check_file(str(place), {})
        with pytest.raises(UntrustedSocketError, match=f"belongs to the user {OTHER}"):
            connect(str(place), {})


@pytest.mark.requirement("socket-no-impostor")
@pytest.mark.parametrize("kind", ["link", "file"])
def test_what_is_no_socket_is_refused(path: Path, tmp_path: Path, kind: str) -> None:
    place = tmp_path / "other"
    if kind == "link":
        place.symlink_to(path)
    else:
        place.touch()
    with pytest.raises(UntrustedSocketError, match="symbolic link" if kind == "link" else "no socket"):
        check_file(str(place), {})


def test_a_socket_that_nobody_listens_on_is_an_error_for_a_while(tmp_path: Path) -> None:
    place = tmp_path / "mcp.sock"
    with socket.socket(socket.AF_UNIX) as sock:
        sock.bind(str(place))
    with pytest.raises(ConnectionRefusedError):
        connect(str(place), {})
    place.unlink()
    with pytest.raises(FileNotFoundError):
        connect(str(place), {})
