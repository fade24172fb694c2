"""A probe goes to a server's own address, and never to the machine that asks or to what only its network uses."""

import pytest

from vpsops.core.execution.plans.probe import is_public, probe_server
from vpsops.core.operations.target import Target
from vpsops.core.plans.requests import ProbeSpec


@pytest.mark.parametrize("address", ["185.35.202.45", "::ffff:185.35.202.45", "2a01:4f8::1", "10.0.0.7"])
def test_a_servers_own_address_is_asked(address: str) -> None:
    assert is_public(address)


@pytest.mark.parametrize(
    "address",
    [
        *("", "web01", "127.0.0.1", "0.0.0.0", "0.0.0.1", "169.254.169.254", "224.0.0.1", "255.255.255.255"),
        *("::", "::1", "fe80::1", "ff02::1", "::ffff:127.0.0.1", "::ffff:169.254.169.254", "2002:7f00:1::"),
        "64:ff9b::7f00:1",
    ],
)
async def test_this_machine_is_not_asked_in_any_spelling(address: str) -> None:
    """Also not by an IPv4 address within one of IPv6, as RFC 4291, RFC 3056 and RFC 6052 write it."""
    assert not is_public(address)
    why = await probe_server(Target("srv-1", "web01", "running", address=address), ProbeSpec("tcp", 22))
    assert "is none that is asked" in why
