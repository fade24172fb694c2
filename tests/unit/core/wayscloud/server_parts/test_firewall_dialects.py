"""The client's calls about firewall rules against the simulated provider, in every dialect of the service."""

import pytest

from tests.unit.core.wayscloud.server_parts.test_snapshots_dialects import provided
from vpsops.core.wayscloud.answers.errors import NotFoundError, NotOfferedError, ProviderRefusedError
from vpsops.core.wayscloud.server_parts.firewall_answers import NewFirewallRule

SSH = NewFirewallRule(port=22, source="192.0.2.0/24")


@pytest.mark.parametrize("dialect", ["live", "sdk"])
async def test_rules_live_where_they_are_offered(dialect: str) -> None:
    """One is added, listed and removed; a removed one is not found."""
    api, _ = provided(dialect)
    async with api as client:
        server, firewall = (await client.list_servers())[0].id, client.firewall
        assert await firewall.list_rules(server) == []
        added = await firewall.add_rule(server, SSH)
        assert await firewall.list_rules(server) == [added]
        assert added.equals(SSH)
        assert (await firewall.remove_rule(server, added.id)).ok
        assert await firewall.list_rules(server) == []
        with pytest.raises(NotFoundError):
            await firewall.remove_rule(server, added.id)


@pytest.mark.parametrize("dialect", ["seed", "terraform"])
async def test_a_firewall_is_not_offered_elsewhere(dialect: str) -> None:
    """The list says so; every write is refused, and a server that is not there is still not found."""
    api, _ = provided(dialect)
    async with api as client:
        server, firewall = (await client.list_servers())[0].id, client.firewall
        with pytest.raises(NotOfferedError):
            await firewall.list_rules(server)
        with pytest.raises(NotFoundError):
            await firewall.list_rules("00000000-0000-4000-8000-000000000000")
        with pytest.raises(ProviderRefusedError):
            await firewall.add_rule(server, SSH)
        with pytest.raises(ProviderRefusedError):
            await firewall.remove_rule(server, "r1")
