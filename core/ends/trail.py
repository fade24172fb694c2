"""Whether the audit trail carries the stop of a server at its end: what was approved is the create, with its end."""

from collections.abc import Mapping, Sequence
from typing import Final

from vpsops.core.changes.model import Change
from vpsops.core.common.json_types import Json
from vpsops.core.ends.lifecycle import LIFETIME, OPENED, STOPPING, STOPS
from vpsops.core.operations.traits import makes_server

STOP: Final = "stop"
PREFIX: Final = "end_"


def missing_end(change: Change, source: Sequence[Mapping[str, Json]]) -> str:
    """Return the part of an end that the records of its create lack for a stop; empty where they carry it.

    The create asked for an end, its server is the one to stop, and the last word about this end is its stop by this
    very change: a server that was kept, or that people are asked about, is not stopped by itself.
    """
    if change.operation != STOP:
        return f"an end stops its server, and this is {change.operation.replace('_', ' ')}"
    request = next(iter(source), {})
    arguments = request.get("arguments")
    asked = isinstance(arguments, Mapping) and bool(arguments.get(LIFETIME))
    if not asked or not makes_server(str(request.get("operation") or "")):
        return "the audit trail holds no create with an end for it"
    own = [body for body in source if str(body["event"]).startswith(PREFIX) and body.get("server") == change.target.id]
    if not any(body["event"] == OPENED for body in own):
        return "the audit trail does not hold that its server has an end"
    if own[-1]["event"] != STOPPING or own[-1].get(STOPS) != change.id:
        return "the audit trail does not hold that its server is at its end"
    return ""
