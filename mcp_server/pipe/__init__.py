"""`vpsops mcp` where a service of this machine is: passes lines on, and loads nothing but the standard library.

An import contract holds that. It keeps no key, no settings and no database; the kernel says to
the service who asks.
"""

from __future__ import annotations

import os
import signal
import sys

from vpsops.mcp_server.pipe.address import UntrustedSocketError, check_file, find_socket
from vpsops.mcp_server.pipe.pipe import ServicePipe, refuse_all

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["serve_pipe"]

GOOD = 0
USAGE = 2


def serve_pipe(words: Sequence[str]) -> int | None:
    """Serve the client from the service until it leaves, and return the exit code; None where there is no service."""
    path = find_socket(words, os.environ)
    if path is None:
        return None
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, _leave)
    signal.signal(signal.SIGINT, _leave)
    try:
        check_file(path, os.environ)
        if not words and os.isatty(0):  # a person typed it and would see nothing
            os.write(2, f"vpsops mcp: passes JSON lines to the service at {path}; Ctrl-C ends it.\n".encode())
        ServicePipe(path, words, os.environ).run()
    except UntrustedSocketError as error:
        sys.stderr.write(f"{error}\n")
        refuse_all(str(error))
        return USAGE
    except BrokenPipeError:
        return GOOD
    return GOOD


def _leave(*_: object) -> None:
    os._exit(GOOD)
