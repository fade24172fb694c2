"""Routes that the provider does not offer: learned by region, refused, hidden, asked again, never learned wrongly."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import replace

import pytest
from sqlalchemy.engine import Connection

from tests.harness.virtual_time import VirtualClock
from tests.provider.ends.endings import RULES, SOON, SPEED, arguments_for, carried_out, prepared_server
from tests.unit.core.harness import ALICE, SLACK, Setup, Stage, staged
from vpsops.core.changes.preview import target_of
from vpsops.core.changes.requests import Done, Refused, Request
from vpsops.core.changes.scope import OPERATOR
from vpsops.core.common.errors import InvalidInputError
from vpsops.core.common.json_types import Json
from vpsops.core.common.timings import OFFER_SECONDS
from vpsops.core.config.settings import Settings
from vpsops.core.diagnostics.offers import check_offers
from vpsops.core.offers.absences import is_absent_if_named_exists
from vpsops.core.offers.memory import OfferMemory
from vpsops.core.operations import OPERATIONS, Operation
from vpsops.core.operations.strategies import Precheck
from vpsops.core.service.offer_queries import OfferQueries
from vpsops.core.storage.tables import ABSENT_ROUTES
from vpsops.core.wayscloud.answers.errors import NotFoundError, WayscloudError
from vpsops.core.wayscloud.requests.endpoints import ALL_REGIONS, SERVER, Route
from vpsops.core.wayscloud.requests.transport import RequestLane
from vpsops.playground.wayscloud.faults import parse
from vpsops.playground.wayscloud.faults.config import SimulatorConfig
from vpsops.playground.wayscloud.hardware.model import ServerState
from vpsops.playground.wayscloud.serve import SimulatorHandle, running_simulator

HOST = "case.example.com"
NEEDED = [
    pytest.param(name, route, id=f"{name}-{route.name}")
    for name, operation in OPERATIONS.items()
    for route in operation.routes
]


@asynccontextmanager
async def playing(database_url: str, dialect: str = "live") -> AsyncIterator[Stage]:
    config, clock = SimulatorConfig(dialect=dialect, speed=SPEED, restores=True), VirtualClock()
    async with (
        running_simulator(config, clock=clock) as provider,
        staged(database_url, provider, Setup(timing=SOON, policy=RULES, clock=clock)) as stage,
    ):
        yield stage


def unserved(provider: SimulatorHandle, route: Route, status: int, region: str | None = None) -> None:
    """Answer a route, in both slash forms, as an API that does not have it."""
    path = route.path.replace("{id}", route.server_id or "*").replace("{part}", "*")
    match = {"method": route.method, **({"region": region} if region else {})}
    rules = [
        {"kind": "status", "status": status, "detail": "Not Found", "match": {**match, "path": form}}
        for form in (path.rstrip("/"), f"{path.rstrip('/')}/")
    ]
    provider.simulator.faults.add(parse(rules))


async def attempt(stage: Stage, operation: Operation, arguments: Mapping[str, Json]) -> str:
    """Run an operation to its end, and return what is said of it."""
    request = Request(operation.name, arguments, ALICE, SLACK, reason="A test.")
    try:
        if not operation.reads:
            return (await carried_out(stage, operation, arguments)).note
        outcome = await stage.servers.read(request, scope=OPERATOR)
    except WayscloudError as error:
        return error.message
    assert isinstance(outcome, Done)
    return "done"


def hidden(stage: Stage) -> frozenset[str]:
    return OfferQueries(stage.backend).hidden


def age_by_a_day(connection: Connection) -> None:
    connection.execute(ABSENT_ROUTES.update().values(learned_at=ABSENT_ROUTES.c.learned_at - OFFER_SECONDS))


def settings_of(stage: Stage) -> Settings:
    return Settings.model_validate(
        {"WAYSCLOUD_API_KEY": "wayscloud_vps_test1_SECRET", "WAYSCLOUD_API_URL": stage.provider.url}
    )


async def submit(stage: Stage, name: str, arguments: Mapping[str, Json]) -> Refused | None:
    """Ask for a change; return its refusal, if any."""
    outcome = await stage.gate.submit(Request(name, arguments, ALICE, SLACK, reason="A test."), scope=OPERATOR)
    return outcome if isinstance(outcome, Refused) else None


@pytest.mark.requirement("not-offered-is-remembered")
@pytest.mark.parametrize(("name", "route"), NEEDED)
async def test_a_route_that_is_not_offered_is_remembered(database_url: str, name: str, route: Route) -> None:
    """Every operation with routes of its own: it leaves the lists, doctor names it, and a change is refused unsent."""
    operation = OPERATIONS[name]
    async with playing(database_url) as stage:
        server = prepared_server(stage, operation, HOST)
        arguments = arguments_for(stage, operation, HOST, server)
        unserved(stage.provider, route, 501)
        unserved(stage.provider, ALL_REGIONS, 501)
        assert await attempt(stage, operation, arguments) != "done"
        assert name in hidden(stage)
        findings = await check_offers(stage.database, settings_of(stage))
        assert [name in item.what for item in findings if f"{route.name} was answered with 501" in item.what] == [True]
        if operation.reads or route is not operation.routes[0]:
            return
        refused = await submit(stage, name, arguments)
        assert refused is not None
        assert f"The API does not offer to {route.doing} in Oslo, Norway (NO) (501, since " in refused.reason


async def test_a_route_in_one_region_says_nothing_of_another(database_url: str) -> None:
    """The tool stays for the servers elsewhere, and the refusal is for those of the region alone."""
    operation = OPERATIONS["snapshot_create"]
    async with playing(database_url) as stage:
        here = prepared_server(stage, operation, HOST)
        there = prepared_server(stage, operation, "elsewhere.example.com", region="SE")
        unserved(stage.provider, operation.routes[0], 501, region="NO")
        asked = arguments_for(stage, operation, HOST, here)
        await attempt(stage, operation, asked)
        assert "snapshot_create" not in hidden(stage)
        assert await submit(stage, "snapshot_create", asked) is not None
        assert await submit(stage, "snapshot_create", {**asked, "server": there.id}) is None
        absences = stage.backend.offers.latest
        assert [row.account_regions for row in absences.routes] == [("NO", "SE")]


async def test_a_route_is_asked_for_again_after_a_day(database_url: str) -> None:
    """An API that gained it is noticed; the tool is back without a restart."""
    operation = OPERATIONS["snapshot_create"]
    async with playing(database_url) as stage:
        server = prepared_server(stage, operation, HOST)
        arguments = arguments_for(stage, operation, HOST, server)
        unserved(stage.provider, operation.routes[0], 405)
        await attempt(stage, operation, arguments)
        stage.provider.simulator.faults.clear()
        assert await submit(stage, "snapshot_create", arguments) is not None
        await stage.database.transact(age_by_a_day)
        await stage.backend.offers.refresh()
        assert "snapshot_create" not in hidden(stage)
        assert await submit(stage, "snapshot_create", arguments) is None


async def test_a_read_that_is_served_again_is_forgotten_at_once(database_url: str) -> None:
    """A read is never refused from memory: it asks, and what the answer shows counts."""
    operation = OPERATIONS["snapshots"]
    async with playing(database_url) as stage:
        server = prepared_server(stage, operation, HOST)
        unserved(stage.provider, operation.routes[0], 404)
        assert "does not offer to list the snapshots" in await attempt(stage, operation, {"server": server.id})
        assert {"snapshots", "snapshot_create"} <= hidden(stage)
        stage.provider.simulator.faults.clear()
        assert await attempt(stage, operation, {"server": server.id}) == "done"
        assert not hidden(stage)


@pytest.mark.requirement("not-offered-is-remembered")
@pytest.mark.parametrize("name", ["snapshots", "backup_usage"])
async def test_nothing_is_learned_from_a_404_that_may_be_about_the_server(database_url: str, name: str) -> None:
    """The server is gone, in the instant between the look at it and the call."""
    operation = OPERATIONS[name]
    async with playing(database_url) as stage:
        server = prepared_server(stage, operation, HOST)
        unserved(stage.provider, operation.routes[0], 404)
        unserved(stage.provider, SERVER.of(server.id), 404)
        await attempt(stage, operation, arguments_for(stage, operation, HOST, server))
        assert not stage.backend.offers.latest.routes
        assert not hidden(stage)


SEED_AND_TERRAFORM = [("seed", "delete"), ("seed", "rename"), ("seed", "resize"), ("terraform", "resize")]


@pytest.mark.requirement("not-offered-is-remembered")
@pytest.mark.parametrize(("dialect", "name"), SEED_AND_TERRAFORM)
async def test_a_write_that_no_slash_form_serves_is_remembered(database_url: str, dialect: str, name: str) -> None:
    """One form is answered with 405 or 404, the other one with 404, and the server is there: the route is not."""
    operation = OPERATIONS[name]
    async with playing(database_url, dialect) as stage:
        server = prepared_server(stage, operation, HOST)
        arguments = arguments_for(stage, operation, HOST, server)
        note = await attempt(stage, operation, arguments)
        assert "(404), and 40" in note
        assert {name} <= hidden(stage) <= {name, "label"}
        findings = await check_offers(stage.database, settings_of(stage))
        assert [name in item.what for item in findings] == [True]
        refused = await submit(stage, name, arguments)
        assert refused is not None
        assert (
            f"The API does not offer to {operation.routes[0].doing} in Oslo, Norway (NO) (404, since " in refused.reason
        )
        assert f"does not offer {name}" in findings[0].what
        assert " in Oslo, Norway (NO): " in findings[0].what


def in_no_form(operation: Operation) -> NotFoundError:
    error = NotFoundError("WAYSCloud would not do it.", status=404, operation=operation.routes[0].name)
    error.in_no_form = True
    return error


WHOLE_SERVER_WRITES = [
    name
    for name, operation in OPERATIONS.items()
    if operation.routes and not operation.reads and "{part}" not in operation.routes[0].path
]


@pytest.mark.requirement("not-offered-is-remembered")
@pytest.mark.parametrize("kind", ["there", "gone", "moving", "failed", "unreadable", "unmet"])
@pytest.mark.parametrize("name", WHOLE_SERVER_WRITES)
async def test_a_404_of_a_write_teaches_only_where_its_server_is_there(database_url: str, name: str, kind: str) -> None:
    """A server that is gone, being removed, failed or unreadable proves nothing, nor does one that does not fit."""
    operation = OPERATIONS[name]
    async with playing(database_url) as stage:
        server = prepared_server(stage, operation, HOST)
        arguments = operation.arguments.model_validate(arguments_for(stage, operation, HOST, server))
        target = target_of(await stage.backend.api_for(OPERATOR, lane=RequestLane.WORK).get_server(server.id))
        world = stage.provider.simulator.world
        if kind == "gone":
            world.remove(server)
        elif kind in {"moving", "failed"}:
            world.override(server, ServerState.STOPPING if kind == "moving" else ServerState.ERROR, None, None)
        elif kind == "unreadable":
            unserved(stage.provider, SERVER.of(server.id), 503)
        elif kind == "unmet":
            operation = replace(operation, check=refusing)
        api = stage.backend.api_for(OPERATOR, lane=RequestLane.WORK)
        await stage.backend.offers.learn_from_refusal(api, operation, arguments, target, in_no_form(operation))
        taught = {row.route for row in stage.backend.offers.latest.routes}
        assert taught == ({operation.routes[0].name} if kind == "there" else set())


async def refusing(_api: object, _arguments: object, _server: object) -> Precheck:
    raise InvalidInputError("What was named is not there.")


@pytest.mark.requirement("not-offered-is-remembered")
@pytest.mark.parametrize("name", sorted({name for name, operation in OPERATIONS.items() if operation.routes}))
async def test_a_404_in_no_form_is_about_the_own_route_of_a_whole_server(name: str) -> None:
    """A part may be what is missing, and a 404 whose words name something else is about that."""
    operation = OPERATIONS[name]
    error = in_no_form(operation)
    assert is_absent_if_named_exists(error, operation) is ("{part}" not in operation.routes[0].path)
    error.in_no_form = False
    assert not is_absent_if_named_exists(error, operation)
    error.in_no_form, error.operation = True, "start_server"
    assert not is_absent_if_named_exists(error, operation)


async def test_nothing_is_learned_where_no_server_can_be_listed(database_url: str) -> None:
    """A proxy that answers everything alike, or a wrong address, says nothing of one route."""
    operation = OPERATIONS["snapshots"]
    async with playing(database_url) as stage:
        server = prepared_server(stage, operation, HOST)
        unserved(stage.provider, operation.routes[0], 501)
        rules = [{"kind": "status", "status": 501, "match": {"path": path}} for path in ("/v1/vps", "/v1/vps/")]
        stage.provider.simulator.faults.add(parse(rules))
        await attempt(stage, operation, {"server": server.id})
        assert not stage.backend.offers.latest.routes


async def test_another_process_knows_and_another_address_does_not(database_url: str) -> None:
    """The memory is the database's, for one API."""
    operation = OPERATIONS["snapshots"]
    async with playing(database_url) as stage:
        server = prepared_server(stage, operation, HOST)
        unserved(stage.provider, operation.routes[0], 501)
        await attempt(stage, operation, {"server": server.id})
        same = OfferMemory(stage.database, stage.clock, f"{stage.provider.url}/")
        other = OfferMemory(stage.database, stage.clock, "https://api.example.com")
        assert (await same.refresh()).everywhere(operation) is not None
        assert not (await other.refresh()).routes


@pytest.mark.requirement("not-offered-is-remembered")
async def test_a_405_about_one_server_hides_nothing(database_url: str) -> None:
    """Its words are about that server: the operation stays on offer for every other."""
    operation = OPERATIONS["delete"]
    async with playing(database_url) as stage:
        locked, other = (prepared_server(stage, operation, name) for name in (HOST, "other.example.com"))
        paths = (f"/v1/vps/{locked.id}", f"/v1/vps/{locked.id}/")
        words = {"kind": "status", "status": 405, "detail": "Deletion is locked while a task runs."}
        stage.provider.simulator.faults.add(
            parse([{**words, "match": {"method": "DELETE", "path": path}} for path in paths])
        )
        await attempt(stage, operation, arguments_for(stage, operation, HOST, locked))
        assert hidden(stage) == set()
        stage.provider.simulator.faults.clear()
        outcome = await submit(stage, "delete", arguments_for(stage, operation, "other.example.com", other))
        assert not isinstance(outcome, Refused)
