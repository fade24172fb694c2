"""What each operation does to the world, and its honest answer."""

from collections.abc import Callable, Mapping
from dataclasses import replace

from vpsops.playground.wayscloud.account import create_request
from vpsops.playground.wayscloud.account.resources import RESOURCES, ResourceCall
from vpsops.playground.wayscloud.dialects import Json
from vpsops.playground.wayscloud.faults import Drawn
from vpsops.playground.wayscloud.faults.responses import Answer, refused
from vpsops.playground.wayscloud.hardware.catalogue import Catalogue
from vpsops.playground.wayscloud.hardware.model import Power, SimulatedServer, already
from vpsops.playground.wayscloud.lifecycle import SERVER_CALLS
from vpsops.playground.wayscloud.request_log import Entry
from vpsops.playground.wayscloud.simulator import Simulator

NORMALISED: Mapping[str, Callable[[str], str]] = {
    "lower": str.lower,
    "upper": lambda hostname: f"{hostname.upper()}.",
    "short": lambda hostname: hostname.partition(".")[0],
}


def perform(simulator: Simulator, entry: Entry, query: Mapping[str, str], drawn: Drawn) -> Answer:
    """Execute an operation atomically, with the faults drawn for it."""
    repeat = drawn.one("repeat") if entry.method != "GET" else None
    for _ in range(repeat.copies - 1 if repeat else 0):
        once(simulator, entry, query, drawn)
    return once(simulator, entry, query, drawn)


def once(simulator: Simulator, entry: Entry, query: Mapping[str, str], drawn: Drawn) -> Answer:
    """Let an operation happen one time."""
    if entry.operation == "create":
        return create(simulator, entry, drawn)
    behind = max((strike.fault.seconds for strike in drawn.strikes if strike.fault.kind == "stale"), default=0.0)
    if entry.operation == "list":
        return Answer(200, listed(simulator, query, behind))
    if entry.server_id is None:
        return Answer(200, catalogue(simulator, entry, query))
    world = simulator.world
    read = entry.operation in ("get", "status")
    server = world.as_of(behind).get(entry.server_id) if behind and read else world.get(entry.server_id)
    if server is None:
        return refused(404, "VPS not found")
    if read:
        return Answer(200, description(simulator, entry.operation or "", server, behind))
    return with_server(simulator, entry, server, doomed=drawn.one("fail_boot") is not None)


def catalogue(simulator: Simulator, entry: Entry, query: Mapping[str, str]) -> list[Json] | Json:
    """Return plans, add-ons, operating systems, locations, or the regions of all services."""
    dialect, operation = simulator.dialect, entry.operation
    if operation == "plans":
        return [dialect.plan(plan) for plan in dialect.catalogue.plans.values()]
    if operation == "plans_of_region":
        place = dialect.catalogue.locate(entry.item)
        return [dialect.plan(plan) for plan in dialect.catalogue.plans_at(place)]
    if operation == "addons":
        return addons(dialect.catalogue, query.get("region"))
    if operation == "all_regions":
        return regions_of_all_services(dialect.catalogue)
    if operation == "os_templates":
        return [dialect.template(template) for template in dialect.catalogue.listed()]
    return [dialect.location(place) for place in dialect.catalogue.locations.values()]


def regions_of_all_services(catalogue: Catalogue) -> Json:
    """Return the regions as the SDK's and Terraform's tests have them; `vps` is not among the services there."""
    listed = [
        {
            "code": place.country.lower(),
            "name": place.name.rpartition(", ")[2],
            "city": place.name.partition(",")[0],
            "country": place.country,
            "status": "active",
            "available_services": ["storage", "databases"],
        }
        for place in catalogue.locations.values()
    ]
    return {"regions": listed, "total": len(listed)}


def addons(catalogue: Catalogue, region: str | None) -> list[Json]:
    """Return the add-ons, of one region where one is named."""
    place = catalogue.locate(region) if region else None
    return [
        {"code": extra.code, "name": extra.name, "type": extra.kind, "price": extra.price, "currency": extra.currency}
        for extra in catalogue.extras
        if not region or (place and extra.location in ("", place.country))
    ]


def with_server(simulator: Simulator, entry: Entry, server: SimulatedServer, *, doomed: bool) -> Answer:
    """Start a power operation on a server, or execute another operation on it or on one of its resources."""
    if entry.operation in RESOURCES:
        return resource(simulator, entry, server)
    whole = SERVER_CALLS.get(entry.operation or "")
    if whole is not None:
        return whole(simulator, entry, server)
    return power(simulator, entry, server, doomed=doomed)


def description(simulator: Simulator, operation: str, server: SimulatedServer, behind: float) -> Json:
    """Return a server, or its usage, `behind` seconds ago."""
    time, dialect = simulator.world.time, simulator.dialect
    if operation == "get":
        return dialect.server(server)
    usage = dialect.usage(server, time.seconds() - behind)
    if server.booted is not None and usage.get("uptime_seconds"):
        usage["uptime_seconds"] = int(time.age(server.booted, behind))
    return usage


def listed(simulator: Simulator, query: Mapping[str, str], behind: float) -> Json:
    """Return the list of `behind` seconds ago, filtered if the dialect has filters."""
    dialect, world = simulator.dialect, simulator.world
    servers = list(world.as_of(behind).values()) if behind else world.servers()
    status, region = query.get("status"), query.get("region")
    if dialect.filters and status:
        servers = [each for each in servers if dialect.matches(each, status)]
    if dialect.filters and region:
        place = dialect.catalogue.locate(region)
        servers = [each for each in servers if place and each.location == place.country]
    return dialect.listing(servers)


def create(simulator: Simulator, entry: Entry, drawn: Drawn) -> Answer:
    """Make a server of a valid order."""
    try:
        order = create_request.read(entry.body, simulator.dialect.catalogue)
    except create_request.OrderRefusedError as problem:
        return refused(422, problem.detail)
    if simulator.config.unique_hostnames and simulator.world.taken(order.hostname):
        return refused(409, "Hostname is already in use")
    normalised = drawn.one("normalise")
    if normalised:
        order = replace(order, hostname=NORMALISED[normalised.form or "lower"](order.hostname))
    server = simulator.world.create(order, doomed=drawn.one("fail_provision") is not None)
    entry.server_id, entry.effect = server.id, True
    return Answer(201, simulator.dialect.created(server))


def power(simulator: Simulator, entry: Entry, server: SimulatedServer, *, doomed: bool) -> Answer:
    """Start a power operation, or find that it is not needed."""
    action = Power(entry.operation or "")
    reason = simulator.world.power(server, action, doomed=doomed)
    if reason:
        return refused(409, reason)
    entry.effect = entry.effect or not already(server, action)
    return Answer(200, simulator.dialect.accepted(server, action))


def resource(simulator: Simulator, entry: Entry, server: SimulatedServer) -> Answer:
    """Read or change what belongs to a server."""
    row = RESOURCES[entry.operation or ""]
    done = row.handler(ResourceCall(simulator.world, server, entry.item, entry.body))
    if row.effect and done.status < 300:  # noqa: PLR2004 - the successes
        entry.effect = True
        simulator.world.count(entry.operation or "", server)
    return done
