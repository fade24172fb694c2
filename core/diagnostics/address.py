"""What `vpsops doctor` says of the address that a process would listen at: free, ours already, or taken."""

import errno
import json
from collections.abc import Sequence
from http.client import HTTPException
from typing import Final
from urllib.request import ProxyHandler, build_opener

import anyio
import anyio.to_thread

from vpsops.core.common import timings
from vpsops.core.console import exit_codes
from vpsops.core.console.checks import DoctorFinding, fail, ok
from vpsops.core.server.http_server import bind

AREA: Final = "address"
ANSWER_SECONDS: Final = timings.ADDRESS_ANSWER_SECONDS
MOST_BYTES: Final = 65_536


async def address_findings(host: str, port: int) -> Sequence[DoctorFinding]:
    """Bind an address without listening, and let it go; where it is taken, ask who answers there."""
    where = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
    try:
        bind(host, port).close()
    except OSError as error:
        if error.errno == errno.EADDRINUSE and await anyio.to_thread.run_sync(_is_ours, where):
            return [ok(AREA, f"a process of vpsops serves at {where}")]
        taken = "another program has it" if error.errno == errno.EADDRINUSE else error.strerror or str(error)
        todo = "Stop that program, or give vpsops another --http HOST:PORT, and name it to doctor by --http as well"
        return [fail(AREA, f"{where} cannot be listened on: {taken}", todo, exit_codes.USAGE)]
    return [ok(AREA, f"{where} is free")]


def _is_ours(where: str) -> bool:
    """Return whether what answers at an address answers `/livez` as vpsops does."""
    opener = build_opener(ProxyHandler({}))  # it is this machine that is asked, whatever proxy there is for others
    try:
        with opener.open(f"http://{where}/livez", timeout=ANSWER_SECONDS) as answer:
            body = json.loads(answer.read(MOST_BYTES))
    except (OSError, HTTPException, ValueError):
        return False
    return isinstance(body, dict) and isinstance(body.get("ok"), bool)
