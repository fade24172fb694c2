"""A server that the policy keeps from its requester: no precondition says a fact of it, in a request or a check."""

from collections.abc import AsyncIterator, Mapping
from typing import Final

import pytest

from tests.harness.virtual_time import VirtualClock
from tests.unit.core.harness import ALICE, SLACK, Setup, Stage, staged
from vpsops.core.audit import chain
from vpsops.core.changes.requests import Held, Refused, Request
from vpsops.core.changes.scope import OPERATOR
from vpsops.core.common.errors import InvalidInputError
from vpsops.core.common.json_types import Json
from vpsops.core.operations import OPERATIONS
from vpsops.core.operations.registry import ServerArguments
from vpsops.core.operations.traits import RUNBOOK
from vpsops.core.plans.requests import PlanRequest
from vpsops.core.plans.selection import selection_from
from vpsops.core.policy import Policy, parse_policy
from vpsops.core.runbooks.loader import load_runbook
from vpsops.core.runbooks.requests import RunbookRequest, request_arguments
from vpsops.playground.wayscloud.faults.config import SimulatorConfig
from vpsops.playground.wayscloud.hardware.model import SimulatedServer
from vpsops.playground.wayscloud.serve import SimulatorHandle, running_simulator

WEB: Final = "web01.example.com"
PEOPLE: Final = (
    '[[rule]]\nid = "reads"\nrisk = "read"\ndecision = "allow"\n'
    '[[rule]]\nid = "people"\nactor = "person"\nrisk = ["change", "disruptive", "destructive"]\ndecision = "approve"\n'
    'votes = 1\napprovers = { groups = ["S_OPS"] }\n'
)
HIDDEN: Final = '[[rule]]\nid = "hidden"\nserver = "web01*"\ndecision = "deny"\nreason = "web01 is Acme\'s."\n'
ARGUMENTS: Final[Mapping[str, Mapping[str, Json]]] = {
    "start": {},
    "stop": {},
    "reboot": {},
    "delete": {},
    "rename": {"name": "db01"},
    "resize": {"plan": "vps-1gb-1cpu"},
    "label": {"labels": ["-team"]},
    "snapshot_create": {"snapshot": "monday"},
    "snapshot_delete": {"snapshot": "monday"},
    "snapshot_rollback": {"snapshot": "monday"},
    "backup_create": {},
    "backup_delete": {"backup": "latest"},
    "backup_restore": {"backup": "latest"},
    "backup_policy_set": {"frequency": "daily", "time_of_day": "03:00"},
    "backup_policy_remove": {},
    "firewall_allow": {"port": 22, "source": "10.0.0.0/8"},
    "firewall_remove": {"rule": "22/tcp"},
}
"""Arguments that a running server without snapshots, backups, labels and rules does not fit, where there are such."""


@pytest.fixture
async def provider() -> AsyncIterator[SimulatorHandle]:
    """A provider with every route."""
    async with running_simulator(SimulatorConfig(dialect="sdk"), clock=VirtualClock()) as handle:
        yield handle


def policy(*more: str) -> Policy:
    return parse_policy(PEOPLE + "".join(more), "vpsops.toml")


def facts_of(server: SimulatedServer) -> tuple[str, ...]:
    return ("running", "stopped", server.plan, "10.0.0.0/8")


async def audited(stage: Stage) -> list[Mapping[str, Json]]:
    """Return the bodies of the audit trail's records of refusals."""
    records = await stage.database.read(chain.read)
    return [record.body for record in records if record.event == "refused"]


def test_every_altering_operation_on_a_server_is_tried() -> None:
    """A new one needs arguments here."""
    altering = {name for name, each in OPERATIONS.items() if not each.reads}
    assert {name for name in altering if issubclass(OPERATIONS[name].arguments, ServerArguments)} == set(ARGUMENTS)


@pytest.mark.parametrize("name", ARGUMENTS)
@pytest.mark.requirement("withheld-servers")
async def test_whom_the_policy_denies_a_server_learns_nothing_of_it(
    database_url: str, provider: SimulatorHandle, name: str
) -> None:
    """Requested and checked: the policy's refusal, no fact of the server, and a record of it."""
    async with staged(database_url, provider, Setup(policy=policy(HIDDEN))) as stage:
        server = provider.simulator.world.find(WEB)
        request = Request(name, {"server": WEB, **ARGUMENTS[name]}, ALICE, SLACK, can_confirm=True)
        refused = await stage.gate.submit(request, scope=OPERATOR)
        checked = await stage.gate.dry_run(request, scope=OPERATOR)
        bodies = await audited(stage)
    assert server is not None
    assert isinstance(refused, Refused)
    assert "web01 is Acme's." in refused.reason
    assert checked.refusal == refused
    assert (checked.change.target.state, checked.change.target.plan, checked.change.target.address) == ("", "", "")
    assert checked.change.facts == ()
    assert ["hidden" in body["rules"] for body in bodies] == [True]
    assert not any(fact in f"{refused} {bodies[0]['target']}" for fact in facts_of(server))


