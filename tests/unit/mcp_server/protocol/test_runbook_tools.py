"""The tools of runbooks: a list, and one question about all steps of one, followed as one change."""

from pathlib import Path

import pytest

from tests.fakes.runbooks import CYCLE, apply_runbook
from tests.unit.mcp_server.harness import Human, client_of, text
from tests.unit.mcp_server.protocol.test_plan_tool import fleet, options, wait_until_up  # noqa: F401 - a fixture
from tests.unit.mcp_server.tools.test_limits import limited
from vpsops.core.app import Core
from vpsops.core.changes.scope import OPERATOR
from vpsops.core.config.settings import Settings
from vpsops.playground.wayscloud.serve import SimulatorHandle

ALL = options("servers", "changes", "runbooks")
FIXED = (
    CYCLE.replace('"cycle"', '"fixed"')
    .replace('"{servers}"', '"app02"')
    .replace('[arguments.servers]\nkind = "servers"\n', "")
)


async def test_they_are_listed_only_where_their_toolset_is_named(core: Core, era: str) -> None:
    """The usual toolsets keep their tokens."""
    async with client_of(core, era, None) as client:
        assert "vps_runbook_run" not in {tool.name for tool in (await client.list_tools()).tools}
    async with client_of(core, era, None, ALL) as client:
        tools = {tool.name: tool for tool in (await client.list_tools()).tools}
    assert {"vps_runbooks", "vps_runbook_run"} <= set(tools)
    hints = tools["vps_runbook_run"].annotations
    assert hints is not None
    assert (hints.read_only_hint, hints.destructive_hint) == (False, True)


@pytest.mark.requirement("runbook-mcp")
async def test_one_question_is_about_all_steps(core: Core, fleet: SimulatorHandle, era: str) -> None:  # noqa: F811
    """The human sees every step and what is done where one fails, says yes once, and each is done once."""
    await apply_runbook(core)
    await wait_until_up(core)
    human = Human()
    async with client_of(core, era, human, ALL) as client:
        asked = {"runbook": "cycle", "values": ["servers=app01"], "reason": "patch"}
        result = await client.call_tool("vps_runbook_run", asked)
    assert not result.is_error, text(result)
    assert result.structured_content is not None
    assert result.structured_content["state"] == "succeeded"
    assert "3 of 3 done" in text(result)
    (question,) = human.questions
    assert "Stop: app01.example.com" in question
    assert "If it fails: start app01.example.com." in question
    assert [len(list(fleet.simulator.world.counted(what))) for what in ("stop", "start")] == [1, 1]


@pytest.mark.requirement("runbook-reads")
async def test_a_list_has_what_the_caller_may_read(core: Core, era: str) -> None:
    """With arguments and steps; a runbook about a server out of sight does not exist."""
    async with client_of(core, era, None, ALL) as client:
        assert "There are no runbooks" in text(await client.call_tool("vps_runbooks", {}))
    for each in (CYCLE, FIXED):
        await apply_runbook(core, each)
    async with client_of(core, era, None, ALL) as client:
        result = await client.call_tool("vps_runbooks", {})
    assert result.structured_content is not None
    assert result.structured_content["runbooks"][0] == {
        "name": "cycle",
        "takes": "servers=SERVERS",
        "description": "Reboot servers, stop and start them.",
        "steps": ["reboot", "stop", "start"],
    }
    assert "fixed: " in text(result)
    async with client_of(core, era, None, options("servers", "changes", "runbooks", servers=["app01*"])) as client:
        assert "fixed" not in text(await client.call_tool("vps_runbooks", {}))
        refused = await client.call_tool("vps_runbook_run", {"runbook": "fixed"})
    assert refused.is_error
    assert "There is no runbook called 'fixed'" in text(refused)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"runbook": "nosuch"}, "There is no runbook called 'nosuch'"),
        ({"runbook": "cycle"}, "servers is missing."),
        ({"runbook": "cycle", "values": ["app01"]}, "app01 is no argument."),
        ({"values": ["servers=app01"]}, "runbook: is missing"),
        ({"runbook": "cycle", "values": ["servers=app01"], "at": "tonight"}, "is no time to run at"),
    ],
)
async def test_what_does_not_fit_is_refused(
    core: Core,
    fleet: SimulatorHandle,  # noqa: F811
    era: str,
    arguments: dict[str, object],
    words: str,
) -> None:
    """The refusal says what to correct, and nothing is held."""
    await apply_runbook(core)
    await wait_until_up(core)
    async with client_of(core, era, Human(), ALL) as client:
        result = await client.call_tool("vps_runbook_run", arguments)
    assert result.is_error
    assert words in text(result)
    assert await core.changes.list(scope=OPERATOR) == []
    assert list(fleet.simulator.world.counted("stop")) == []


@pytest.mark.requirement("runbook-mcp")
@pytest.mark.parametrize("denied", ["vps_stop", "vps_start", "vps_reboot"])
async def test_a_runbook_needs_the_tool_of_each_step(
    core: Core,
    fleet: SimulatorHandle,  # noqa: F811
    era: str,
    denied: str,
) -> None:
    """Who may not do one of them alone does none of them; the tool of a compensation counts as well."""
    await apply_runbook(core, CYCLE.replace('\n[[step]]\noperation = "start"\nservers = "{servers}"\n', "\n"))
    await wait_until_up(core)
    async with client_of(core, era, Human(), options("servers", "changes", "runbooks", deny_tools=[denied])) as client:
        result = await client.call_tool("vps_runbook_run", {"runbook": "cycle", "values": ["servers=app01"]})
    assert result.is_error
    assert f"{denied} is switched off here" in text(result)
    assert list(fleet.simulator.world.counted("stop")) == []


STRICT = """
[[rule]]
id = "reads"
risk = "read"
decision = "allow"
[[rule]]
id = "usual"
operation = ["reboot", "stop", "start"]
decision = "confirm"
[[rule]]
id = "stops"
operation = "stop"
decision = "approve"
votes = 2
approvers = { channels = ["C0APPROVE"] }
"""


async def test_a_check_names_the_rule_of_each_step(
    settings: Settings,
    fleet: SimulatorHandle,  # noqa: F811
    tmp_path: Path,
) -> None:
    """With its decision, the strictest marked; nothing is asked or stored."""
    assert fleet.simulator.world.servers()
    async with limited(settings, tmp_path, STRICT) as core:
        await apply_runbook(core)
        await wait_until_up(core)
        async with client_of(core, "legacy", Human(), ALL) as client:
            await client.list_tools()
            asked = {"operation": "runbook_run", "runbook": "cycle", "values": ["servers=app01"]}
            result = await client.call_tool("vps_check", asked)
            unknown = await client.call_tool("vps_check", {**asked, "runbook": "nosuch"})
        assert await core.changes.list(scope=OPERATOR) == []
    assert result.structured_content is not None
    assert result.structured_content["outlook"] == "approvers are asked"
    steps = result.structured_content["steps"]
    assert steps[0] == "step 1, reboot: confirm by the rule usual"
    assert "step 2, stop: approve by the rules stops, usual (decides the whole)" in steps
    assert "step 2, if it fails, start: confirm by the rule usual" in steps
    assert all(step in text(result) for step in steps)
    assert text(result).endswith("Then call vps_runbook_run to ask for it.")
    assert unknown.is_error
    assert "There is no runbook called 'nosuch'" in text(unknown)
