"""Finds the service's socket, and checks its owner: an impostor must not get the assistant's words."""

from __future__ import annotations

import _socket  # `socket` costs 600 KiB and 5 ms more, for names of constants
import os
import stat
import struct

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

WELL_KNOWN = "/run/vpsops/mcp.sock"
SERVICE_USER = "vpsops"
OFF = "off"
CREDENTIALS = "iII"  # struct ucred: pid, uid, gid
ROOT = 0


class UntrustedSocketError(Exception):
    """What stands at the path is not the service."""


def find_socket(words: Sequence[str], environ: Mapping[str, str]) -> str | None:
    """Return the path of the service's socket where something stands there; None where `vpsops mcp` runs by itself."""
    path = environ.get("VPSOPS_SOCKET", "") or WELL_KNOWN
    if path.lower() == OFF or any(word in {"-h", "--help"} or word.startswith("--http") for word in words):
        return None
    try:
        os.lstat(path)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError:  # it cannot be seen whether it is there: connecting will say
        return path
    return path


def check_file(path: str, environ: Mapping[str, str]) -> None:
    """Check what stands at the path, if anything does. Raises `UntrustedSocketError`."""
    try:
        about = os.lstat(path)
    except OSError:
        return
    if not stat.S_ISSOCK(about.st_mode):
        kind = "a symbolic link" if stat.S_ISLNK(about.st_mode) else "no socket"
        raise UntrustedSocketError(f"vpsops mcp: {path} is {kind}. Remove it, or set VPSOPS_SOCKET.")
    _check_user(path, about.st_uid, environ)


def connect(path: str, environ: Mapping[str, str]) -> _socket.socket:
    """Return a connection to the service. Raises `OSError` where it does not answer, `UntrustedSocketError`."""
    check_file(path, environ)
    sock = _socket.socket(_socket.AF_UNIX, _socket.SOCK_STREAM | _socket.SOCK_CLOEXEC)
    try:
        sock.setblocking(False)
        sock.connect(path)
        credentials = sock.getsockopt(_socket.SOL_SOCKET, _socket.SO_PEERCRED, struct.calcsize(CREDENTIALS))
        _check_user(path, struct.unpack(CREDENTIALS, credentials)[1], environ)  # the file may be another one by now
    except BaseException:
        sock.close()
        raise
    return sock


def _check_user(path: str, uid: int, environ: Mapping[str, str]) -> None:
    """Let root, this user and the service's user be at the other end, and no other user."""
    if uid in {ROOT, os.geteuid()}:
        return
    name = environ.get("VPSOPS_SOCKET_USER", "") or SERVICE_USER
    if uid != _uid_of(name):
        raise UntrustedSocketError(
            f"vpsops mcp: {path} belongs to the user {uid}, who is neither root, nor you, nor {name}."
            " If the service runs as that user, set VPSOPS_SOCKET_USER."
        )


def _uid_of(name: str) -> int | None:
    if name.isascii() and name.isdecimal():
        return int(name)
    import pwd  # noqa: PLC0415 - looked up where it matters alone

    try:
        return pwd.getpwnam(name).pw_uid
    except KeyError:
        return None