@pytest.mark.parametrize("name", ["start", "snapshot_delete", "backup_restore", "firewall_remove"])
async def test_who_may_read_a_server_gets_the_precondition(
    database_url: str, provider: SimulatorHandle, name: str
) -> None:
    """Although the policy would deny the change: the answer is of more use, and holds nothing that is withheld."""
    denied = f'[[rule]]\nid = "no"\noperation = "{name}"\ndecision = "deny"\n'
    async with staged(database_url, provider, Setup(policy=policy(denied))) as stage:
        request = Request(name, {"server": WEB, **ARGUMENTS[name]}, ALICE, SLACK, can_confirm=True)
        with pytest.raises(InvalidInputError):
            await stage.gate.submit(request, scope=OPERATOR)


UNREAD: Final = '[[rule]]\nid = "unread"\nserver = "web01*"\noperation = "get"\ndecision = "deny"\n'
DEAR: Final = '[[rule]]\nid = "dear"\noperation = "resize"\ncost_above = 100000\ndecision = "deny"\nreason = "Dear."\n'
PAID: Final = PEOPLE.replace(
    'actor = "person"\nrisk = ["change", "disruptive", "destructive"]', 'operation = "resize"\ncost_above = 1'
)
BY_PRICE: Final = {"below": PEOPLE + UNREAD + DEAR, "between": PAID + UNREAD + DEAR}
"""Policies that deny a read of a server, and allow it to be resized below a price, or between two."""


@pytest.mark.parametrize("text", BY_PRICE.values(), ids=BY_PRICE)
@pytest.mark.requirement("withheld-servers")
async def test_what_the_policy_allows_at_some_price_is_not_withheld(
    database_url: str, provider: SimulatorHandle, text: str
) -> None:
    """The price is not known before the preconditions are, so a rule about it withholds nothing."""
    arguments: Mapping[str, Json] = {"server": WEB, "plan": "NO-Medium-Linux-4cpu-8192mb-60gb"}
    async with staged(database_url, provider, Setup(policy=parse_policy(text, "vpsops.toml"))) as stage:
        asked = await stage.gate.submit(Request("resize", arguments, ALICE, SLACK, can_confirm=True), scope=OPERATOR)
    assert isinstance(asked, Held)


def many(operation: str, *words: str) -> PlanRequest:
    """Return a request for a plan of Alice's."""
    return PlanRequest(Request(operation, {}, ALICE, SLACK, can_confirm=True), selection_from(words))


def steps(operation: str) -> RunbookRequest:
    """Return a request for a runbook with one step."""
    text = (
        f'name = "one"\ndescription = "One step."\n[[step]]\noperation = "{operation}"\nservers = ["web01", "db01"]\n'
    )
    loaded = load_runbook(text, "one.toml")
    request = Request(RUNBOOK.name, request_arguments(loaded, {}), ALICE, SLACK, can_confirm=True)
    return RunbookRequest(request, loaded)


MANY: Final[Mapping[str, PlanRequest | RunbookRequest]] = {
    "a plan that fits": many("stop", "web01", "db01"),
    "a plan that does not": many("start", "web01", "db01"),
    "of it alone": many("start", "web01"),
    "with a filter": many("reboot", "web01", "db01", "state:running"),
    "with another filter": many("reboot", "web01", "db01", "state:stopped"),
    "a runbook that fits": steps("reboot"),
    "a runbook that does not": steps("start"),
}


@pytest.mark.parametrize("name", MANY)
@pytest.mark.requirement("withheld-servers")
async def test_a_question_about_many_says_no_more(database_url: str, provider: SimulatorHandle, name: str) -> None:
    """Whatever state it is in, and whatever has it: the policy's refusal by its name, requested and checked."""
    async with staged(database_url, provider, Setup(policy=policy(HIDDEN))) as stage:
        refused = await stage.gate.submit_plan(MANY[name], scope=OPERATOR)
        checked = await stage.gate.dry_run_plan(MANY[name], scope=OPERATOR)
    assert isinstance(refused, Refused)
    assert "web01 is Acme's." in refused.reason
    assert checked.refusal is not None
    assert checked.refusal.reason == refused.reason
    assert not any(word in f"{refused} {checked.change.facts}" for word in ("running", "stopped", "already", "busy"))
