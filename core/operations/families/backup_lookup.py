"""Which backup is meant, and what became of its change."""

from collections.abc import Sequence
from typing import Annotated, Final, cast

from pydantic import Field

from vpsops.core.common.errors import AlreadyGoneError, InvalidInputError
from vpsops.core.common.text import moment, one_line
from vpsops.core.common.timings import PROVIDER_DATE_SECONDS
from vpsops.core.operations.arguments import ArgumentKind as K
from vpsops.core.operations.arguments import ArgumentSpec
from vpsops.core.operations.facts import UNKNOWN
from vpsops.core.operations.families.parts import OF_ANOTHER, inspect_disk
from vpsops.core.operations.registry import ServerArguments
from vpsops.core.operations.strategies import Inspected, Inspection, Sent
from vpsops.core.wayscloud.answers.models import ProviderList, Server
from vpsops.core.wayscloud.client import Wayscloud
from vpsops.core.wayscloud.server_parts.backup_answers import Backup

SHORTEST: Final = 8
"""So many characters of an id may stand for it, where they are those of one backup alone."""
NAMED: Final = 5
LONGEST: Final = 128
SCHEDULED: Final = frozenset({"automatic", "auto", "scheduled", "daily", "weekly", "policy"})
LATEST: Final = "Latest backup"
NONE: Final = "None was taken by hand or by a policy. Back the server up first."


class BackupArguments(ServerArguments):
    """One backup of a server."""

    backup: Annotated[str, ArgumentSpec(K.BACKUP, "Backup"), Field(description="id of vps_backups", max_length=LONGEST)]


async def find_backup(api: Wayscloud, server: Server, word: str) -> tuple[Backup, ProviderList[Backup]]:
    """Return the backup of an id, or of the first characters of one, and the list it stands in.

    Raise AlreadyGoneError with the ids there are where a whole list lacks it, InvalidInputError where the list is not
    whole, or where the characters are those of several.
    """
    listed = await api.backups.list_backups(server.id)
    exact = [backup for backup in listed if backup.id == word]
    begun = [backup for backup in listed if backup.id.lower().startswith(word.lower())]
    matches = exact or (begun if len(word) >= SHORTEST else [])
    if len(matches) == 1 and (exact or listed.complete):
        return matches[0], listed
    shown = one_line(word, LONGEST)
    if len(matches) > 1:
        raise InvalidInputError(f"{shown} begins the ids of {len(matches)} backups.", hint="Give the whole id.")
    if not listed.complete:
        raise InvalidInputError(
            f"Whether {server.hostname} has a backup {shown} is not known: {listed.lack}.",
            hint="Ask again later, with the whole id.",
        )
    raise AlreadyGoneError(f"{server.hostname} has no backup {shown}.", hint=_there_are(listed))


def _there_are(backups: Sequence[Backup]) -> str:
    if not backups:
        return NONE
    names = [f"{backup.id} ({made_text(backup)})" for backup in youngest_first(backups)[:NAMED]]
    more = f" and {len(backups) - NAMED} more" if len(backups) > NAMED else ""
    return f"It has {', '.join(names)}{more}."


def youngest_first(backups: Sequence[Backup]) -> list[Backup]:
    """Return backups in the order of their making, those of an unknown time last."""
    dated = sorted((backup for backup in backups if backup.started_at), key=begun, reverse=True)
    return dated + [backup for backup in backups if not backup.started_at]


def begun(backup: Backup) -> float:
    """Return when a backup was begun, in seconds; 0 where it is not known."""
    return backup.started_at.timestamp() if backup.started_at else 0.0


def made_text(backup: Backup) -> str:
    """Return when a backup was made, in UTC."""
    return moment(backup.started_at) if backup.started_at else UNKNOWN


def size_text(backup: Backup) -> str:
    """Return the size of a backup."""
    return f"{backup.size_gb:g} GB" if backup.size_gb is not None else UNKNOWN


async def inspect_create(api: Wayscloud, sent: Sent) -> Inspection:
    """Find the backup by the id of the answer; without an answer, by a new one that is younger than the sending.

    After a refusal such a one may be another request's, under way at the same time.
    """
    listed = await api.backups.list_backups(sent.target.id)
    named = str(sent.result.get("id") or "")
    if named:
        made = [backup for backup in listed if backup.id == named]
        return _progress(made[0]) if made else Inspection(Inspected.UNDER_WAY)
    young = _younger(listed, sent)
    if len(young) == 1 and sent.refused:
        return Inspection(Inspected.AMBIGUOUS, f"There is a new backup {young[0].id}, {OF_ANOTHER}")
    if len(young) == 1:
        return _progress(young[0])
    if len(young) > 1:
        ids = ", ".join(backup.id for backup in young[:NAMED])
        return Inspection(Inspected.AMBIGUOUS, f"{len(young)} backups may be the one that was asked for: {ids}.")
    undated = any(backup.started_at is None for backup in listed)
    if listed.complete and not undated:
        return Inspection(Inspected.NOT_DONE, "The list of backups has none that is younger than the request.")
    return Inspection(Inspected.NOT_KNOWABLE, "The list of backups is not whole, or does not say when they were made.")


def _younger(listed: Sequence[Backup], sent: Sent) -> list[Backup]:
    """Return the backups that may come from a request: younger than it and than the latest before it, no policy's."""
    since = sent.sent_at.timestamp() - PROVIDER_DATE_SECONDS
    shown = next((fact.value.partition(",")[0] for fact in sent.facts if fact.label == LATEST), "")
    before = max((begun(backup) for backup in listed if backup.id == shown), default=0.0)
    young = [backup for backup in listed if begun(backup) >= since and backup.kind not in SCHEDULED]
    return [backup for backup in young if backup.id != shown and begun(backup) >= before]


def _progress(backup: Backup) -> Inspection:
    result = backup.model_dump(mode="json", exclude_none=True)
    if backup.failed:
        return Inspection(Inspected.FAILED, f"The provider says that the backup {backup.id} failed.", result)
    return Inspection(Inspected.DONE if backup.complete else Inspected.UNDER_WAY, result=result)


async def inspect_delete(api: Wayscloud, sent: Sent) -> Inspection:
    """A backup is deleted where a whole list lacks it."""
    backup = cast("BackupArguments", sent.arguments).backup
    listed = await api.backups.list_backups(sent.target.id)
    if any(other.id == backup for other in listed):
        return Inspection(Inspected.UNDER_WAY if sent.accepted else Inspected.NOT_DONE, "The backup is still listed.")
    if listed.complete:
        return Inspection(Inspected.DONE)
    return Inspection(Inspected.NOT_KNOWABLE, f"The list of backups is not whole: {listed.lack}.")


async def inspect_restore(api: Wayscloud, sent: Sent) -> Inspection:
    """See whether the server is busy with it."""
    return await inspect_disk(api, sent, "Nothing in this API shows what a server's disk was restored from.")
