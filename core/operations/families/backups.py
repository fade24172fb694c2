"""The operations on backups: list them, their space, where to fetch one; make, delete and restore one."""

from datetime import datetime
from typing import Final, cast

from pydantic import BaseModel, ConfigDict

from vpsops.core.common.errors import InvalidInputError
from vpsops.core.common.text import moment
from vpsops.core.common.timings import Pace
from vpsops.core.operations.arguments import ArgumentKind, Arguments
from vpsops.core.operations.facts import UNKNOWN, Fact
from vpsops.core.operations.families.backup_lookup import (
    LATEST,
    BackupArguments,
    find_backup,
    inspect_create,
    inspect_delete,
    inspect_restore,
    made_text,
    size_text,
    youngest_first,
)
from vpsops.core.operations.families.parts import (
    check_stopped,
    server_of,
    stopped_afterwards,
    total_of,
    typed_part,
)
from vpsops.core.operations.registry import Operation, Risk, ServerArguments
from vpsops.core.operations.strategies import Choice, LiveState, Precheck, as_before
from vpsops.core.wayscloud.answers.models import AcceptedOperation, Server
from vpsops.core.wayscloud.client import Wayscloud
from vpsops.core.wayscloud.requests import endpoints
from vpsops.core.wayscloud.requests.send_hook import SendHook
from vpsops.core.wayscloud.server_parts.backup_answers import Backup, BackupUsage

TOOLSET: Final = "backups"


class BackupList(BaseModel):
    """A server's backups, the youngest first; `lacking` says what of the list is not known."""

    model_config = ConfigDict(frozen=True)

    backups: list[Backup]
    total: int
    lacking: str | None = None


class BackupAddress(BaseModel):
    """Where a backup can be fetched, by anyone who has the address."""

    model_config = ConfigDict(frozen=True)

    address: str
    expires_at: datetime | None = None


# Preconditions: read at the request, and again just before the sending.


async def _check_create(api: Wayscloud, _arguments: Arguments, server: Server | None) -> Precheck:
    """Read the list that shows whether the backup was made, so that none is asked for where there are none."""
    of = server_of(server)
    listed = await api.backups.list_backups(of.id)
    under_way = next((backup for backup in listed if backup.status == "creating"), None)
    if under_way is not None:
        raise InvalidInputError(
            f"A backup of {of.hostname} is being made already ({under_way.id}, since {made_text(under_way)}).",
            hint="Wait until it is complete.",
        )
    latest = next(iter(youngest_first(listed)), None)
    return Precheck(details=None if latest is None else _Details(backup=latest, others=""))


async def _check_delete(api: Wayscloud, arguments: Arguments, server: Server | None) -> Precheck:
    return await _resolved(api, cast("BackupArguments", arguments), server_of(server))


async def _check_restore(api: Wayscloud, arguments: Arguments, server: Server | None) -> Precheck:
    """Find the backup, whole, of a server that is off."""
    stopped = server_of(server)
    checked = await _resolved(api, cast("BackupArguments", arguments), stopped)
    backup = cast("_Details", checked.details).backup
    if not backup.complete:
        raise InvalidInputError(
            f"The backup {backup.id} is {backup.status}.", hint="Only a complete one can be restored."
        )
    check_stopped(stopped, "a backup can only be restored to a stopped server")
    return checked


class _Details(BaseModel):
    model_config = ConfigDict(frozen=True)

    backup: Backup
    others: str


async def _resolved(api: Wayscloud, arguments: BackupArguments, server: Server) -> Precheck:
    backup, listed = await find_backup(api, server, arguments.backup)
    others = [other for other in listed if other.complete and other.id != backup.id]
    left = "there are others" if others else "none: this is the last" if listed.complete else UNKNOWN
    resolved = arguments.model_copy(update={"server": server.id, "backup": backup.id})
    return Precheck(details=_Details(backup=backup, others=left), arguments=resolved)


# Facts.


def _describe_create(_arguments: Arguments, live: LiveState) -> tuple[Fact, ...]:
    """Show the latest backup: a newer one makes the question another one, and is none that a request made."""
    if live.details is None:
        return (Fact(LATEST, "none"),)
    backup = cast("_Details", live.details).backup
    return (Fact(LATEST, f"{backup.id}, made {made_text(backup)}"),)


def _described(live: LiveState) -> tuple[Fact, ...]:
    backup = cast("_Details", live.details).backup
    return Fact("Backup", backup.id), Fact("Made", made_text(backup)), Fact("Size", size_text(backup))


def _describe_delete(_arguments: Arguments, live: LiveState) -> tuple[Fact, ...]:
    details = cast("_Details", live.details)
    kept = moment(details.backup.expires_at) if details.backup.expires_at else UNKNOWN
    return (
        *_described(live),
        Fact("Would be kept until", kept),
        Fact("Other complete backups", details.others),
        Fact("Lost", "this copy, for good"),
    )


def _describe_restore(_arguments: Arguments, live: LiveState) -> tuple[Fact, ...]:
    backup = cast("_Details", live.details).backup
    since = made_text(backup) if backup.started_at else f"it was made ({UNKNOWN})"
    return (
        *_described(live),
        Fact("Lost", f"all written since {since}"),
        Fact("Snapshots", f"whether they stay is {UNKNOWN}"),
        stopped_afterwards(Pace.LONG),
    )


def _choices(listed: BaseModel) -> tuple[Choice, ...]:
    return tuple(
        Choice(backup.id, f"{made_text(backup)}, {size_text(backup)}", f"{backup.status}, {backup.id}")
        for backup in cast("BackupList", listed).backups
    )


