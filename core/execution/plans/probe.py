"""Asks a server that settled whether it answers, at its own address alone.

One connection at a time, each with a time limit; nothing is sent but a request line for HTTP, no redirect is followed,
and of the answer only the status line is read. httpx is not used: it would follow the environment's proxies to another
address.
"""

import re
from collections.abc import Awaitable, Callable
from ipaddress import ip_address, ip_network
from typing import Final

import anyio

from vpsops.core.common.timings import PROBE_ANSWER_SECONDS
from vpsops.core.operations.target import Target
from vpsops.core.plans.requests import ProbeSpec

STATUS: Final = re.compile(rb"HTTP/1\.[01] ([0-9]{3})[ \r]")
LONGEST_STATUS: Final = 200
THIS_NETWORK: Final = ip_network("0.0.0.0/8")
"""Addresses that mean this machine (RFC 1122)."""
HEALTHY: Final = range(200, 400)

Probe = Callable[[Target, ProbeSpec], Awaitable[str]]
"""Returns why a server does not answer, or ""."""


async def probe_server(target: Target, spec: ProbeSpec) -> str:
    """Return why a server does not answer at its own address, or "" where it does."""
    if not is_public(target.address):
        return f"its address {target.address or '(none is known)'} is none that is asked"
    return await probe_address(target.address, spec, target.hostname)


def is_public(address: str) -> bool:
    """Return whether an address can be a server's own: not this machine's, nor one that only a network's parts use."""
    try:
        parsed = ip_address(address)
    except ValueError:
        return False
    within = getattr(parsed, "ipv4_mapped", None) or getattr(parsed, "sixtofour", None) or parsed  # 6to4, RFC 3056
    local = within.is_loopback or within.is_link_local or within.is_multicast or within.is_unspecified
    return not (local or within.is_reserved or within in THIS_NETWORK)


async def probe_address(address: str, spec: ProbeSpec, hostname: str) -> str:
    """Return why an address does not answer within the time of one attempt, or ""."""
    try:
        with anyio.fail_after(PROBE_ANSWER_SECONDS):
            return await _attempt(address, spec, hostname)
    except TimeoutError:
        return f"no answer on port {spec.port}"
    except (OSError, anyio.EndOfStream, anyio.BrokenResourceError):
        return f"port {spec.port} is not open"


async def _attempt(address: str, spec: ProbeSpec, hostname: str) -> str:
    async with await anyio.connect_tcp(address, spec.port) as stream:
        if spec.kind == "tcp":
            return ""
        request = f"GET {spec.path} HTTP/1.1\r\nHost: {hostname}\r\nUser-Agent: vpsops\r\nConnection: close\r\n\r\n"
        await stream.send(request.encode("ascii", "replace"))
        answer = b""
        while b"\r\n" not in answer and len(answer) < LONGEST_STATUS:
            answer += await stream.receive(LONGEST_STATUS)
    match = STATUS.match(answer)
    if match is None:
        return f"port {spec.port} speaks no HTTP"
    return "" if int(match[1]) in HEALTHY else f"{spec.path} answers {int(match[1])}"
