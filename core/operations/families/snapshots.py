"""The operations on snapshots: list them; take, delete, roll back."""

import difflib
from collections.abc import Sequence
from datetime import UTC
from typing import Annotated, Final, cast

from pydantic import BaseModel, ConfigDict, Field

from vpsops.core.common.errors import AlreadyGoneError, InvalidInputError, PreconditionError, Remedy
from vpsops.core.common.text import moment, one_line
from vpsops.core.common.timings import PROVIDER_DATE_SECONDS, Pace
from vpsops.core.operations.arguments import ArgumentKind as K
from vpsops.core.operations.arguments import Arguments, ArgumentSpec
from vpsops.core.operations.facts import UNKNOWN, Fact
from vpsops.core.operations.families.parts import (
    OF_ANOTHER,
    check_stopped,
    inspect_disk,
    server_of,
    stopped_afterwards,
    total_of,
    typed_part,
)
from vpsops.core.operations.registry import Operation, Risk, ServerArguments, Synonyms
from vpsops.core.operations.strategies import Choice, Inspected, Inspection, LiveState, Precheck, Sent, as_before
from vpsops.core.wayscloud.answers.models import AcceptedOperation, ProviderList, Server
from vpsops.core.wayscloud.answers.validate import validate_snapshot_name
from vpsops.core.wayscloud.client import Wayscloud
from vpsops.core.wayscloud.requests import endpoints
from vpsops.core.wayscloud.requests.send_hook import SendHook
from vpsops.core.wayscloud.server_parts.snapshot_answers import Snapshot

TOOLSET: Final = "snapshots"
MOST: Final = 10
"""The provider keeps so many for each server (its SDK's documentation)."""
LONGEST: Final = 64
NEAREST: Final = 3
TAKEN: Final = "Taken"
READ_FIRST: Final = "Read vps_snapshots before asking again."


class SnapshotArguments(ServerArguments):
    """One snapshot of a server."""

    snapshot: Annotated[
        str, ArgumentSpec(K.SNAPSHOT, "Snapshot"), Field(description="name of vps_snapshots", max_length=LONGEST)
    ]


class NewSnapshotArguments(ServerArguments):
    """The name of a new snapshot, and what it is for."""

    snapshot: Annotated[
        str, ArgumentSpec(K.NAME, "Snapshot"), Field(description="letters, digits, . _ -", max_length=LONGEST)
    ]
    description: Annotated[str | None, ArgumentSpec(K.TEXT, "Description"), Field(max_length=200)] = None


class SnapshotList(BaseModel):
    """A server's snapshots, the youngest first; `lacking` says what of the list is not known."""

    model_config = ConfigDict(frozen=True)

    snapshots: list[Snapshot]
    total: int
    lacking: str | None = None


def youngest_first(snapshots: Sequence[Snapshot]) -> list[Snapshot]:
    """Return snapshots in the order of their making, those of an unknown time last."""
    return sorted(snapshots, key=lambda each: each.created_at.timestamp() if each.created_at else 0.0, reverse=True)


def taken_text(snapshot: Snapshot) -> str:
    """Return when a snapshot was taken, in UTC."""
    return moment(snapshot.created_at) if snapshot.created_at else UNKNOWN


def identity_text(snapshot: Snapshot) -> str:
    """Return when a snapshot was taken, to the second and below: another one of its name differs in this."""
    at = snapshot.created_at.astimezone(UTC) if snapshot.created_at else None
    below = f".{at.microsecond:06}".rstrip("0") if at and at.microsecond else ""
    return f"{at:%Y-%m-%d %H:%M:%S}{below} UTC" if at else UNKNOWN


def _is_identity(words: str, snapshot: Snapshot) -> bool:
    """Return whether a fact names this snapshot: as it is written now, or as changes held by older versions have it."""
    at = snapshot.created_at
    older = f"{moment(at)} + {at.second + at.microsecond / 1_000_000:g} s" if at else UNKNOWN
    return words in {identity_text(snapshot), older}


