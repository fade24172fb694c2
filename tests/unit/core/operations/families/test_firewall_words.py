"""A rule whose words are not known is never counted as harmless: its removal warns, and so does a very wide source."""

import pytest
from pydantic import JsonValue

from tests.fakes.clock import FakeClock
from tests.fakes.provider import SERVER_ID, Provider, Reply
from vpsops.bot.features.operations import result_post
from vpsops.bot.messages.servers import OperationCall
from vpsops.cli.operations.results import result_notes
from vpsops.core.common.errors import InvalidInputError
from vpsops.core.operations import OPERATIONS
from vpsops.core.operations.families.firewall import (
    NO_RULES,
    FirewallRuleList,
    FirewallState,
    describe_add,
    describe_remove,
)
from vpsops.core.operations.families.firewall_rules import NewRuleArguments, RuleArguments
from vpsops.core.operations.registry import ServerArguments
from vpsops.core.operations.strategies import LiveState
from vpsops.core.wayscloud.answers.validate import validate_network
from vpsops.core.wayscloud.server_parts import firewall_answers
from vpsops.mcp_server.presenters.projection import ReadArguments
from vpsops.mcp_server.presenters.results import read_result

NOW = FakeClock().now()
SSH: dict[str, JsonValue] = {"id": "r1", "port": 22, "protocol": "tcp", "source": "any"}


def labels_of_removal(**more: str) -> set[str]:
    listed = firewall_answers.rules([{**SSH, **more}])
    state = FirewallState(listed, listed[0])
    facts = describe_remove(RuleArguments(server="s", rule="r1"), LiveState(None, state))
    return {fact.label for fact in facts if fact.value}


@pytest.mark.parametrize(
    "more", [{}, {"protocol": "tcp/udp"}, {"protocol": "6"}, {"direction": "input"}, {"action": "pass"}]
)
def test_what_may_let_people_log_in_warns_of_a_lock_out(more: dict[str, str]) -> None:
    assert "Lock-out" in labels_of_removal(**more)


@pytest.mark.parametrize("more", [{"protocol": "udp"}, {"direction": "egress"}, {"action": "deny"}])
def test_what_lets_no_one_log_in_does_not(more: dict[str, str]) -> None:
    assert "Lock-out" not in labels_of_removal(**more)


def test_a_rule_that_keeps_packets_out_says_what_its_removal_risks() -> None:
    assert "Risk" in labels_of_removal(action="deny")
    assert "Risk" not in labels_of_removal()


@pytest.mark.parametrize(("source", "risk"), [("0.0.0.0/0", True), ("0.0.0.0/1", True), ("10.0.0.0/8", False)])
def test_half_of_the_internet_is_a_risk_too(source: str, risk: bool) -> None:
    state = FirewallState(firewall_answers.rules([]))
    facts = describe_add(NewRuleArguments(server="s", port=22, source=source), LiveState(None, state))
    assert any(fact.label == "Risk" and fact.value for fact in facts) is risk


@pytest.mark.parametrize("source", ["::ffff:0:0/96", "::ffff:10.0.0.1"])
def test_ipv4_is_written_as_ipv4(source: str) -> None:
    with pytest.raises(InvalidInputError, match="written as IPv6"):
        validate_network(source)


async def test_a_firewall_without_a_rule_is_said_to_be_one() -> None:
    """Whether it then lets everything in or nothing is not known, in each front end."""
    for listed, said in (([], NO_RULES), ([{"id": "r1", "port": 22, "protocol": "tcp"}], None)):
        provider = Provider().on("GET", f"/v1/vps/{SERVER_ID}/firewall", Reply(200, {"rules": listed}))
        async with provider.client() as client:
            result = await OPERATIONS["firewall"].run(client, ServerArguments(server=SERVER_ID), None)
        assert isinstance(result, FirewallRuleList)
        assert result.lacking == said
        assert (NO_RULES in result_notes(result)) is (said is not None)
        assert (NO_RULES in str(result_post(result, OperationCall("firewall", {"server": "web01"}), NOW).blocks)) is (
            said is not None
        )
        answer = read_result(result, ReadArguments({}))
        assert (answer.structured_content or {}).get("lacking") == said
