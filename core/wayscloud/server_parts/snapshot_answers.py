"""Snapshots, as the API's answers have them. Facts: the official SDK and command line; their states are not known."""

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Final

from vpsops.core.wayscloud.answers import field_readers as r
from vpsops.core.wayscloud.answers.field_names import ENVELOPES, FieldAlias, Table, translate
from vpsops.core.wayscloud.answers.models import JSON, ProviderList, ProviderObject
from vpsops.core.wayscloud.answers.parse import (
    UnreadableAnswerError,
    read_listing,
    read_object,
)
from vpsops.core.wayscloud.server_parts.part_answers import PartNames

PENDING: Final = frozenset({"creating", "pending", "queued", "in_progress", "processing", "building", "saving"})
FAILED: Final = frozenset({"failed", "error", "errored", "cancelled", "canceled", "aborted"})


class Snapshot(ProviderObject):
    """One state of a server's disk that was kept beside it; a state without a meaning to us counts as complete."""

    name: str
    status: str = "available"
    created_at: datetime | None = None
    description: str | None = None

    @property
    def failed(self) -> bool:
        """Return whether it was not taken, and will not be."""
        return self.status in FAILED

    @property
    def complete(self) -> bool:
        """Return whether it was taken: it is listed, and not by a state that says otherwise."""
        return self.status not in PENDING | FAILED


SNAPSHOT: Final[Table] = (
    FieldAlias("name", "snapshot_name"),
    FieldAlias("name", "name"),
    FieldAlias("status", "status", r.word),
    FieldAlias("created_at", "created_at", r.moment),
    FieldAlias("description", "description"),
)
LISTS: Final = ("snapshots", *ENVELOPES)
NAMES: Final = PartNames("snapshot_name", "name", ("snapshot", "data"))


def snapshots(json: JSON) -> ProviderList[Snapshot]:
    """Read the list of snapshots."""
    return read_listing(json, LISTS, _snapshot)


def taken(server_id: str, name: str) -> Callable[[JSON], Snapshot]:
    """Return a reader of the answer to a new snapshot, which may be empty, but not name another snapshot."""
    check = NAMES.accepted(server_id, name)

    def read(json: JSON) -> Snapshot:
        check(json)
        theirs = {} if json is None else NAMES.unwrapped(read_object(json))
        ours, extra = translate(SNAPSHOT, theirs)
        return Snapshot.model_validate({"status": "creating", **ours, "name": name, "extra": extra})

    return read


def _snapshot(theirs: Mapping[str, JSON]) -> Snapshot:
    ours, extra = translate(SNAPSHOT, theirs)
    if "name" not in ours:
        raise UnreadableAnswerError("it lacks 'snapshot_name'")
    return Snapshot.model_validate({**ours, "extra": extra})
