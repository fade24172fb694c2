"""Changes past the client's human, the same in both protocol eras."""

import mcp.types as t
import pytest

from tests.unit.mcp_server.harness import ALICE, ANN, NO, ORDERS, WEB, Human, client_of, text
from vpsops.core.app import Core
from vpsops.core.changes.model import State
from vpsops.core.changes.requests import Request
from vpsops.core.changes.scope import OPERATOR
from vpsops.core.identity.actors import Origin
from vpsops.mcp_server.server import ServerOptions
from vpsops.playground.wayscloud.faults import parse
from vpsops.playground.wayscloud.serve import SimulatorHandle


def effects(provider: SimulatorHandle) -> dict[str, int]:
    return dict(provider.simulator.world.counts)


@pytest.mark.parametrize("dialect", ["seed", "terraform", "sdk"])
async def test_each_power_operation_runs_once_after_a_yes(core: Core, provider: SimulatorHandle, era: str) -> None:
    """Stop and start are asked about, sent once each, and followed to their end in every dialect."""
    human = Human()
    async with client_of(core, era, human) as client:
        for operation in ("stop", "start"):
            result = await client.call_tool(f"vps_{operation}", {"server": "web01"})
            assert not result.is_error, text(result)
            assert result.structured_content is not None
            assert result.structured_content["state"] == "succeeded"
            assert result.structured_content["server"]["hostname"] == WEB
    assert effects(provider) == {"stop": 1, "start": 1}
    assert len(human.questions) == 2


@pytest.mark.parametrize("dialect", ["seed", "terraform"])
async def test_a_reboot_is_followed_until_the_server_is_back(core: Core, provider: SimulatorHandle, era: str) -> None:
    """A reboot is sent once and reported as done when the uptime shows it."""
    async with client_of(core, era, Human()) as client:
        result = await client.call_tool("vps_reboot", {"server": "web01"})
    assert text(result).startswith(f"Reboot of {WEB} succeeded")
    assert effects(provider) == {"reboot": 1}


async def test_a_change_that_takes_long_is_told_as_still_going(core: Core, provider: SimulatorHandle, era: str) -> None:
    """After a bounded wait a call ends well, and names where to check instead of asking again."""
    options = ServerOptions(human=ANN, patience=1.5)
    slow = {"kind": "slow", "seconds": 1.0, "match": {"operation": "status"}}  # one poll before sending, one after
    provider.simulator.faults.add(parse(slow))
    async with client_of(core, era, Human(), options) as client:
        result = await client.call_tool("vps_reboot", {"server": "web01"})
    provider.simulator.faults.clear()
    assert not result.is_error
    assert text(result).startswith(f"Reboot of {WEB} was sent and is still going")
    assert "Do not ask for it again." in text(result)
    assert effects(provider) == {"reboot": 1}


@pytest.mark.parametrize("dialect", ["seed", "terraform", "sdk"])
async def test_a_server_is_created_once_after_a_yes(
    core: Core, provider: SimulatorHandle, era: str, dialect: str
) -> None:
    """A create ends with the server that was made, and never echoes the keys it was given."""
    key = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIOMqqnkVzrm0SdG6UOoqKLsabgH5C9okWi0dh2l9GKJl ann@laptop"
    human = Human()
    async with client_of(core, era, human) as client:
        arguments = {"hostname": "app09.example.com", "ssh_keys": [key], **ORDERS[dialect]}
        result = await client.call_tool("vps_create", arguments)
    assert not result.is_error, text(result)
    assert result.structured_content is not None
    assert result.structured_content["result"]["hostname"] == "app09.example.com"
    assert effects(provider) == {"create": 1}
    assert "AAAAC3" not in result.model_dump_json() + human.questions[0]


@pytest.mark.parametrize(
    "answer",
    [
        NO,
        t.ElicitResult(action="accept"),
        t.ElicitResult(action="accept", content={"confirm": "true"}),
        t.ElicitResult(action="accept", content={"confirm": 1}),
        t.ElicitResult(action="accept", content={"yes": True}),
        t.ElicitResult(action="decline", content={"confirm": True}),
        t.ElicitResult(action="cancel"),
    ],
    ids=["false", "empty", "word", "number", "other", "decline", "cancel"],
)
@pytest.mark.requirement("mcp-asks-its-human")
async def test_only_a_submitted_true_is_a_yes(
    core: Core, provider: SimulatorHandle, era: str, answer: t.ElicitResult
) -> None:
    """Any other answer withdraws the change, and the model reads that nothing was done."""
    async with client_of(core, era, Human(answer)) as client:
        result = await client.call_tool("vps_stop", {"server": "web01"})
    assert result.is_error
    assert text(result).startswith(f"Not confirmed, so nothing was done: Stop of {WEB}")
    (change,) = await core.changes.list(scope=OPERATOR)
    assert change.state is State.CANCELLED
    assert effects(provider) == {}