async def _list(api: Wayscloud, arguments: Arguments, _: SendHook | None) -> BackupList:
    listed = await api.backups.list_backups(cast("ServerArguments", arguments).server)
    lacking = f"{listed.lack}." if listed.lack else None
    return BackupList(backups=youngest_first(listed), total=total_of(listed), lacking=lacking)


async def _usage(api: Wayscloud, arguments: Arguments, _: SendHook | None) -> BackupUsage:
    return await api.backups.backup_usage(cast("ServerArguments", arguments).server)


async def _download(api: Wayscloud, arguments: Arguments, _: SendHook | None) -> BackupAddress:
    asked = cast("BackupArguments", arguments)
    server = await api.get_server(asked.server)
    backup, _listed = await find_backup(api, server, asked.backup)
    download = await api.backups.download_backup(server.id, backup.id)
    return BackupAddress(address=download.url.get_secret_value(), expires_at=download.expires_at)


async def _create(api: Wayscloud, arguments: Arguments, departure: SendHook | None) -> Backup:
    return await api.backups.create_backup(cast("ServerArguments", arguments).server, departure=departure)


async def _delete(api: Wayscloud, arguments: Arguments, departure: SendHook | None) -> AcceptedOperation:
    asked = cast("BackupArguments", arguments)
    return await api.backups.delete_backup(asked.server, asked.backup, departure=departure)


async def _restore(api: Wayscloud, arguments: Arguments, departure: SendHook | None) -> AcceptedOperation:
    asked = cast("BackupArguments", arguments)
    return await api.backups.restore_backup(asked.server, asked.backup, departure=departure)


LOOK: Final = "Read vps_backups before asking again."

BACKUPS: Final = (
    Operation(
        name="backup_download",
        title="Download a backup of {server}",
        command="backup-download",
        toolset=TOOLSET,
        summary="Get the address of a backup, which opens it to anyone who has it.",
        guidance="Get a backup's secret address for your human.",
        risk=Risk.READ,
        arguments=BackupArguments,
        result=BackupAddress,
        run=_download,
        secret=True,
        routes=(endpoints.DOWNLOAD_BACKUP, endpoints.BACKUPS),
    ),
    Operation(
        name="backups",
        title="List the backups of {server}",
        toolset=TOOLSET,
        summary="List a server's backups.",
        guidance="List a server's backups.",
        risk=Risk.READ,
        arguments=ServerArguments,
        result=BackupList,
        run=_list,
        lists=ArgumentKind.BACKUP,
        choices=_choices,
        routes=(endpoints.BACKUPS,),
    ),
    Operation(
        name="backup_usage",
        title="Show the backup space of {server}",
        command="backup-usage",
        toolset=TOOLSET,
        summary="Show the space that a server's backups take.",
        guidance="Show the space of a server's backups.",
        risk=Risk.READ,
        arguments=ServerArguments,
        result=BackupUsage,
        run=_usage,
        routes=(endpoints.BACKUP_USAGE,),
    ),
    Operation(
        name="backup_create",
        title="Make a backup of {server}",
        command="backup-create",
        toolset=TOOLSET,
        summary="Back a server up now.",
        guidance="Back a server up.",
        risk=Risk.CHANGE,
        plannable=True,
        arguments=ServerArguments,
        result=Backup,
        run=_create,
        effect="The server's disk is copied off-site, in the background. The copy takes space until it expires.",
        check=_check_create,
        describe=_describe_create,
        inspect=inspect_create,
        leads_to=as_before,
        counts_runs=True,
        pace=Pace.LONG,
        outcomes=("It was made", "It was not made"),
        done="The backup of {hostname} is complete.",
        advice=LOOK,
        routes=(endpoints.CREATE_BACKUP, endpoints.BACKUPS),
    ),
    Operation(
        name="backup_delete",
        title="Delete a backup of {server}",
        command="backup-delete",
        toolset=TOOLSET,
        summary="Delete a backup for good.",
        guidance="Delete a backup for good. A human must approve.",
        risk=Risk.DESTRUCTIVE,
        arguments=BackupArguments,
        result=AcceptedOperation,
        run=_delete,
        effect="The copy is gone for good; the server stays as it is.",
        check=_check_delete,
        describe=_describe_delete,
        inspect=inspect_delete,
        removes=True,
        typed_name=typed_part("backup"),
        idempotent=True,
        outcomes=("It was deleted", "It was not deleted"),
        done="The backup of {hostname} is deleted.",
        advice=LOOK,
        routes=(endpoints.DELETE_BACKUP, endpoints.BACKUPS),
    ),
    Operation(
        name="backup_restore",
        title="Restore a backup of {server}",
        command="backup-restore",
        toolset=TOOLSET,
        summary="Replace a stopped server's disk by a backup.",
        guidance="Replace a stopped server's disk by a backup; later data is lost. A human must approve.",
        risk=Risk.DESTRUCTIVE,
        arguments=BackupArguments,
        result=AcceptedOperation,
        run=_restore,
        effect="The server's disk is replaced by the copy; what was written after it is lost.",
        check=_check_restore,
        describe=_describe_restore,
        inspect=inspect_restore,
        pace=Pace.LONG,
        typed_name=typed_part("backup"),
        fits=lambda server: server.off,
        outcomes=("It was restored", "It was not restored"),
        done="The backup is restored; {hostname} can be started.",
        advice="Do not ask again by yourself. Read vps_get, then ask your human.",
        routes=(endpoints.RESTORE_BACKUP, endpoints.BACKUPS),
    ),
)
