"""The tool that asks once about many servers: one question, one change to follow, the operation's own permission."""

import pytest

from tests.unit.mcp_server.harness import ANN, Human, client_of, text
from vpsops.core.app import Core
from vpsops.core.changes.scope import OPERATOR
from vpsops.core.limits.access import AccessScope
from vpsops.core.limits.loader import restriction_from
from vpsops.mcp_server.server import ServerOptions
from vpsops.playground.wayscloud.account.account import Order
from vpsops.playground.wayscloud.serve import SimulatorHandle


def options(*toolsets: str, **narrowing: object) -> ServerOptions:
    """Return a server's options with some toolsets."""
    flags = {"toolsets": list(toolsets), **narrowing}
    return ServerOptions(human=ANN, patience=60, reach=AccessScope((restriction_from(flags, "the flags"),)))


ALL = options("servers", "changes", "plans")


@pytest.fixture
def fleet(provider: SimulatorHandle) -> SimulatorHandle:
    for number in (1, 2, 3):
        name = f"app{number:02}.example.com"
        provider.simulator.world.create(Order(name, name, "vps-4gb-2cpu", "NO", "debian-12"))
    return provider


async def wait_until_up(core: Core) -> None:
    await core.clock.sleep(600)


async def test_it_is_listed_only_where_its_toolset_is_named(core: Core, era: str) -> None:
    """The usual toolsets keep their tokens."""
    async with client_of(core, era, None) as client:
        assert "vps_plan" not in {tool.name for tool in (await client.list_tools()).tools}
    async with client_of(core, era, None, ALL) as client:
        assert "vps_plan" in {tool.name for tool in (await client.list_tools()).tools}


async def test_one_question_is_about_all_servers(core: Core, fleet: SimulatorHandle, era: str) -> None:
    """The human sees the names, says yes once, and every server is rebooted once."""
    await wait_until_up(core)
    human = Human()
    async with client_of(core, era, human, ALL) as client:
        result = await client.call_tool("vps_plan", {"operation": "reboot", "servers": ["app*"], "reason": "patch"})
    assert not result.is_error, text(result)
    assert result.structured_content is not None
    assert (result.structured_content["state"], result.structured_content["operation"]) == ("succeeded", "plan_reboot")
    assert "3 of 3 done" in text(result)
    (question,) = human.questions
    assert "app01.example.com, app02.example.com, app03.example.com" in question
    assert sorted(effect.hostname for effect in fleet.simulator.world.counted("reboot")) == [
        f"app0{number}.example.com" for number in (1, 2, 3)
    ]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"operation": "delete", "servers": ["app*"]}, "operation: "),
        ({"operation": "reboot", "servers": ["nowhere"]}, "no server called 'nowhere'"),
        ({"operation": "reboot", "servers": ["app*"], "at_once": 11}, "at_once: "),
        ({"operation": "reboot", "servers": ["app*"], "probe": "ftp:1"}, "is no probe"),
        ({"servers": ["app*"]}, "operation: is missing"),
        ({"operation": "reboot"}, "The pattern * means every server."),
        ({"operation": "reboot", "servers": [], "region": "", "state": None}, "vps_plan: servers: is missing."),
        ({"operation": "reboot", "servers": ","}, "vps_plan: servers: is missing."),
    ],
)
async def test_what_is_no_plan_is_refused(
    core: Core, fleet: SimulatorHandle, era: str, arguments: dict[str, object], words: str
) -> None:
    """The refusal says what to correct, and nothing is held."""
    async with client_of(core, era, Human(), ALL) as client:
        result = await client.call_tool("vps_plan", arguments)
    assert result.is_error
    assert words in text(result)
    assert await core.changes.list(scope=OPERATOR) == []
    assert list(fleet.simulator.world.counted("reboot")) == []


async def test_a_plan_needs_the_tool_of_its_operation(core: Core, fleet: SimulatorHandle, era: str) -> None:
    """Who may not reboot one server reboots none of many."""
    denied = options("servers", "changes", "plans", deny_tools=["vps_reboot"])
    async with client_of(core, era, Human(), denied) as client:
        result = await client.call_tool("vps_plan", {"operation": "reboot", "servers": ["app*"]})
    assert result.is_error
    assert "vps_reboot is switched off here" in text(result)
    assert list(fleet.simulator.world.counted("reboot")) == []


async def test_servers_out_of_sight_are_not_in_a_plan(core: Core, fleet: SimulatorHandle, era: str) -> None:
    """A pattern means the servers that this assistant sees."""
    await wait_until_up(core)
    human = Human()
    narrow = options("servers", "changes", "plans", servers=["app01*"])
    async with client_of(core, era, human, narrow) as client:
        result = await client.call_tool("vps_plan", {"operation": "reboot", "servers": ["app*"]})
    assert not result.is_error, text(result)
    assert "app02" not in human.questions[0]
    assert [effect.hostname for effect in fleet.simulator.world.counted("reboot")] == ["app01.example.com"]


