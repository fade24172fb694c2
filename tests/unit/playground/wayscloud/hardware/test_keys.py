"""Who may call."""

import pytest

from tests.unit.playground.wayscloud.harness import KEY, bench
from vpsops.playground.wayscloud.faults.config import SimulatorConfig

OTHER = "wayscloud_storage_abc12_TESTSECRET"


@pytest.mark.parametrize(
    ("headers", "code"),
    [
        ({}, 401),
        ({"x-api-key": "nonsense"}, 401),
        ({"authorization": "Basic abc"}, 401),
        ({"authorization": KEY}, 401),
        ({"x-api-key": KEY}, 200),
        ({"authorization": f"Bearer {KEY}"}, 200),
        ({"authorization": "bearer wayscloud_pat_abc_x"}, 200),
        ({"x-api-key": "wayscloud_api_abc_x"}, 200),
        ({"x-api-key": OTHER}, 403),
        ({"x-api-key": OTHER, "authorization": f"Bearer {KEY}"}, 200),
    ],
)
async def test_any_secret_that_reaches_servers_is_accepted_in_either_header(headers: dict[str, str], code: int) -> None:
    """Without a list of keys the form decides; a key of another service is known but not permitted."""
    async with bench() as sim:
        del sim.api.headers["x-api-key"]
        answer = await sim.api.get("/v1/vps", headers=headers)
    assert answer.status_code == code
    if code == 401:
        assert answer.json() == {"detail": "Invalid token"}


@pytest.mark.parametrize(("secret", "code"), [(KEY, 401), ("one", 200), ("two", 200), ("", 401)])
async def test_named_keys_are_the_only_ones(secret: str, code: int) -> None:
    """With keys given, the form no longer matters."""
    async with bench(SimulatorConfig(keys=("one", "two"))) as sim:
        answer = await sim.api.get("/v1/vps", headers={"x-api-key": secret})
    assert answer.status_code == code


async def test_without_a_key_nothing_takes_effect_and_no_fault_is_spent() -> None:
    """A refused request neither changes a server nor uses up a rule that counts."""
    async with bench() as sim:
        await sim.fault(kind="status", times=1)
        del sim.api.headers["x-api-key"]
        refused = await sim.order()
        first = await sim.api.get("/v1/vps", headers={"x-api-key": KEY})
        effects = await sim.effects()
    assert (refused.status_code, first.status_code, effects) == (401, 503, {})


async def test_a_secret_shows_nowhere() -> None:
    """Not in the requests kept, not in a configuration printed, whatever part of the request carried it."""
    async with bench(SimulatorConfig(keys=(KEY,))) as sim:
        await sim.order(display_name=f"oops {KEY}")
        await sim.api.get(f"/v1/vps/{KEY}", params={"token": KEY})
        journal = await sim.api.get("/_sim/requests")
        printed = repr(sim.simulator.config) + repr(sim.simulator.journal.entries()[0].keys)
    assert "TESTSECRET" not in journal.text + printed
    assert journal.json()["requests"][0]["keys"] == [{"header": "x-api-key", "kind": "vps"}]
    assert journal.json()["requests"][0]["body"]["display_name"] == "oops wayscloud_vps_***"
