"""The simulator's own endpoints, under `/_sim`: received requests, their effects, and levers for tests."""

from typing import Annotated, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from vpsops.playground.wayscloud import faults
from vpsops.playground.wayscloud.hardware.model import ServerState, SimulatedServer
from vpsops.playground.wayscloud.simulator import Simulator

Model = TypeVar("Model", bound=BaseModel)


class Override(BaseModel):
    """A change outside the API."""

    model_config = ConfigDict(extra="forbid")

    status: ServerState | None = None
    hostname: Annotated[str, Field(min_length=1)] | None = None
    display_name: Annotated[str, Field(min_length=1)] | None = None
    labels: dict[str, str] | None = None
    tags: tuple[str, ...] | None = None
    delete: bool = False

    @model_validator(mode="after")
    def _says_something(self) -> "Override":
        if not (self.delete or self.model_dump(exclude_none=True, exclude={"delete"})):
            raise ValueError("name a status, a hostname, a display_name, labels, tags or delete")
        return self


class Shift(BaseModel):
    """A change of the world's time."""

    model_config = ConfigDict(extra="forbid")

    speed: Annotated[float, Field(gt=0)] | None = None
    advance: Annotated[float, Field(ge=0)] = 0.0


class Control:
    """Handlers over one simulator."""

    def __init__(self, simulator: Simulator) -> None:
        self._simulator = simulator

    async def requests(self, request: Request) -> Response:
        """Return the requests received, oldest first; `since` and `operation` narrow them."""
        since = request.query_params.get("since", "0")
        if not since.isdecimal():
            raise HTTPException(422, "since: a number is wanted")
        journal = self._simulator.journal
        entries = journal.entries(since=int(since), operation=request.query_params.get("operation"))
        return JSONResponse({"requests": [entry.as_json() for entry in entries], "total": journal.total})

    async def effects(self, request: Request) -> Response:
        """Return the effects, oldest first, and exact counts by operation."""
        world = self._simulator.world
        results = [
            {
                "seq": effect.seq,
                "at": effect.at.isoformat(),
                "ends_at": effect.ends_at.isoformat(),
                "operation": effect.operation,
                "server_id": effect.server_id,
                "hostname": effect.hostname,
            }
            for effect in world.counted(request.query_params.get("operation"))
        ]
        return JSONResponse({"effects": results, "counts": dict(world.counts), "total": world.counts.total()})

    async def read_faults(self, request: Request) -> Response:
        """Return the rules in force with how often each matched and struck."""
        del request
        return JSONResponse({"faults": self._rules()})

    async def add_faults(self, request: Request) -> Response:
        """Put one rule or several in force."""
        try:
            added = faults.parse(await document(request))
        except ValidationError as error:
            raise HTTPException(422, faults.explain(error)) from error
        self._simulator.faults.add(added, self._simulator.world.time.seconds())
        return JSONResponse({"faults": self._rules()}, 201)

    async def clear_faults(self, request: Request) -> Response:
        """Let nothing go wrong any more."""
        del request
        self._simulator.faults.clear()
        return JSONResponse({"faults": []})

    async def presets(self, request: Request) -> Response:
        """Return the presets by name, with their descriptions."""
        del request
        return JSONResponse({"presets": {name: preset.says for name, preset in faults.PRESETS.items()}})

    async def reset(self, request: Request) -> Response:
        """Go back to the start."""
        del request
        self._simulator.reset()
        return JSONResponse({"servers": len(self._simulator.world.servers())})

    async def read_server(self, request: Request) -> Response:
        """Return a server's real state, by id or hostname."""
        return JSONResponse(truth(self._server(request), self._simulator.world.time.seconds()))

    async def change_server(self, request: Request) -> Response:
        """Change or delete a server outside the API."""
        override = await validated(Override, request)
        world, server = self._simulator.world, self._server(request)
        if override.delete:
            world.remove(server)
            return JSONResponse({"deleted": server.id})
        marks = override.model_dump(exclude_none=True, include={"labels", "tags"})
        changed = world.override(server, override.status, override.hostname, override.display_name, **marks)
        return JSONResponse(truth(changed, world.time.seconds()))

    async def read_time(self, request: Request) -> Response:
        """Return the world's time."""
        del request
        time = self._simulator.world.time
        return JSONResponse({"speed": time.speed, "seconds": time.seconds(), "now": time.now().isoformat()})

    async def shift_time(self, request: Request) -> Response:
        """Change the speed, jump ahead, or both."""
        shift = await validated(Shift, request)
        if shift.speed:
            self._simulator.world.time.set_speed(shift.speed)
        self._simulator.world.time.advance(shift.advance)
        return await self.read_time(request)

    def _server(self, request: Request) -> SimulatedServer:
        server = self._simulator.world.find(request.path_params["server"])
        if server is None:
            raise HTTPException(404, "VPS not found")
        return server

    def _rules(self) -> list[dict[str, object]]:
        return [
            armed.fault.model_dump(exclude_defaults=True) | {"matched": armed.matched, "fired": armed.fired}
            for armed in self._simulator.faults.armed
        ]


def application(simulator: Simulator) -> Starlette:
    """Return the control endpoints."""
    control = Control(simulator)
    routes = [
        Route("/_sim/requests", control.requests, methods=["GET"]),
        Route("/_sim/effects", control.effects, methods=["GET"]),
        Route("/_sim/faults", control.read_faults, methods=["GET"]),
        Route("/_sim/faults", control.add_faults, methods=["POST"]),
        Route("/_sim/faults", control.clear_faults, methods=["DELETE"]),
        Route("/_sim/presets", control.presets, methods=["GET"]),
        Route("/_sim/reset", control.reset, methods=["POST"]),
        Route("/_sim/time", control.read_time, methods=["GET"]),
        Route("/_sim/time", control.shift_time, methods=["POST"]),
        Route("/_sim/servers/{server}", control.read_server, methods=["GET"]),
        Route("/_sim/servers/{server}", control.change_server, methods=["POST"]),
    ]
    return Starlette(routes=routes, exception_handlers={HTTPException: explained})


async def explained(request: Request, error: Exception) -> Response:
    """Return an error of the control endpoints as JSON."""
    del request
    status, detail = (error.status_code, error.detail) if isinstance(error, HTTPException) else (500, "error")
    return JSONResponse({"detail": detail}, status)


async def document(request: Request) -> object:
    """Return the JSON body; anything else is refused with 422."""
    try:
        parsed: object = await request.json()
    except ValueError as error:
        raise HTTPException(422, "body: not JSON") from error
    return parsed


async def validated(model: type[Model], request: Request) -> Model:
    """Return the body as a model. Raises 422 with its fault."""
    try:
        return model.model_validate(await document(request))
    except ValidationError as error:
        raise HTTPException(422, faults.explain(error)) from error


def truth(server: SimulatedServer, at: float) -> dict[str, object]:
    """Return a server's real state, in no dialect; `settles_in` in the world's seconds."""
    return {
        "id": server.id,
        "hostname": server.hostname,
        "display_name": server.display_name,
        "state": server.state.value,
        "labels": dict(server.labels),
        "tags": list(server.tags),
        "settles_in": None if server.until is None else max(0.0, server.until - at),
    }
