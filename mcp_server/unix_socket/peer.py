"""Who connects, as the kernel says: the user id at the moment of the connection, and the person it is mapped to."""

import pwd
import socket
import struct
from dataclasses import dataclass
from typing import Final

from vpsops.core.identity.actors import LOCAL
from vpsops.mcp_server.auth.principal import READ, Caller
from vpsops.mcp_server.unix_socket.config import SocketConfig, overflow_uid

CREDENTIALS: Final = struct.Struct("iII")  # struct ucred: pid, uid, gid
NO_USER: Final = 2**32 - 1


@dataclass(frozen=True, slots=True)
class Peer:
    """The process that connected; `pid` is for logs alone, as ids are given again."""

    uid: int
    pid: int


def peer_of(sock: socket.socket) -> Peer:
    """Return who connected a socket (SO_PEERCRED); raises `OSError` where the kernel does not say."""
    pid, uid, _ = CREDENTIALS.unpack(sock.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, CREDENTIALS.size))
    if uid == NO_USER:
        raise OSError("the socket has no credentials")
    return Peer(uid, pid)


def user_name(uid: int) -> str:
    """Return the name of a user, or the id of one without a name."""
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return str(uid)


@dataclass(slots=True)
class SocketUsers:
    """The users that may connect: `own_uid` runs the service, and `own_human` is the person of a session of its own.

    `config` is replaced as a whole by a reload.
    """

    config: SocketConfig
    own_uid: int
    own_human: str

    def caller_of(self, peer: Peer) -> Caller | None:
        """Return the caller that a peer is; None for a user who may do nothing.

        Nothing that the peer sends takes part: its environment and its messages name the agent at most.
        """
        subject = f"uid-{peer.uid}"
        if peer.uid in self.config.humans:
            return Caller(self.config.humans[peer.uid], subject, named_in="[mcp.socket.users]")
        if peer.uid == self.own_uid:  # it could start `vpsops mcp` with the same settings
            return Caller(self.own_human, subject, named_in="VPSOPS_ACTOR")
        if self.config.unmapped_read and peer.uid != overflow_uid():
            return Caller(f"{LOCAL}{user_name(peer.uid)}", subject, scopes=frozenset({READ}))
        return None


def refusal_of(peer: Peer) -> str:
    """Return what a user reads who may do nothing here, and the one way out."""
    return (
        f"The vpsops service does not know the user {user_name(peer.uid)} (id {peer.uid}) of this machine."
        " Have its administrator list that user in [mcp.socket.users]."
    )
