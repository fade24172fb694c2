"""Backups, their policy and their space, as the API's answers have them. Facts: the official SDK and command line."""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Annotated, Final
from urllib.parse import urlsplit

from pydantic import Field, SecretStr

from vpsops.core.common.text import whole_number
from vpsops.core.wayscloud.answers import field_readers as r
from vpsops.core.wayscloud.answers.field_names import ENVELOPES, FieldAlias, Table, translate
from vpsops.core.wayscloud.answers.models import JSON, ProviderList, ProviderObject
from vpsops.core.wayscloud.answers.parse import (
    UnexpectedShapeError,
    UnreadableAnswerError,
    read_listing,
    read_object,
)
from vpsops.core.wayscloud.server_parts.part_answers import PartNames

COMPLETE: Final = frozenset({"completed", "complete", "available", "ready", "success", "succeeded", "done", "ok"})
FAILED: Final = frozenset({"failed", "error", "errored", "cancelled", "canceled", "aborted"})
WEEKDAYS: Final = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
URL_LONGEST: Final = 8192
MB: Final = 1024.0


class Backup(ProviderObject):
    """One off-site copy of a server, as far as this answer describes it."""

    id: str
    status: str = "creating"
    kind: str | None = None
    size_gb: float | None = None
    started_at: datetime | None = None
    expires_at: datetime | None = None

    @property
    def complete(self) -> bool:
        """Return whether it is made."""
        return self.status in COMPLETE

    @property
    def failed(self) -> bool:
        """Return whether it was not made, and will not be."""
        return self.status in FAILED


class BackupUsage(ProviderObject):
    """The space that a server's backups take."""

    total_backups: int | None = None
    total_size_gb: float | None = None


class BackupPolicy(ProviderObject):
    """When a server is backed up, in UTC, and for how long a backup is kept; `day_of_week` 0 is Monday."""

    enabled: bool | None = None
    frequency: str | None = None
    time_of_day: Annotated[str | None, Field(description="UTC")] = None
    day_of_week: int | None = None
    retention_days: int | None = None
    next_backup_at: datetime | None = None
    last_backup_at: datetime | None = None


class BackupPolicyState(ProviderObject):
    """A server's policy, or that it has none."""

    policy: BackupPolicy | None


class BackupDownload(ProviderObject):
    """Where a backup can be fetched: an address that is its own key."""

    url: SecretStr
    expires_at: datetime | None = None


def _time_of_day(raw: JSON) -> str | None:
    """Read a time of day as HH:MM; seconds of zero are dropped."""
    text = r.text(raw)
    hours, _, rest = (text or "").removesuffix("Z").partition(":")
    minutes, _, seconds = rest.partition(":")
    hour, minute = whole_number(hours, 0, 23), whole_number(minutes, 0, 59)
    if hour is None or minute is None or len(minutes) != 2 or seconds not in {"", "00"}:  # noqa: PLR2004
        return None
    return f"{hour:02}:{minutes}"


def _weekday(raw: JSON) -> int | None:
    """Read a day of the week as a number from Monday on, or by its English name."""
    word = r.word(raw) or ""
    named = next((day for day, name in enumerate(WEEKDAYS) if len(word) > 2 and name.startswith(word)), None)  # noqa: PLR2004
    number = r.whole_amount(raw) if named is None else named
    return number if number is not None and number < len(WEEKDAYS) else None


def _size_of_bytes(raw: JSON) -> float | None:
    amount = r.amount(raw)
    return None if amount is None else amount / MB**3


