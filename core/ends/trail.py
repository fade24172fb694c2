"""Whether the audit trail carries the stop of a server at its end: what was approved is the create, with its end."""

from collections.abc import Mapping, Sequence
from typing import Final

from vpsops.core.changes.model import Change
from vpsops.core.common.hostnames import is_same_hostname
from vpsops.core.common.json_types import Json
from vpsops.core.ends.lifecycle import KEPT, LIFETIME, OPENED, STOPPING, STOPS
from vpsops.core.operations.traits import makes_server

STOP: Final = "stop"
PREFIX: Final = "end_"


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
    own = [body for body in source if str(body["event"]).startswith(PREFIX) and body.get("server") == change.target.id]
    if not any(body["event"] == OPENED for body in own):
        return "the audit trail does not hold that its server has an end"
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
