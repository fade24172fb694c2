"""Every refusal of a request is one record: who asked for what, and why not."""

from dataclasses import replace

import pytest

from tests.unit.core.harness import AGENT, ALICE, SLACK, VOTERS, Setup, Stage, staged
from vpsops.core.audit import chain
from vpsops.core.changes.model import State, Verdict
from vpsops.core.changes.requests import Held, Refused, Request
from vpsops.core.changes.scope import OPERATOR
from vpsops.core.common.errors import NotAllowedError
from vpsops.core.identity.actors import Origin
from vpsops.core.policy import parse_policy
from vpsops.playground.wayscloud.serve import SimulatorHandle

NO_READS = parse_policy('[[rule]]\nid = "changes"\nrisk = "disruptive"\ndecision = "confirm"\n', "vpsops.toml")

PEOPLE = parse_policy(
    """
[[rule]]
id = "reads"
risk = "read"
decision = "allow"

[[rule]]
id = "people"
actor = "person"
risk = "disruptive"
decision = "confirm"
""",
    "vpsops.toml",
)


async def refusals(stage: Stage) -> list[tuple[str, str, str]]:
    records = await stage.database.read(chain.read)
    bodies = [record.body for record in records if record.event == "refused"]
    return [(body["operation"], body["actor"]["id"], body["why"]) for body in bodies]


async def test_a_read_that_the_policy_refuses_is_on_record(database_url: str, provider: SimulatorHandle) -> None:
    """A refused read is audited as a refused change is."""
    async with staged(database_url, provider, Setup(policy=NO_READS)) as stage:
        refused = await stage.gate.submit(Request("list", {}, AGENT, SLACK), scope=OPERATOR)
        assert isinstance(refused, Refused)
        assert await refusals(stage) == [("list", AGENT.id, refused.reason)]


@pytest.mark.parametrize(("origin", "hinted"), [(Origin("cli"), True), (SLACK, False)])
async def test_a_program_at_a_terminal_learns_that_it_counts_as_an_agent(
    database_url: str, provider: SimulatorHandle, origin: Origin, *, hinted: bool
) -> None:
    """Where a rule is for persons alone, its asker would otherwise find that rule and no reason."""
    async with staged(database_url, provider, Setup(policy=PEOPLE)) as stage:
        request = Request("reboot", {"server": "web01"}, AGENT, origin)
        refused = await stage.gate.submit(request, scope=OPERATOR)
        assert isinstance(refused, Refused)
        assert ("it is an agent that asks" in refused.hint) is hinted


async def test_a_change_behind_another_is_refused_on_record(database_url: str, provider: SimulatorHandle) -> None:
    """The trail has the second one too, with the change in its way."""
    async with staged(database_url, provider) as stage:
        stop = Request("stop", {"server": "web01"}, ALICE, SLACK, can_confirm=True)
        first, second = [
            await stage.gate.submit(item, scope=OPERATOR) for item in (stop, replace(stop, operation="reboot"))
        ]
        assert isinstance(first, Held)
        assert isinstance(second, Refused)
        assert await refusals(stage) == [("reboot", ALICE.id, second.reason)]
        assert first.change.id in second.reason


async def test_who_decides_and_may_not_is_on_record(database_url: str, provider: SimulatorHandle) -> None:
    """Confirming, voting and withdrawing, each with why; the change stays as it was, and its own records too."""
    async with staged(database_url, provider) as stage:
        confirm = await stage.ask("stop", ALICE, server="web01")
        vote = await stage.ask("stop", AGENT, server="db01")
        outsider = replace(VOTERS[0], groups=())
        attempts = (
            (stage.gate.confirm, confirm, (VOTERS[0], confirm.digest)),
            (stage.gate.vote, vote, (outsider, Verdict.APPROVE, vote.digest)),
            (stage.gate.cancel, vote, (outsider,)),
        )
        for attempt, change, arguments in attempts:
            with pytest.raises(NotAllowedError):
                await attempt(change.id, *arguments, scope=OPERATOR)
        records = await stage.database.read(chain.read)
        refused = [record for record in records if record.event == "refused"]
        assert [record.body["about"] for record in refused] == [confirm.id, vote.id, vote.id]
        assert {record.body["by"]["id"] for record in refused} == {VOTERS[0].id}
        assert all(record.change_id is None and record.body["why"] and record.body["error"] for record in refused)
        assert [(await stage.changes.get(item.id, scope=OPERATOR)).state for item in (confirm, vote)] == [
            State.HELD,
            State.HELD,
        ]
        assert list(chain.verify(records)) == []
