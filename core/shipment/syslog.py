"""Records as messages of syslog (RFC 5424): over UDP, TCP, TLS, or a Unix socket.

Syslog acknowledges nothing. Over a stream each batch has a connection of its own, which is closed in order: a peer
that reset it did not read all, and the batch is sent again. A datagram may be lost.
"""

import os
import re
import socket
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from anyio import to_thread

from vpsops.core.common import timings
from vpsops.core.shipment.batch import HOST, Batch, ShipmentError, ShippedRecord

PRIORITY: Final = 13 * 8 + 6  # of the facility "log audit", informational
MOST_DATAGRAM: Final = 60_000
SEQUENCE: Final = 2_147_483_647  # RFC 5424, 7.3.1
UNPRINTABLE: Final = re.compile(r"[^\x21-\x7e]")


@dataclass(frozen=True, slots=True)
class Syslog:
    """A receiver: a host and a port, or the path of a socket."""

    transport: str  # udp, tcp, tls or unix
    host: str
    port: int = 0
    authority: str = ""  # a file of certificates, where the system's do not do

    async def send(self, batch: Batch) -> None:
        """Send each record as a message."""
        try:
            await to_thread.run_sync(self._send, batch)
        except (OSError, UnicodeError) as error:  # of TLS, or of a name that can have no address
            why = getattr(error, "strerror", None) or type(error).__name__
            raise ShipmentError(f"The syslog receiver did not take the records: {why}.") from None

    def _send(self, batch: Batch) -> None:
        messages = [message_of(shipped) for shipped in batch]
        with self._connected() as connection:
            if connection.type == socket.SOCK_DGRAM:
                for message in messages:
                    connection.send(_fitting(message))
                return
            connection.sendall(b"".join(b"%d %s" % (len(message), message) for message in messages))
            _close_in_order(connection)

    @contextmanager
    def _connected(self) -> Iterator[socket.socket]:
        connection = _unix_socket(self.host) if self.transport == "unix" else self._network_socket()
        with connection:
            connection.settimeout(timings.SHIP_SECONDS)
            yield connection

    def _network_socket(self) -> socket.socket:
        if self.transport == "udp":
            family, kind, protocol, _, address = socket.getaddrinfo(self.host, self.port, type=socket.SOCK_DGRAM)[0]
            connection = socket.socket(family, kind, protocol)
            connection.connect(address)
            return connection
        connection = socket.create_connection((self.host, self.port), timings.SHIP_SECONDS)
        if self.transport != "tls":
            return connection
        context = ssl.create_default_context(cafile=self.authority or None)
        return context.wrap_socket(connection, server_hostname=self.host)


def _unix_socket(path: str) -> socket.socket:
    """Connect to a socket of datagrams, as `/dev/log` is, or to one of a stream."""
    for kind in (socket.SOCK_DGRAM, socket.SOCK_STREAM):
        connection = socket.socket(socket.AF_UNIX, kind)
        try:
            connection.connect(path)
        except OSError as error:
            connection.close()
            failure = error
        else:
            return connection
    raise failure


def _close_in_order(connection: socket.socket) -> None:
    """Wait until the peer has read to the end; a peer that keeps its side open has as well, as far as is known."""
    connection.settimeout(timings.SHIP_CLOSE_SECONDS)
    try:
        if isinstance(connection, ssl.SSLSocket):
            connection.unwrap()
        else:
            connection.shutdown(socket.SHUT_WR)
            while connection.recv(4096):
                continue
    except (TimeoutError, ssl.SSLEOFError, ssl.SSLZeroReturnError, ssl.SSLSyscallError):
        return


def message_of(shipped: ShippedRecord) -> bytes:
    """Return a record as a message: its header, its number as `sequenceId`, its line."""
    record = shipped.record
    at = datetime.fromtimestamp(record.at, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    event = UNPRINTABLE.sub("", record.event)[:32] or "-"
    host = UNPRINTABLE.sub("", HOST)[:255] or "-"
    number = (record.seq - 1) % SEQUENCE + 1
    head = f'<{PRIORITY}>1 {at} {host} vpsops {os.getpid()} {event} [meta sequenceId="{number}"] '
    return head.encode() + b"\xef\xbb\xbf" + shipped.line.encode()


def _fitting(message: bytes) -> bytes:
    """Return what a datagram holds of a message; a record that is cut shows, as it is no JSON any more."""
    return message if len(message) <= MOST_DATAGRAM else message[:MOST_DATAGRAM].decode(errors="ignore").encode()