async def test_it_runs_later_where_a_time_is_named(core: Core, fleet: SimulatorHandle, era: str) -> None:
    """One server or many: the human sees the time, the call ends once it is scheduled, and nothing is sent."""
    await wait_until_up(core)
    human = Human()
    async with client_of(core, era, human, ALL) as client:
        asked = {"operation": "reboot", "servers": ["app01"], "at": "in 2h", "reason": "patch"}
        result = await client.call_tool("vps_plan", asked)
    assert not result.is_error, text(result)
    assert result.structured_content is not None
    assert result.structured_content["state"] == "scheduled"
    assert "Runs: in 2h (UTC): " in human.questions[0]
    assert "Tell your human when it runs." in text(result)
    assert list(fleet.simulator.world.counted("reboot")) == []


async def test_what_is_no_time_is_refused(core: Core, fleet: SimulatorHandle, era: str) -> None:
    """With the forms there are."""
    await wait_until_up(core)
    async with client_of(core, era, Human(), ALL) as client:
        result = await client.call_tool("vps_plan", {"operation": "reboot", "servers": ["app01"], "at": "tonight"})
    assert result.is_error
    assert "is no time to run at" in text(result)
    assert list(fleet.simulator.world.counted("reboot")) == []


async def test_a_scheduled_plan_runs_at_its_time(core: Core, fleet: SimulatorHandle, era: str) -> None:
    """Every server once, and none before."""
    await wait_until_up(core)
    async with client_of(core, era, Human(), ALL) as client:
        asked = {"operation": "reboot", "servers": ["app01", "app02"], "at": "in 1m"}
        result = await client.call_tool("vps_plan", asked)
    assert result.structured_content is not None
    ended = await core.changes.wait(
        result.structured_content["change"],
        seconds=300,
        until=lambda change: change.state.final,
        scope=OPERATOR,
    )
    assert (ended.state.value, ended.schedule is not None) == ("succeeded", True)
    assert sorted(effect.hostname for effect in fleet.simulator.world.counted("reboot")) == [
        f"app0{number}.example.com" for number in (1, 2)
    ]


async def test_a_check_of_a_plan_asks_no_one(core: Core, fleet: SimulatorHandle, era: str) -> None:
    """With the arguments of the plan's tool; what its tool refuses is refused in the same words."""
    assert fleet.simulator.world.servers()
    await wait_until_up(core)
    human = Human()
    async with client_of(core, era, human, ALL) as client:
        planned = {"operation": "reboot", "servers": "app*", "at_once": 2}
        result = await client.call_tool("vps_check", planned)
        every = await client.call_tool("vps_check", {"operation": "reboot", "state": "running"})
        wrong = await client.call_tool("vps_check", {**planned, "at_once": 11})
        none = await client.call_tool("vps_check", {"operation": "reboot", "servers": ["nowhere"]})
        unplanned = await client.call_tool("vps_check", {"operation": "delete", "servers": ["app*"]})
    assert result.structured_content is not None
    assert result.structured_content["outlook"] == "your human is asked"
    assert all(f"app0{number}.example.com" in text(result) for number in (1, 2, 3))
    assert text(result).endswith("Then call vps_plan to ask for it.")
    assert every.structured_content is not None
    assert every.structured_content["operation"] == "plan_reboot"
    assert "at_once: must be a whole number from 1 to 10" in text(wrong)
    assert "no server called 'nowhere'" in text(none)
    assert "vps_plan: operation: " in text(unplanned)
    assert not human.questions
    assert await core.changes.list(scope=OPERATOR) == []


async def test_a_check_of_a_plan_needs_the_tools_that_it_takes(core: Core, fleet: SimulatorHandle, era: str) -> None:
    """A caller without the operation's tool, or without the plan's, is refused as by the tool itself."""
    assert fleet.simulator.world.servers()
    await wait_until_up(core)
    for chosen in (options("servers", "changes", "plans", deny_tools=["vps_reboot"]), options("servers", "changes")):
        async with client_of(core, era, Human(), chosen) as client:
            result = await client.call_tool("vps_check", {"operation": "reboot", "servers": ["app*"]})
        assert result.structured_content is not None, text(result)
        assert result.structured_content["outlook"] == "refused"


async def test_a_check_of_a_plan_names_no_server_out_of_reach(core: Core, fleet: SimulatorHandle, era: str) -> None:
    """A caller that is narrowed to some servers learns nothing of the others."""
    assert fleet.simulator.world.servers()
    await wait_until_up(core)
    async with client_of(core, era, Human(), options("servers", "changes", "plans", servers=["app01*"])) as client:
        result = await client.call_tool("vps_check", {"operation": "reboot", "servers": ["app*"]})
    assert "app01.example.com" in text(result)
    assert "app02" not in text(result)
    assert "app03" not in text(result)
