"""Every refusal of a request is one record: who asked for what, and why not."""

from dataclasses import replace

from core import audit
from core.policy import parse_policy
from core.requests import Held, Refused, Request
from playground.wayscloud.serve import SimulatorHandle
from tests.unit.core.stage import AGENT, ALICE, SLACK, Setup, Stage, staged

NO_READS = parse_policy('[[rule]]\nid = "changes"\nrisk = "disruptive"\ndecision = "confirm"\n', "vpsops.toml")


async def refusals(stage: Stage) -> list[tuple[str, str, str]]:
    records = await stage.database.read(audit.read)
    bodies = [record.body for record in records if record.event == "refused"]
    return [(body["operation"], body["actor"]["id"], body["why"]) for body in bodies]


async def test_a_read_that_the_policy_refuses_is_on_record(database_url: str, provider: SimulatorHandle) -> None:
    """As a change is: somebody looked where they may not."""
    async with staged(database_url, provider, Setup(policy=NO_READS)) as stage:
        refused = await stage.gate.submit(Request("list", {}, AGENT, SLACK))
        assert isinstance(refused, Refused)
        assert await refusals(stage) == [("list", AGENT.id, refused.reason)]


async def test_a_change_behind_another_is_refused_on_record(database_url: str, provider: SimulatorHandle) -> None:
    """The trail has the second one too, with what was in its way."""
    async with staged(database_url, provider) as stage:
        stop = Request("stop", {"server": "web01"}, ALICE, SLACK, can_confirm=True)
        first, second = [await stage.gate.submit(one) for one in (stop, replace(stop, operation="reboot"))]
        assert isinstance(first, Held)
        assert isinstance(second, Refused)
        assert await refusals(stage) == [("reboot", ALICE.id, second.reason)]
        assert first.change.id in second.reason