async def find_snapshot(api: Wayscloud, server: Server, name: str) -> tuple[Snapshot, ProviderList[Snapshot]]:
    """Return the snapshot of a name, and the list it stands in.

    Raise AlreadyGoneError with the nearest names where a whole list lacks it, InvalidInputError where it is not whole.
    """
    listed = await api.snapshots.list_snapshots(server.id)
    match = next((snapshot for snapshot in listed if snapshot.name == name), None)
    if match is not None:
        return match, listed
    shown = one_line(name, LONGEST)
    if not listed.complete:
        raise InvalidInputError(
            f"Whether {server.hostname} has a snapshot {shown} is not known: {listed.lack}.", hint="Ask again later."
        )
    raise AlreadyGoneError(f"{server.hostname} has no snapshot {shown}.", hint=_there_are(name, listed))


def _there_are(name: str, snapshots: Sequence[Snapshot]) -> str:
    if not snapshots:
        return "It has none."
    names = [snapshot.name for snapshot in youngest_first(snapshots)]
    near = difflib.get_close_matches(name, names, n=NEAREST) or names
    return f"It has {', '.join(near)}."


# Preconditions: read at the request, and again just before the sending.


async def check_create(api: Wayscloud, arguments: Arguments, server: Server | None) -> Precheck:
    """Refuse a name that is none or taken, and an eleventh snapshot."""
    of, asked = server_of(server), cast("NewSnapshotArguments", arguments)
    name = validate_snapshot_name(asked.snapshot)
    listed = await api.snapshots.list_snapshots(of.id)
    same = next((snapshot for snapshot in listed if snapshot.name == name), None)
    if same is not None:
        raise InvalidInputError(
            f"{of.hostname} has a snapshot {name} already, taken {taken_text(same)}.", hint="Choose another name."
        )
    if len(listed) + len(listed.unreadable) >= MOST:
        raise _too_many(of, listed)
    if not listed.complete:
        raise InvalidInputError(f"Whether the name is free is not known: {listed.lack}.", hint="Ask again later.")
    return Precheck(details=len(listed))


def _too_many(server: Server, listed: ProviderList[Snapshot]) -> InvalidInputError:
    count = len(listed) + len(listed.unreadable)
    refusal = f"{server.hostname} has {count} snapshots, and the provider keeps at most {MOST}."
    if not listed:
        return InvalidInputError(refusal, hint="Delete one first.")
    oldest = youngest_first(listed)[-1].name
    delete = Remedy("snapshot_delete", {"server": server.id, "snapshot": oldest}, server.hostname)
    return PreconditionError(refusal, delete, hint=f"Delete one first, as a change of its own; the oldest is {oldest}.")


async def check_delete(api: Wayscloud, arguments: Arguments, server: Server | None) -> Precheck:
    """Find the snapshot."""
    snapshot, _ = await find_snapshot(api, server_of(server), cast("SnapshotArguments", arguments).snapshot)
    return Precheck(details=snapshot)


async def check_rollback(api: Wayscloud, arguments: Arguments, server: Server | None) -> Precheck:
    """Find the snapshot, complete, of a server that is off."""
    of = server_of(server)
    snapshot, _ = await find_snapshot(api, of, cast("SnapshotArguments", arguments).snapshot)
    if not snapshot.complete:
        raise InvalidInputError(
            f"The snapshot {snapshot.name} is {snapshot.status}.", hint="Only a complete one can be rolled back to."
        )
    check_stopped(of, "only a stopped server can be rolled back")
    return Precheck(details=snapshot)


# Facts.


def describe_create(arguments: Arguments, live: LiveState) -> tuple[Fact, ...]:
    """State the name, and how many there are."""
    asked = cast("NewSnapshotArguments", arguments)
    return (
        Fact("Snapshot", asked.snapshot),
        Fact("Description", asked.description or ""),
        Fact("Snapshots before", f"{live.details} of {MOST}"),
    )


def describe_delete(arguments: Arguments, live: LiveState) -> tuple[Fact, ...]:
    """State which snapshot is lost."""
    return (*_described(arguments, live), Fact("Lost", "this snapshot, for good"))


def describe_rollback(arguments: Arguments, live: LiveState) -> tuple[Fact, ...]:
    """State what is lost: all that was written since the snapshot was taken."""
    snapshot = cast("Snapshot", live.details)
    since = taken_text(snapshot) if snapshot.created_at else f"it was taken ({UNKNOWN})"
    return (
        *_described(arguments, live),
        Fact("Lost", f"all written since {since}"),
        Fact("Newer snapshots", f"whether they stay is {UNKNOWN}"),
        stopped_afterwards(Pace.POWER),
    )


