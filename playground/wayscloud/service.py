"""One request from key to effect to fault: what the routes of every dialect have in common."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Final

from starlette.requests import Request
from starlette.responses import Response

from vpsops.playground.wayscloud.account import create_request
from vpsops.playground.wayscloud.faults import Asked, Drawn, Fault, FaultPhase
from vpsops.playground.wayscloud.faults.responses import Answer, faulty, refused
from vpsops.playground.wayscloud.faults.transport_faults import encoded
from vpsops.playground.wayscloud.faults.views import Sight, seen
from vpsops.playground.wayscloud.hardware import keys
from vpsops.playground.wayscloud.operations import perform
from vpsops.playground.wayscloud.request_log import Entry
from vpsops.playground.wayscloud.simulator import Simulator

ENTRY: Final = "vpsops.simulator.entry"
DROP: Final = "vpsops.simulator.drop"
HARMLESS: Final = frozenset({"GET"})


async def answer(simulator: Simulator, operation: str, request: Request) -> Response:
    """Check the key, draw the faults, let the effect happen, and answer."""
    entry: Entry = request.scope[ENTRY]
    entry.operation, entry.server_id = operation, request.path_params.get("vps_id")
    entry.item = next((value for name, value in request.path_params.items() if name != "vps_id"), "")
    denied = keys.refusal(entry.keys, simulator.config.keys)
    if denied:
        return refused(*denied).response()
    drawn = simulator.faults.draw(asked(simulator, entry))
    entry.faults = list(drawn.struck)
    await pause(simulator, drawn.wait(after=False))
    if drawn.before:
        return spoil(request, drawn.before, None, simulator)
    done = perform(simulator, entry, request.query_params, drawn)
    await pause(simulator, drawn.wait(after=True))
    if drawn.after:
        return spoil(request, drawn.after, done, simulator)
    return viewed(simulator, entry, request, drawn, done).response()


async def pause(simulator: Simulator, seconds: float) -> None:
    """Wait in real time, at any simulated speed: client timeouts are measured against it."""
    if seconds > 0:
        await simulator.clock.sleep(seconds)


def spoil(request: Request, fault: Fault, done: Answer | None, simulator: Simulator) -> Response:
    """Return the faulty answer, or mark the connection to be dropped."""
    if fault.kind in ("drop_before", "drop_after"):
        request.scope[DROP] = fault
        return Response()
    return faulty(fault, done, str(request.url), simulator.clock.now())


def viewed(simulator: Simulator, entry: Entry, request: Request, drawn: Drawn, done: Answer) -> Answer:
    """Return the honest answer as the striking faults show and encode it; an error stays unchanged."""
    if done.status >= 300:  # noqa: PLR2004 - the successes
        return done
    url = str(request.url.replace(query=""))
    now, query = simulator.clock.now(), dict(request.query_params)

    def peer() -> Answer | None:
        return about_another(simulator, entry, query, done)

    strikes = drawn.of(FaultPhase.VIEW)
    answer = seen(done, [Sight(strike.fault, strike.luck, url, query, now, peer) for strike in strikes])
    for strike in drawn.of(FaultPhase.WIRE):
        answer = encoded(answer, strike.fault.form or "gzip")
    return answer


def about_another(simulator: Simulator, entry: Entry, query: Mapping[str, str], done: Answer) -> Answer | None:
    """Return the answer for another server: its reading, or the finished operation under its name; or None."""
    other = next((server for server in simulator.world.servers() if server.id != entry.server_id), None)
    if other is None or not isinstance(done.body, dict):
        return None
    if entry.method in HARMLESS:
        return perform(simulator, replace(entry, server_id=other.id), query, Drawn())
    names = {"id": other.id, "vps_id": other.id, "hostname": other.hostname}
    return replace(done, body=done.body | {key: value for key, value in names.items() if key in done.body})


def asked(simulator: Simulator, entry: Entry) -> Asked:
    """Return the attributes that fault rules match: for a create, the requested ones; otherwise the server's."""
    world = simulator.world
    server = world.get(entry.server_id) if entry.server_id else None
    order = create_request.wanted_in(entry.body) if entry.operation == "create" else {}
    place = simulator.dialect.catalogue.locate(order.get("region", ""))
    return Asked(
        method=entry.method,
        path=entry.path,
        operation=entry.operation or "",
        server=entry.server_id or "",
        hostname=server.hostname if server else order.get("hostname", ""),
        region=server.location if server else place.country if place else "",
        plan=server.plan if server else order.get("plan_code", ""),
        at=world.time.seconds(),
    )
