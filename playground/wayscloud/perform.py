"""What each operation does to the world, and its honest answer."""

from collections.abc import Mapping

from playground.wayscloud import orders
from playground.wayscloud.answers import Answer, refused
from playground.wayscloud.dialects import Json
from playground.wayscloud.journal import Entry
from playground.wayscloud.model import Power, Server, already
from playground.wayscloud.resources import RESOURCES, Call
from playground.wayscloud.simulator import Simulator


def perform(simulator: Simulator, entry: Entry, query: Mapping[str, str], *, doomed: bool) -> Answer:
    """Let an operation happen, at once and undivided; `doomed` is the fate of a server made by it."""
    if entry.operation == "list":
        return Answer(200, listed(simulator, query))
    if entry.operation == "create":
        return create(simulator, entry, doomed=doomed)
    if entry.server_id is None:
        return Answer(200, catalogue(simulator, entry.operation or ""))
    server = simulator.world.get(entry.server_id)
    return refused(404, "VPS not found") if server is None else with_server(simulator, entry, server)


def catalogue(simulator: Simulator, operation: str) -> list[Json]:
    """Return plans, operating systems or locations."""
    dialect = simulator.dialect
    if operation == "plans":
        return [dialect.plan(plan) for plan in dialect.catalogue.plans.values()]
    if operation == "os_templates":
        return [dialect.template(template) for template in dialect.catalogue.listed()]
    return [dialect.location(place) for place in dialect.catalogue.locations.values()]


def with_server(simulator: Simulator, entry: Entry, server: Server) -> Answer:
    """Read a server, or begin a power operation on it."""
    dialect = simulator.dialect
    if entry.operation == "get":
        return Answer(200, dialect.server(server))
    if entry.operation == "status":
        return Answer(200, _usage(simulator, server))
    if entry.operation in RESOURCES:
        return resource(simulator, entry, server)
    return power(simulator, entry, server)


def _usage(simulator: Simulator, server: Server) -> Json:
    time = simulator.world.time
    shown = simulator.dialect.usage(server, time.seconds())
    if server.booted is not None and shown.get("uptime_seconds"):
        shown["uptime_seconds"] = int(time.age(server.booted))
    return shown


def listed(simulator: Simulator, query: Mapping[str, str]) -> Json:
    """Return the list, filtered where the dialect knows filters."""
    dialect, servers = simulator.dialect, simulator.world.servers()
    status, region = query.get("status"), query.get("region")
    if dialect.filters and status:
        servers = [each for each in servers if dialect.matches(each, status)]
    if dialect.filters and region:
        place = dialect.catalogue.locate(region)
        servers = [each for each in servers if place and each.location == place.country]
    return dialect.listing(servers)


def create(simulator: Simulator, entry: Entry, *, doomed: bool) -> Answer:
    """Make a server of a valid order."""
    try:
        order = orders.read(entry.body, simulator.dialect.catalogue)
    except orders.OrderRefused as problem:
        return refused(422, problem.detail)
    if simulator.config.unique_hostnames and simulator.world.taken(order.hostname):
        return refused(409, "Hostname is already in use")
    server = simulator.world.create(order, doomed=doomed)
    entry.server_id, entry.effect = server.id, True
    return Answer(201, simulator.dialect.created(server))


def power(simulator: Simulator, entry: Entry, server: Server) -> Answer:
    """Begin a power operation, or find that nothing needs to happen."""
    wanted = Power(entry.operation or "")
    reason = simulator.world.power(server, wanted)
    if reason:
        return refused(409, reason)
    entry.effect = not already(server, wanted)
    return Answer(200, simulator.dialect.accepted(server, wanted))


def resource(simulator: Simulator, entry: Entry, server: Server) -> Answer:
    """Read or change what belongs to a server."""
    row = RESOURCES[entry.operation or ""]
    done = row.handler(Call(simulator.world, server, entry.item, entry.body))
    if row.effect and done.status < 300:  # noqa: PLR2004 - the successes
        entry.effect = True
        simulator.world.count(entry.operation or "", server)
    return done