def _described(arguments: Arguments, live: LiveState) -> tuple[Fact, ...]:
    snapshot = cast("Snapshot", live.details)
    return (
        Fact("Snapshot", cast("SnapshotArguments", arguments).snapshot),
        Fact(TAKEN, identity_text(snapshot)),
        Fact("Description", one_line(snapshot.description or "", 200)),
    )


# What became of a change.


async def inspect_create(api: Wayscloud, sent: Sent) -> Inspection:
    """Find the snapshot by its name: there was none by that name when it was sent."""
    name = cast("NewSnapshotArguments", sent.arguments).snapshot
    listed = await api.snapshots.list_snapshots(sent.target.id)
    made = next((snapshot for snapshot in listed if snapshot.name == name), None)
    if made is None:
        return _unlisted(listed, Inspected.UNDER_WAY if sent.accepted else Inspected.NOT_DONE)
    another = None if sent.accepted else _another(made, sent)
    if another is not None:
        return another
    if made.failed:
        return Inspection(Inspected.FAILED, f"The provider says that the snapshot {name} is {made.status}.")
    return Inspection(Inspected.DONE if made.complete else Inspected.UNDER_WAY)


def _another(made: Snapshot, sent: Sent) -> Inspection | None:
    """Return the finding where a snapshot is older than a request, or may come from another request.

    After a refusal only a description tells: the name may have been taken in between, and that is why it was refused.
    """
    asked = cast("NewSnapshotArguments", sent.arguments)
    since = sent.sent_at.timestamp() - PROVIDER_DATE_SECONDS
    if made.created_at is not None and made.created_at.timestamp() < since:
        return Inspection(Inspected.NOT_DONE, f"There is another snapshot {made.name}, taken {taken_text(made)}.")
    if made.description and made.description != asked.description:
        return Inspection(Inspected.AMBIGUOUS, f"There is a snapshot {made.name} with another description.")
    if sent.refused and not (asked.description and made.description == asked.description):
        return Inspection(Inspected.AMBIGUOUS, f"There is a snapshot {made.name}, {OF_ANOTHER}")
    return None


async def inspect_delete(api: Wayscloud, sent: Sent) -> Inspection:
    """See whether a whole list lacks the snapshot, or has another one by its name."""
    name = cast("SnapshotArguments", sent.arguments).snapshot
    listed = await api.snapshots.list_snapshots(sent.target.id)
    there = next((snapshot for snapshot in listed if snapshot.name == name), None)
    if there is None:
        return _unlisted(listed, Inspected.DONE)
    taken = _fact(sent, TAKEN)
    if there.created_at and taken != UNKNOWN and not _is_identity(taken, there):
        return Inspection(Inspected.DONE, f"Another snapshot {name} was taken since.")
    return Inspection(Inspected.UNDER_WAY if sent.accepted else Inspected.NOT_DONE, "The snapshot is still listed.")


async def inspect_rollback(api: Wayscloud, sent: Sent) -> Inspection:
    """See whether the server is busy with it."""
    return await inspect_disk(api, sent, "Nothing in this API shows what a server's disk was rolled back to.")


def _unlisted(listed: ProviderList[Snapshot], finding: Inspected) -> Inspection:
    if listed.complete:
        return Inspection(finding, "" if finding is Inspected.DONE else "The list of snapshots does not have it.")
    return Inspection(Inspected.NOT_KNOWABLE, f"The list of snapshots is not whole: {listed.lack}.")


def _fact(sent: Sent, label: str) -> str:
    return next((fact.value for fact in sent.facts if fact.label == label), UNKNOWN)


def _choices(listed: BaseModel) -> tuple[Choice, ...]:
    return tuple(
        Choice(snapshot.name, snapshot.name, f"taken {taken_text(snapshot)}, {snapshot.status}")
        for snapshot in cast("SnapshotList", listed).snapshots
    )


async def _list(api: Wayscloud, arguments: Arguments, _: SendHook | None) -> SnapshotList:
    listed = await api.snapshots.list_snapshots(cast("ServerArguments", arguments).server)
    lacking = f"{listed.lack}." if listed.lack else None
    return SnapshotList(snapshots=youngest_first(listed), total=total_of(listed), lacking=lacking)


