"""Refusals that may have come after the effect: which they are, and for how long checks continue after them."""

from collections.abc import AsyncIterator

import pytest

from tests.fakes.clock import START
from tests.harness.virtual_time import VirtualClock
from tests.unit.core.harness import Stage, staged
from tests.unit.core.sample import change, server, usage
from vpsops.core.changes.model import REFUSAL, Refusal, State
from vpsops.core.common.timings import DEFAULT_TIMING
from vpsops.core.outcomes.outcome import FleetSnapshot, OutcomeKind, determine_outcome
from vpsops.core.wayscloud.answers import errors
from vpsops.core.wayscloud.requests.answer_errors import may_follow_effect
from vpsops.playground.wayscloud.faults.config import SimulatorConfig
from vpsops.playground.wayscloud.serve import running_simulator

NEW = {"hostname": "new.example.com", "plan": "vps-4gb-2cpu", "region": "oslo", "os_template": "ubuntu-24.04"}
CREATE, POWER = DEFAULT_TIMING.create_lookup, DEFAULT_TIMING.power_lookup


@pytest.mark.parametrize(
    ("error", "doubtful"),
    [
        (errors.ConflictError("", status=409, detail="VPS is busy (rebooting)"), True),
        (errors.ConflictError("", status=409), True),
        (errors.ConflictError("", status=409, detail="Out of stock in oslo"), False),
        (errors.ConflictError("", status=409, detail="The quota of 10 servers is used up"), False),
        (errors.InvalidRequestError("", status=422, detail="hostname is already taken"), True),
        (errors.InvalidRequestError("", status=422, fields=("hostname: must be unique",)), True),
        (errors.InvalidRequestError("", status=422, detail="plan_code: unknown plan"), False),
        (errors.InvalidRequestError("", status=400), False),
        (errors.ProviderRefusedError("", status=200, detail="A server by this name exists"), True),
        (errors.ProviderRefusedError("", status=200, detail="Not today"), False),
        (errors.ProviderRefusedError("", status=418), True),
        (errors.ProviderRefusedError("", status=402, detail="Pay first"), False),
        (errors.NotFoundError("", status=404), True),
        (errors.UntrustedRedirectError("", status=302), True),
        (errors.NotPermittedError("", status=403), False),
        (errors.NotOfferedError("", status=405), False),
        (errors.RateLimitedError("", status=429), False),
    ],
    ids=lambda value: f"{value.status} {value.detail}" if isinstance(value, errors.WayscloudError) else str(value),
)
def test_a_refusal_that_a_repeated_request_may_get_is_doubtful(
    error: errors.ProviderRefusedError, *, doubtful: bool
) -> None:
    """A name that is taken, a server that is busy, an unusual code; not refusals about arguments or an account."""
    assert may_follow_effect(error) is doubtful


@pytest.mark.parametrize(
    ("doubtful", "seconds", "kind"),
    [
        (False, 10, OutcomeKind.WAIT),
        (False, 11, OutcomeKind.FAILED),
        (True, 11, OutcomeKind.WAIT),
        (True, CREATE, OutcomeKind.WAIT),
        (True, CREATE + 1, OutcomeKind.FAILED),
    ],
)
@pytest.mark.requirement("refusals-are-verified")
def test_a_doubtful_create_is_looked_for_as_long_as_a_create_takes(
    seconds: float, kind: OutcomeKind, *, doubtful: bool
) -> None:
    """A list may show a new server late; a refusal about the arguments fails soon."""
    refusal = Refusal("The name is taken (409).", again=False, doubtful=doubtful)
    sent = change("create", State.UNKNOWN, seconds, result={REFUSAL: refusal.stored})
    assert sent.refusal == refusal
    assert determine_outcome(sent, FleetSnapshot((), True, START), None, DEFAULT_TIMING).finding is kind


@pytest.mark.parametrize(("doubtful", "kind"), [(True, OutcomeKind.NEEDS_PERSON), (False, OutcomeKind.FAILED)])
def test_a_doubtful_reboot_that_nothing_shows_needs_a_person(kind: OutcomeKind, *, doubtful: bool) -> None:
    """Without uptimes, and with the server read by itself at every check: nothing shows whether it was rebooted."""
    refusal = Refusal("The server is busy (409).", again=False, doubtful=doubtful)
    sent = change("reboot", State.UNKNOWN, POWER + 1, result={REFUSAL: refusal.stored})
    read = FleetSnapshot((server(),), True, START)
    assert determine_outcome(sent, read, usage(None), DEFAULT_TIMING).finding is OutcomeKind.NEEDS_SERVER
    assert determine_outcome(sent, read.with_full(server()), usage(None), DEFAULT_TIMING).finding is kind
    away = read.with_full(server("rebooting"))
    assert determine_outcome(sent, away, usage(None), DEFAULT_TIMING).finding is OutcomeKind.ADOPTED


@pytest.fixture
async def stage(database_url: str) -> AsyncIterator[Stage]:
    config = SimulatorConfig(speed=600.0, seed=7)
    async with running_simulator(config, clock=VirtualClock()) as provider, staged(database_url, provider) as made:
        yield made


@pytest.mark.parametrize(("refusal", "state"), [("Hostname is already in use", State.SUCCEEDED), ("No", State.FAILED)])
@pytest.mark.requirement("refusals-are-verified")
async def test_a_create_that_shows_late_after_a_no_is_found(stage: Stage, refusal: str, state: State) -> None:
    """The list is behind by more than a clear refusal is verified for, and by less than a create takes."""
    made = refusal != "No"
    stage.fault("status", "create", status=409 if made else 422, detail=refusal, after_effect=made, times=1)
    stage.fault("stale", "list", seconds=480)  # 0.8 s at this speed
    ended = await stage.done("create", **NEW)
    assert (ended.state, stage.effects("create"), stage.asked("create")) == (state, int(made), 1), ended.note
