"""The socket's file: made with its permissions, never over anything else, or inherited from systemd."""

import fcntl
import os
import socket
import stat
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

from vpsops.core.common.errors import ConfigurationError
from vpsops.mcp_server.unix_socket.config import SocketConfig

FIRST_DESCRIPTOR: Final = 3  # sd_listen_fds(3)
BACKLOG: Final = 128
LONGEST_PATH: Final = 107  # sockaddr_un
SHARED_WRITE: Final = stat.S_IWGRP | stat.S_IWOTH


@contextmanager
def listening(path: str, config: SocketConfig, environ: Mapping[str, str]) -> Iterator[socket.socket]:
    """Yield a listening socket: the one that systemd hands over, else one at `path` for as long as the block runs.

    Raises `ConfigurationError` where that cannot be done safely, and where another service listens there.
    """
    inherited = inherited_socket(environ, os.getpid())
    if inherited is not None:
        with inherited:
            _check_name(inherited, path)
            yield inherited
        return
    place = Path(path)
    _check_place(place)
    with _locked(place), _bound(place, config) as sock:
        yield sock


def is_inherited(environ: Mapping[str, str], pid: int) -> bool:
    """Return whether systemd hands a socket to this very process."""
    return environ.get("LISTEN_PID") == str(pid) and environ.get("LISTEN_FDS", "0") != "0"


def inherited_socket(environ: Mapping[str, str], pid: int) -> socket.socket | None:
    """Return the socket that systemd hands over (socket activation), or None."""
    if not is_inherited(environ, pid):
        return None
    if environ["LISTEN_FDS"] != "1":
        raise _refused(
            f"systemd hands over {environ['LISTEN_FDS']} sockets", "Let the .socket unit have one ListenStream=."
        )
    os.set_inheritable(FIRST_DESCRIPTOR, False)
    try:
        sock = socket.socket(fileno=FIRST_DESCRIPTOR)
        fits = sock.family == socket.AF_UNIX and sock.type == socket.SOCK_STREAM
        listens = bool(sock.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN))
    except OSError as error:
        raise _refused(f"the socket of systemd cannot be used ({error.strerror})", "Check the .socket unit.") from None
    if not fits or not listens:
        raise _refused(
            "the socket of systemd is no Unix stream socket", "Give its unit ListenStream=/run/vpsops/mcp.sock."
        )
    sock.setblocking(False)
    return sock


def _check_name(sock: socket.socket, path: str) -> None:
    name = os.fsdecode(sock.getsockname())
    if path and name != path:
        raise _refused(f"systemd listens at {name}, and --socket says {path}", "Write the same path in both.")


def _check_place(path: Path) -> None:
    """Refuse a path that others could put something else at."""
    if len(os.fsencode(path)) > LONGEST_PATH or not path.is_absolute():
        raise _refused(
            f"{path} is no absolute path of {LONGEST_PATH} bytes at most", "Write it like /run/vpsops/mcp.sock."
        )
    try:
        folder = path.parent.stat()
    except OSError as error:
        raise _refused(f"{path.parent} cannot be used ({error.strerror})", "Make that folder for this user.") from None
    shared = folder.st_mode & SHARED_WRITE and not folder.st_mode & stat.S_ISVTX
    if folder.st_uid not in {0, os.geteuid()} or shared:
        raise _refused(
            f"others can replace what is in {path.parent}",
            "Use a folder that only this user writes, such as /run/vpsops.",
        )


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    """Hold the lock of a path, which one of two services gets. The file stays, or the lock would mean nothing."""
    lock = path.with_name(f"{path.name}.lock")
    try:
        descriptor = os.open(lock, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise _refused(f"{lock} cannot be opened ({error.strerror})", "Remove what stands there.") from None
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise _refused(
                f"another service listens at {path}", "End that one first, or choose another path."
            ) from None
        yield
    finally:
        os.close(descriptor)


@contextmanager
def _bound(path: Path, config: SocketConfig) -> Iterator[socket.socket]:
    _remove_stale(path)
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as sock:
        mask = os.umask(0o177)  # until it has its group, the file is its owner's alone
        try:
            sock.bind(str(path))
        except OSError as error:
            raise _refused(f"{path} cannot be made ({error.strerror})", "Check the folder's owner.") from None
        finally:
            os.umask(mask)
        made = path.lstat()
        try:
            _hand_out(path, config)
            sock.listen(BACKLOG)
            sock.setblocking(False)
            yield sock
        finally:
            with suppress(OSError):
                now = path.lstat()
                if (now.st_dev, now.st_ino) == (made.st_dev, made.st_ino):
                    path.unlink()


def _hand_out(path: Path, config: SocketConfig) -> None:
    try:
        if config.group is not None:
            os.chown(path, -1, config.group, follow_symlinks=False)
        path.chmod(config.mode)
    except OSError as error:
        raise _refused(
            f"{path} cannot be given to the group of [mcp.socket] ({error.strerror})", "Make this user a member of it."
        ) from None


def _remove_stale(path: Path) -> None:
    """Remove a socket of this user that nothing listens on; anything else is left, and refused."""
    try:
        about = path.lstat()
    except FileNotFoundError:
        return
    if not stat.S_ISSOCK(about.st_mode) or about.st_uid != os.geteuid():
        raise _refused(f"{path} is there and is no socket of this user", "Remove it, or choose another path.")
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.setblocking(False)
        try:
            probe.connect(str(path))
        except ConnectionRefusedError:
            path.unlink()
            return
        except OSError:  # its queue is full: a service listens
            pass
    raise _refused(f"another service listens at {path}", "End that one first, or choose another path.")


def _refused(what: str, hint: str) -> ConfigurationError:
    return ConfigurationError(f"The socket cannot be served: {what}.", hint=hint)