async def _create(api: Wayscloud, arguments: Arguments, departure: SendHook | None) -> Snapshot:
    asked = cast("NewSnapshotArguments", arguments)
    return await api.snapshots.create_snapshot(asked.server, asked.snapshot, asked.description, departure=departure)


async def _delete(api: Wayscloud, arguments: Arguments, departure: SendHook | None) -> AcceptedOperation:
    asked = cast("SnapshotArguments", arguments)
    return await api.snapshots.delete_snapshot(asked.server, asked.snapshot, departure=departure)


async def _rollback(api: Wayscloud, arguments: Arguments, departure: SendHook | None) -> AcceptedOperation:
    asked = cast("SnapshotArguments", arguments)
    return await api.snapshots.rollback_snapshot(asked.server, asked.snapshot, departure=departure)


SNAPSHOTS: Final = (
    Operation(
        name="snapshots",
        title="List the snapshots of {server}",
        synonyms=Synonyms(offered=("snaps",)),
        toolset=TOOLSET,
        summary="List a server's snapshots.",
        guidance="List a server's snapshots.",
        risk=Risk.READ,
        arguments=ServerArguments,
        result=SnapshotList,
        run=_list,
        lists=K.SNAPSHOT,
        choices=_choices,
        routes=(endpoints.SNAPSHOTS,),
    ),
    Operation(
        name="snapshot_create",
        title="Take a snapshot of {server}",
        command="snapshot",
        synonyms=Synonyms(("snap",)),
        toolset=TOOLSET,
        summary="Take a snapshot of a server's disk.",
        guidance="Take a snapshot.",
        risk=Risk.CHANGE,
        plannable=True,
        arguments=NewSnapshotArguments,
        result=Snapshot,
        run=_create,
        effect="The disk's state is kept on the same node, as one of at most ten. It is no backup.",
        check=check_create,
        describe=describe_create,
        inspect=inspect_create,
        leads_to=as_before,
        counts_runs=True,
        pace=Pace.LONG,
        outcomes=("It was taken", "It was not taken"),
        done="The snapshot of {hostname} is taken.",
        advice=READ_FIRST,
        routes=(endpoints.CREATE_SNAPSHOT, endpoints.SNAPSHOTS),
    ),
    Operation(
        name="snapshot_delete",
        title="Delete a snapshot of {server}",
        command="snapshot-delete",
        toolset=TOOLSET,
        summary="Delete a snapshot for good.",
        guidance="Delete a snapshot for good. A human must approve.",
        risk=Risk.DESTRUCTIVE,
        arguments=SnapshotArguments,
        result=AcceptedOperation,
        run=_delete,
        effect="The snapshot is gone for good; the server stays as it is.",
        check=check_delete,
        describe=describe_delete,
        inspect=inspect_delete,
        removes=True,
        typed_name=typed_part("snapshot"),
        idempotent=True,
        outcomes=("It was deleted", "It was not deleted"),
        done="The snapshot of {hostname} is deleted.",
        advice=READ_FIRST,
        routes=(endpoints.DELETE_SNAPSHOT, endpoints.SNAPSHOTS),
    ),
    Operation(
        name="snapshot_rollback",
        title="Roll back {server}",
        command="rollback",
        synonyms=Synonyms(offered=("revert", "undo")),
        toolset=TOOLSET,
        summary="Set a stopped server's disk back to a snapshot.",
        guidance="Set a stopped server back to a snapshot; later data is lost. A human must approve.",
        risk=Risk.DESTRUCTIVE,
        arguments=SnapshotArguments,
        result=AcceptedOperation,
        run=_rollback,
        effect="The server's disk is set back to the snapshot; what was written after it is lost.",
        check=check_rollback,
        describe=describe_rollback,
        inspect=inspect_rollback,
        typed_name=typed_part("snapshot"),
        fits=lambda server: server.off,
        outcomes=("It was rolled back", "It was not rolled back"),
        done="{hostname} is rolled back, and can be started.",
        advice="Do not ask again by yourself. Read vps_get, then ask your human.",
        routes=(endpoints.ROLLBACK_SNAPSHOT, endpoints.SNAPSHOTS),
    ),
)
