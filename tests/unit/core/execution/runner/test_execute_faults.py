"""What the provider does to a write, before and after its effect: each fault has one defined end."""

from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import anyio
import pytest

from tests.fakes.timing import QUICK
from tests.harness.patience import PATIENCE_SECONDS
from tests.unit.core.harness import BOUND, Setup, Stage, staged
from vpsops.core.changes.model import State
from vpsops.playground.wayscloud.serve import SimulatorHandle

PACED = Setup(replace(QUICK, write_gap=0.01))
PATIENT = Setup(replace(QUICK, power_lookup=BOUND, create_lookup=BOUND))
NEW = {"plan": "vps-4gb-2cpu", "region": "oslo", "os_template": "ubuntu-24.04"}


@dataclass(frozen=True, slots=True)
class FaultCase:
    """A fault, and where a change that meets it must end."""

    kind: str
    state: State
    effects: int
    events: str
    more: Mapping[str, Any] = field(default_factory=dict)

    @property
    def end(self) -> tuple[str, int, str]:
        """The state that the test compares."""
        return self.state.value, self.effects, f"requested confirmed sending {self.events}"


def status(code: int, state: State, effects: int, events: str, **more: object) -> FaultCase:
    return FaultCase("status", state, effects, events, {"status": code, **more})


UNDONE = "outcome_unknown failed"
VERIFIED = "outcome_unknown refused"
AGAIN = "outcome_unknown not_processed sending"
REFUSED = (
    status(401, State.FAILED, 0, "refused"),  # before anything is done, and with that key no check is possible
    *(status(code, State.FAILED, 0, VERIFIED) for code in (400, 403, 409, 422)),
)  # a clear no is final once checks find no trace of an effect
BEFORE = (
    *(status(code, State.FAILED, 0, UNDONE) for code in (408, 500, 502, 503, 504)),
    status(503, State.FAILED, 0, UNDONE, retry_after=0.1),
    FaultCase("drop_before", State.FAILED, 0, UNDONE),
    FaultCase("drop_before", State.FAILED, 0, UNDONE, {"reset": True}),
    FaultCase("redirect", State.FAILED, 0, VERIFIED, {"location": "http://127.0.0.1:9"}),
    status(429, State.SUCCEEDED, 1, f"{AGAIN} sent succeeded", retry_after=0.1, times=1),
    status(429, State.FAILED, 0, f"{AGAIN} {AGAIN} {VERIFIED}", retry_after=0.1),
    FaultCase("slow", State.SUCCEEDED, 1, "sent succeeded", {"seconds": 0.2}),
)


def after(events: str) -> tuple[FaultCase, ...]:
    """Return the faults that strike when it is done already."""
    return (
        *(status(code, State.SUCCEEDED, 1, events, after_effect=True) for code in (408, 499, 500, 502, 503, 504)),
        *(status(code, State.SUCCEEDED, 1, events, after_effect=True) for code in (403, 404, 409, 422, 429)),
        FaultCase("drop_after", State.SUCCEEDED, 1, events),
        FaultCase("drop_after", State.SUCCEEDED, 1, events, {"reset": True}),
        FaultCase("malformed", State.SUCCEEDED, 1, events),
        FaultCase("malformed", State.SUCCEEDED, 1, events, {"body": "<html>it works</html>"}),
        FaultCase("slow", State.SUCCEEDED, 1, events, {"seconds": 2.0, "after_effect": True}),
    )


@pytest.fixture
async def stage(database_url: str, provider: SimulatorHandle) -> AsyncIterator[Stage]:
    async with staged(database_url, provider, PACED) as made:
        yield made


async def ends(stage: Stage, operation: str, cases: tuple[FaultCase, ...]) -> list[tuple[str, int, str]]:
    """Meet each fault with a server of its own, all at once, and return the ends in the order of the cases."""
    results: dict[int, tuple[str, int, str]] = {}

    async def meet(number: int, case: FaultCase) -> None:
        name = f"{operation}{number}.example.com"
        stage.fault(case.kind, operation, name, **case.more)
        if operation == "create":
            change = await stage.done("create", hostname=name, **NEW)
        else:
            change = await stage.done(operation, server=stage.server(name).id)
        events = (await stage.events(change.id)).replace("deferred ", "")  # for the 429 of another one
        results[number] = change.state.value, stage.effects(operation, name), events

    with anyio.fail_after(PATIENCE_SECONDS):
        async with anyio.create_task_group() as group:
            for number, case in enumerate(cases):
                group.start_soon(meet, number, case)
    return [results[number] for number in range(len(cases))]


async def test_every_fault_of_a_reboot_has_its_end(stage: Stage) -> None:
    """A clear no fails, an unclear answer is checked by the uptime, and nothing is ever done twice."""
    cases = (*REFUSED, *BEFORE, *after("outcome_unknown succeeded"))
    assert await ends(stage, "reboot", cases) == [case.end for case in cases]


@pytest.mark.requirement("never-repeated")
async def test_every_fault_of_a_create_has_its_end(stage: Stage) -> None:
    """An unclear create is checked by its hostname: found is adopted and watched, not found was not made."""
    cases = (*REFUSED, *BEFORE, *after("outcome_unknown adopted succeeded"))
    assert await ends(stage, "create", cases) == [case.end for case in cases]


@pytest.mark.parametrize("operation", ["reboot", "create"])
@pytest.mark.parametrize("code", [404, 405])
async def test_an_absent_route_is_tried_in_its_other_form_and_no_more(stage: Stage, operation: str, code: int) -> None:
    """After checks, once; the other form's answer is final."""
    case = status(code, State.FAILED, 0, f"{AGAIN} {VERIFIED}")
    assert await ends(stage, operation, (case,)) == [case.end]


async def test_an_effect_that_comes_when_nobody_listens_any_more_is_found(
    database_url: str, provider: SimulatorHandle
) -> None:
    """The provider may act after the client has given up: within the settling time that is seen."""
    late = FaultCase("slow", State.SUCCEEDED, 1, "", {"seconds": 1.5})
    results: list[tuple[str, int, str]] = []

    async def meet(operation: str) -> None:
        results.extend(await ends(patient, operation, (late,)))

    async with staged(database_url, provider, PATIENT) as patient, anyio.create_task_group() as group:
        group.start_soon(meet, "reboot")
        group.start_soon(meet, "create")
    assert [item[:2] for item in results] == [("succeeded", 1)] * 2
    assert all("sending outcome_unknown" in events for _, _, events in results)