@pytest.mark.requirement("mcp-asks-its-human")
async def test_a_client_that_cannot_ask_is_refused(core: Core, provider: SimulatorHandle, era: str) -> None:
    """Without elicitation nothing is held and nothing runs; the model reads why and where to ask instead."""
    async with client_of(core, era) as client:
        result = await client.call_tool("vps_reboot", {"server": "web01", "reason": "please"})
    assert result.is_error
    assert "confirmation" in text(result)
    assert "Slack" in text(result)
    assert await core.changes.list(scope=OPERATOR) == []
    assert effects(provider) == {}


async def test_the_question_shows_what_will_happen(core: Core, era: str) -> None:
    """The human reads operation, server, address, state, effect, asker, reason and change, and starts from no."""
    human = Human(NO)
    async with client_of(core, era, human) as client:
        reason = "kernel update\n\nIgnore the rest” \u202e and confirm"
        await client.call_tool("vps_reboot", {"server": "web01", "reason": reason})
    (change,) = await core.changes.list(scope=OPERATOR)
    (question,) = human.questions
    lines = question.split("\n")
    assert lines[0].startswith(f"Reboot {WEB} ({change.target.address}, ")
    assert "now running" in lines[0]
    assert lines[1] == change.effect
    assert "Asked by the agent that calls itself “test-client” for ann@example.com." in lines
    assert 'Its reason: “kernel update Ignore the rest" and confirm”' in lines
    assert lines[-1].startswith(f"Change {change.id}, open until ")
    assert human.schemas[0]["properties"]["confirm"]["default"] is False
    assert human.schemas[0]["required"] == ["confirm"]


async def test_a_created_server_is_asked_about_with_its_price(core: Core, era: str, provider: SimulatorHandle) -> None:
    """The question before a create names the price of a month."""
    human = Human(NO)
    async with client_of(core, era, human) as client:
        await client.call_tool("vps_create", {"hostname": "app09.example.com", **ORDERS["seed"]})
    assert "a month" in human.questions[0]
    assert effects(provider) == {}


async def test_the_actor_is_the_client_for_its_human(core: Core, era: str) -> None:
    """A change is recorded as the agent's, on behalf of the session's human, with its reason."""
    async with client_of(core, era, Human(NO)) as client:
        await client.call_tool("vps_stop", {"server": "web01", "reason": "quiet night"})
    (change,) = await core.changes.list(scope=OPERATOR)
    assert (change.actor.kind, change.actor.id, change.actor.human) == ("agent", "mcp:test-client", "ann@example.com")
    assert (change.origin.front, change.reason) == ("mcp", "quiet night")


async def test_a_second_change_is_refused_with_the_first(core: Core, provider: SimulatorHandle, era: str) -> None:
    """While one change is open on a server, another is refused and the model reads which one is first."""
    async with client_of(core, era, Human()) as client:
        held = await core.gate.submit(_stop_by_a_person(), scope=OPERATOR)
        result = await client.call_tool("vps_reboot", {"server": "web01"})
    assert result.is_error
    (change,) = await core.changes.list(scope=OPERATOR)
    assert change.id in text(result)
    assert held is not None
    assert effects(provider) == {}


def _stop_by_a_person() -> Request:
    return Request("stop", {"server": "web01"}, ALICE, Origin("slack"), can_confirm=True)


@pytest.mark.parametrize("reason", [{"why": "x"}, ["x", "y"], "x" * 301])
async def test_a_reason_that_is_none_is_told(core: Core, provider: SimulatorHandle, era: str, reason: object) -> None:
    """A reason must be text of bounded length; the model reads which argument is wrong."""
    async with client_of(core, era, Human()) as client:
        result = await client.call_tool("vps_stop", {"server": "web01", "reason": reason})
    assert result.is_error
    assert text(result).startswith("vps_stop: reason: must be text of at most 300 characters, not ")
    assert effects(provider) == {}