BACKUP: Final[Table] = (
    FieldAlias("id", "backup_id"),
    FieldAlias("id", "id"),
    FieldAlias("status", "status", r.word),
    FieldAlias("kind", "backup_type", r.word),
    FieldAlias("kind", "type", r.word),
    FieldAlias("size_gb", "size_gb", r.amount),
    FieldAlias("size_gb", "size_mb", r.megabytes),
    FieldAlias("size_gb", "size_bytes", _size_of_bytes),
    FieldAlias("started_at", "started_at", r.moment),
    FieldAlias("started_at", "created_at", r.moment),
    FieldAlias("expires_at", "expires_at", r.moment),
)
USAGE: Final[Table] = (
    FieldAlias("total_backups", "total_backups", r.whole_amount),
    FieldAlias("total_size_gb", "total_size_gb", r.amount),
)
POLICY: Final[Table] = (
    FieldAlias("enabled", "enabled", r.flag),
    FieldAlias("frequency", "frequency", r.word),
    FieldAlias("time_of_day", "time_of_day", _time_of_day),
    FieldAlias("day_of_week", "day_of_week", _weekday),
    FieldAlias("retention_days", "retention_days", r.whole_amount),
    FieldAlias("next_backup_at", "next_backup_at", r.moment),
    FieldAlias("last_backup_at", "last_backup_at", r.moment),
)
ADDRESSES: Final = ("download_url", "url", "href", "link", "signed_url", "presigned_url")
LISTS: Final = ("backups", *ENVELOPES)
NAMES: Final = PartNames("backup_id", "id", ("backup", "download", "data"), any_case=True)


def backups(json: JSON) -> ProviderList[Backup]:
    """Read the list of backups."""
    return read_listing(json, LISTS, _backup)


def backup(json: JSON) -> Backup:
    """Read the answer to a new backup, which names it."""
    return _backup(NAMES.unwrapped(read_object(json)))


def usage(json: JSON) -> BackupUsage:
    """Read the space that the backups take."""
    ours, extra = translate(USAGE, read_object(json))
    if not ours:
        raise UnexpectedShapeError("it holds no figure of backups")
    return BackupUsage.model_validate({**ours, "extra": extra})


def policy(json: JSON) -> BackupPolicyState:
    """Read a policy: an object, or null where there is none; neither is no answer."""
    theirs = read_object(json)
    inner = {key.lower(): value for key, value in theirs.items()}.get("policy", theirs)
    if inner is None:
        return BackupPolicyState(policy=None)
    ours, extra = translate(POLICY, inner if isinstance(inner, dict) else {})
    if not ours.keys() & {"enabled", "frequency", "time_of_day", "retention_days"}:
        raise UnexpectedShapeError("it holds no field of a backup policy")
    return BackupPolicyState(policy=BackupPolicy.model_validate({**ours, "extra": extra}))


def download(backup_id: str, now: datetime) -> Callable[[JSON], BackupDownload]:
    """Return a reader of where one backup can be fetched; its errors quote nothing of the answer."""

    def read(json: JSON) -> BackupDownload:
        theirs = NAMES.unwrapped(read_object(json))
        NAMES.check(theirs, backup_id)
        lower = {key.lower(): value for key, value in theirs.items()}
        address = next((text for name in ADDRESSES if (text := _address(lower.get(name)))), None)
        if address is None:
            raise UnexpectedShapeError("it holds no address")
        seconds = r.amount(lower.get("expires_in"))
        until = r.moment(lower.get("expires_at")) or (now + timedelta(seconds=seconds) if seconds else None)
        return BackupDownload(url=SecretStr(address), expires_at=until.astimezone(UTC) if until else None)

    return read


def _backup(theirs: Mapping[str, JSON]) -> Backup:
    ours, extra = translate(BACKUP, theirs)
    if "id" not in ours:
        raise UnreadableAnswerError("it lacks 'backup_id'")
    return Backup.model_validate({**ours, "extra": extra})


def _address(raw: JSON) -> str | None:
    """Read a web address; anything else that could be opened is none."""
    text = r.text(raw)
    if text is None or len(text) > URL_LONGEST or not text.isprintable() or " " in text:
        return None
    try:
        parts = urlsplit(text)
    except ValueError:
        return None
    return text if parts.scheme in {"https", "http"} and parts.hostname else None
