"""The calls about a server's firewall. No page documents them; the official SDK and command line make them."""

from operator import attrgetter
from typing import Final

from vpsops.core.wayscloud.answers.models import AcceptedOperation, ProviderList
from vpsops.core.wayscloud.answers.validate import validate_id, validate_part
from vpsops.core.wayscloud.requests import endpoints
from vpsops.core.wayscloud.requests.send_hook import SendHook
from vpsops.core.wayscloud.server_parts import firewall_answers as answers
from vpsops.core.wayscloud.server_parts.firewall_answers import FirewallRule, NewFirewallRule
from vpsops.core.wayscloud.server_parts.part_calls import PartCalls

WHAT: Final = "rule id"


class Firewall:
    """Firewall rules of servers. Reads raise `NotOfferedError` where the API has none, writes as `Wayscloud` says."""

    def __init__(self, calls: PartCalls) -> None:
        self._calls = calls

    async def list_rules(self, server_id: str) -> ProviderList[FirewallRule]:
        """Return the rules of one server's firewall."""
        route = endpoints.FIREWALL.of(validate_id(server_id))
        return await self._calls.list(route, answers.rules, attrgetter("id"))

    async def add_rule(
        self, server_id: str, rule: NewFirewallRule, *, departure: SendHook | None = None
    ) -> FirewallRule:
        """Request a rule, once; the answer need not have its id."""
        route = endpoints.ADD_RULE.of(validate_id(server_id))
        reader = answers.added(server_id, rule)
        return await self._calls.connection.write(route, reader, body=rule.model_dump(), departure=departure)

    async def remove_rule(
        self, server_id: str, rule_id: str, *, departure: SendHook | None = None
    ) -> AcceptedOperation:
        """Remove a rule."""
        route = endpoints.REMOVE_RULE.of(validate_id(server_id), validate_part(rule_id, WHAT))
        reader = answers.NAMES.accepted(server_id, rule_id)
        return await self._calls.connection.write(route, reader, departure=departure)
