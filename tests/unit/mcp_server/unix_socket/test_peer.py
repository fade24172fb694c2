"""Who connects: the user id at the moment of the connection, and the person it is mapped to."""

import os
import socket

import pytest

from vpsops.mcp_server.auth.principal import READ, SCOPES
from vpsops.mcp_server.unix_socket.config import SocketConfig, overflow_uid
from vpsops.mcp_server.unix_socket.peer import Peer, SocketUsers, peer_of, refusal_of, user_name

USERS = SocketUsers(SocketConfig({4001: "ann@example.com"}), 4000, "carol@example.com")
READERS = SocketUsers(SocketConfig({4001: "ann@example.com"}, unmapped_read=True), 4000, "carol@example.com")


def test_the_kernel_names_the_process_at_the_other_end() -> None:
    ours, theirs = socket.socketpair(socket.AF_UNIX)
    with ours, theirs:
        assert peer_of(ours) == Peer(os.geteuid(), os.getpid())


def test_a_socket_without_a_peer_is_no_ones() -> None:
    with socket.socket(socket.AF_UNIX) as alone, pytest.raises(OSError, match="credentials"):
        peer_of(alone)


@pytest.mark.requirement("socket-identity")
def test_each_user_is_one_person_and_the_others_are_none() -> None:
    ann = USERS.caller_of(Peer(4001, 1))
    own = USERS.caller_of(Peer(4000, 1))
    assert ann is not None
    assert own is not None
    assert (ann.human, ann.subject, ann.named_in) == ("ann@example.com", "uid-4001", "[mcp.socket.users]")
    assert (own.human, own.subject, own.named_in) == ("carol@example.com", "uid-4000", "VPSOPS_ACTOR")
    assert ann.scopes == own.scopes == frozenset(SCOPES)
    for uid in (0, 4002, overflow_uid()):
        assert USERS.caller_of(Peer(uid, 1)) is None
        assert str(uid) in refusal_of(Peer(uid, 1))


def test_others_read_where_that_is_said_but_for_users_that_have_no_id_here() -> None:
    for uid in (0, 4002):
        reader = READERS.caller_of(Peer(uid, 1))
        assert reader is not None
        assert (reader.human, reader.scopes) == (f"local:{user_name(uid)}", frozenset({READ}))
    assert READERS.caller_of(Peer(overflow_uid(), 1)) is None


def test_a_listed_user_stays_that_person_where_the_service_runs_as_it() -> None:
    users = SocketUsers(SocketConfig({4000: "ann@example.com"}), 4000, "carol@example.com")
    caller = users.caller_of(Peer(4000, 1))
    assert caller is not None
    assert caller.human == "ann@example.com"
