"""Whether the audit trail carries a server's end and the stop at it: what was approved is the create, with its end."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from vpsops.core.changes.model import Change
from vpsops.core.common.hostnames import is_same_hostname
from vpsops.core.common.json_types import Json
from vpsops.core.common.timings import SAME_SECONDS
from vpsops.core.ends.lifecycle import (
    ASKED,
    DELETES,
    GONE,
    KEPT,
    LIFETIME,
    OPENED,
    STOPPED,
    STOPPING,
    STOPS,
)
from vpsops.core.ends.model import EndState, ServerEnd
from vpsops.core.operations.traits import makes_server

STOP: Final = "stop"
PREFIX: Final = "end_"
STATES: Final[Mapping[object, EndState]] = {
    OPENED: EndState.OPEN,
    KEPT: EndState.OPEN,
    STOPPING: EndState.STOPPING,
    STOPPED: EndState.STOPPED,
    ASKED: EndState.ASKED,
    GONE: EndState.GONE,
}
"""The state that a record of an end leads to; a reminder leads to none."""
UNKNOWN_END: Final = "the audit trail does not hold that its server has an end"


def missing_end(change: Change, source: Sequence[Mapping[str, Json]]) -> str:
    """Return the part of an end that the records of its create lack for a stop; empty where they carry it.

    The create asked for an end, its server is the one to stop and called as it was made, and the last word about this
    end is its stop by this very change, not before the time that was recorded last: a server that was kept, or that
    people are asked about, is not stopped by itself.
    """
    if change.operation != STOP:
        return f"an end stops its server, and this is {change.operation.replace('_', ' ')}"
    request = next(iter(source), {})
    arguments = request.get("arguments")
    asked = isinstance(arguments, Mapping) and bool(arguments.get(LIFETIME))
    if not asked or not makes_server(str(request.get("operation") or "")):
        return "the audit trail holds no create with an end for it"
    own = _of_server(change.target.id, source)
    if not any(body["event"] == OPENED for body in own):
        return UNKNOWN_END
    if own[-1]["event"] != STOPPING or own[-1].get(STOPS) != change.id:
        return "the audit trail does not hold that its server is at its end"
    if not _is_due(own):
        return "by the audit trail its server ends later"
    made = request.get("target")
    name = str(made.get("hostname") or "") if isinstance(made, Mapping) else ""
    return "" if is_same_hostname(name, change.target.hostname) else "by the audit trail its server was made as another"


def _is_due(own: Sequence[Mapping[str, Json]]) -> bool:
    """Return whether the last record of an end comes at or after the time that was agreed to last."""
    agreed = [body.get("ends_at") for body in own if body["event"] in {OPENED, KEPT}][-1]
    at = own[-1].get("at")
    if not isinstance(agreed, int | float) or not isinstance(at, int | float):
        return False
    return round(at - agreed, 3) >= 0


def _of_server(server_id: str, source: Sequence[Mapping[str, Json]]) -> list[Mapping[str, Json]]:
    return [body for body in source if str(body["event"]).startswith(PREFIX) and body.get("server") == server_id]


def end_differences(end: ServerEnd, source: Sequence[Mapping[str, Json]]) -> Iterator[str]:
    """Yield the differences between an end's row and the records of the create that opened it."""
    own = _of_server(end.server_id, source)
    if not any(body["event"] == OPENED for body in own):
        yield UNKNOWN_END
        return
    state = next(STATES[body["event"]] for body in reversed(own) if body["event"] in STATES)
    if end.state is not state:
        yield f"by the audit trail its end is {state}, and its row says {end.state}"
    recorded, stored = {**_recorded(own), **_asked_by(next(iter(source)))}, _stored(end)
    for name, value in recorded.items():
        if not _is_same(value, stored[name]):
            yield f"the row of its end has another {name} than the audit trail"
    if end.state is EndState.OPEN and (end.next_at is None or end.next_at > end.ends_at):
        yield "the row of its end says that it is not looked at when its time comes"


def _recorded(own: Sequence[Mapping[str, Json]]) -> dict[str, object]:
    """Return what the records of an end come to, by the words for it."""
    facts: dict[str, object] = {"stop": "", "deletion": ""}
    for body in own:
        match body["event"]:
            case event if event == OPENED:
                facts |= {"beginning": body.get("at"), "time": body.get("ends_at"), "turn": body.get("turn")}
            case event if event == KEPT:
                facts |= {"time": body.get("ends_at"), "turn": body.get("turn"), "stop": "", "deletion": ""}
            case event if event == STOPPING:
                facts |= {"stop": body.get(STOPS)}
            case event if event == STOPPED:
                facts |= {"deletion": body.get(DELETES) or facts["deletion"]}
    return facts


def _asked_by(request: Mapping[str, Json]) -> dict[str, object]:
    """Return who owns the server by the request for it, in which workspace, and what it was called."""
    actor, target = request.get("actor"), request.get("target")
    facts: dict[str, object] = {}
    if isinstance(actor, Mapping):
        facts |= {"owner": [actor.get("kind"), actor.get("id"), actor.get("human")]}
    if isinstance(target, Mapping):
        facts |= {"name": target.get("hostname")}
    return facts | ({"workspace": request["team"]} if "team" in request else {})


def _stored(end: ServerEnd) -> dict[str, Any]:
    return {
        "beginning": end.made_at.timestamp(),
        "time": end.ends_at.timestamp(),
        "turn": end.turn,
        "stop": end.stop_id,
        "deletion": end.delete_id,
        "owner": [end.owner.kind.value, end.owner.id, end.owner.human],
        "name": end.hostname,
        "workspace": end.origin.team,
    }


def _is_same(recorded: object, stored: object) -> bool:
    if isinstance(recorded, float) and isinstance(stored, float):
        return abs(recorded - stored) < SAME_SECONDS
    return recorded == stored
