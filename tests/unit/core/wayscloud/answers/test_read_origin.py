"""The key goes to the origin that was configured, and nowhere else."""

import json

import pytest

from tests.fakes.clock import FakeClock
from tests.fakes.provider import (
    KEY,
    QUICK,
    SERVER,
    SERVER_ID,
    Provider,
    Reply,
    answers,
    raw,
    wire,
)
from vpsops.core.common.errors import ConfigurationError
from vpsops.core.wayscloud.answers.errors import UntrustedRedirectError
from vpsops.core.wayscloud.client import Wayscloud
from vpsops.core.wayscloud.requests.connection import ProviderConnection
from vpsops.core.wayscloud.requests.credentials import Credentials

GET = f"/v1/vps/{SERVER_ID}"


@pytest.mark.parametrize(
    "status", ["301 Moved", "302 Found", "303 See Other", "307 Temporary Redirect", "308 Permanent Redirect"]
)
@pytest.mark.requirement("key-stays-at-its-origin")
async def test_the_key_never_goes_to_another_port(status: str) -> None:
    """A redirect to another origin, even on the same machine, is refused and not visited."""
    async with wire(answers(raw("200 OK", b"{}"))) as elsewhere:
        redirect = raw(status, b"", f"Location: {elsewhere.url}/v1/vps")
        async with wire(answers(redirect)) as server, server.client() as client:
            with pytest.raises(UntrustedRedirectError, match="key stays here"):
                await client.list_servers()
        assert elsewhere.connections == 0
    assert len(server.received) == 1


@pytest.mark.parametrize(
    "location",
    [
        "https://provider.test/v1/vps/",
        "http://provider.test:8443/v1/vps/",
        "http://evil.test/v1/vps/",
        "//evil.test/v1/vps/",
        "http://someone@provider.test/v1/vps/",
        "http://provider.test.evil.test/",
        "http://[broken/",
        "",
    ],
)
async def test_only_the_same_origin_is_followed(location: str) -> None:
    """Another scheme, port, host or user, and an address that is none, are refused; the other form is asked here."""
    provider = Provider().on("GET", "/v1/vps", Reply(307, headers={"Location": location}))
    async with provider.client() as client:
        with pytest.raises(UntrustedRedirectError):
            await client.list_servers()
    other_form = location.endswith("/v1/vps/") and "@" not in location
    assert provider.paths() == ["GET /v1/vps", "GET /v1/vps/"][: 1 + other_form]
    assert {item.headers["host"] for item in provider.received} == {"provider.test"}


async def test_redirects_in_a_circle_end() -> None:
    """Three hops are followed, the fourth is not."""
    provider = Provider().on("GET", "/v1/vps", Reply(308, headers={"Location": "/v1/vps"}))
    async with provider.client() as client:
        with pytest.raises(UntrustedRedirectError, match="circle"):
            await client.list_servers()
    assert len(provider.received) == 4


@pytest.mark.parametrize(
    "url", ["", "api.wayscloud.services", "ftp://host", "https://", "https://u:p@host", "https://h/?q=1", "http://host"]
)
def test_an_address_that_would_endanger_the_key_does_not_load(url: str) -> None:
    """Plain http to elsewhere, users in the address and things that are no address are refused at the start."""
    with pytest.raises(ConfigurationError):
        Wayscloud(ProviderConnection(Credentials(KEY), base_url=url, clock=FakeClock()))


async def test_a_base_path_is_kept() -> None:
    """An API behind a path prefix is reached, and its slash habit remembered."""
    async with wire(answers(raw("404 Not Found"), raw("200 OK", json.dumps([SERVER]).encode()))) as server:
        client = Wayscloud(
            ProviderConnection(Credentials(KEY), base_url=f"{server.url}/api/", clock=FakeClock(), settings=QUICK)
        )
        async with client:
            await client.list_servers()
            await client.list_servers()
    assert [request.path for request in server.received] == ["/api/v1/vps", "/api/v1/vps/", "/api/v1/vps/"]
