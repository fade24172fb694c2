"""Whether others on this machine can open or change the files that secrets, changes and settings are kept in."""

import os
import stat
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import sqlalchemy as sa

from vpsops.core.common.clock import Clock
from vpsops.core.config.secret_values import SECRETS, secret_files_in
from vpsops.core.config.setting_names import SECTION
from vpsops.core.config.settings import Settings, state_directory
from vpsops.core.console import exit_codes
from vpsops.core.console.checks import DoctorFinding, fail, ok, warn

AREA: Final = "files"
BESIDE: Final = ("", "-wal", "-shm")
"""What SQLite keeps beside a database."""


@dataclass(frozen=True, slots=True)
class ProtectedFile:
    """A file, what it is, and whether others may not even read it."""

    path: Path
    what: str
    secret: bool = True


@dataclass(frozen=True, slots=True)
class ProcessUser:
    """Who runs vpsops, as the machine has it."""

    uid: int
    groups: Collection[int]


async def check_files(settings: Settings, _: Clock) -> Sequence[DoctorFinding]:
    """Look at the owner and mode of each such file, and of its folder."""
    reader = ProcessUser(os.geteuid(), {os.getegid(), *os.getgroups()})
    return look_at(protected_files(settings, os.environ), state_directory(), reader)


def look_at(files: Sequence[ProtectedFile], state: Path, reader: ProcessUser) -> list[DoctorFinding]:
    """Return what is wrong with some files, their folders and the state folder, or that nothing is."""
    files = [kept for kept in files if kept.path.is_file()]
    places = {place for kept in files for place in (kept.path.parent, kept.path.resolve().parent)}
    folders = sorted(place for place in {*places, state} if place.is_dir())
    findings = [finding for kept in files for finding in file_findings(kept, kept.path.stat(), reader)]
    findings += [finding for folder in folders for finding in _folder(folder)]
    return findings or [ok(AREA, f"{len(files)} files of secrets, settings and changes are this user's alone")]


def protected_files(settings: Settings, environ: Mapping[str, str]) -> list[ProtectedFile]:
    """Return the files that are configured."""
    written = secret_files_in(settings.config_file, SECTION)
    named = {name: environ.get(f"{name}_FILE") or written.get(f"{name}_FILE", "") for name in sorted(SECRETS)}
    kept = [ProtectedFile(Path(path).expanduser(), f"{name}_FILE") for name, path in named.items() if path]
    if settings.http_tokens_file:
        kept.append(ProtectedFile(settings.http_tokens_file.expanduser(), "VPSOPS_HTTP_TOKENS_FILE"))
    if settings.anchor_file:
        kept.append(ProtectedFile(settings.anchor_file.expanduser(), "VPSOPS_AUDIT_ANCHOR_FILE", secret=False))
    if settings.config:
        kept.append(ProtectedFile(settings.config.expanduser(), "VPSOPS_CONFIG", secret=_holds_secrets(settings)))
    if settings.database.startswith("sqlite"):
        path = Path(sa.make_url(settings.database).database or "").expanduser()
        kept += [ProtectedFile(path.with_name(path.name + end), "the database") for end in BESIDE]
    return kept


def _holds_secrets(settings: Settings) -> bool:
    """Return whether a configuration brings a secret of its own."""
    table = settings.config_file.data.get("settings", {})
    url = str(table.get("VPSOPS_DATABASE_URL", ""))
    return bool(SECRETS & table.keys()) or "@" in url


def file_findings(kept: ProtectedFile, status: os.stat_result, reader: ProcessUser) -> list[DoctorFinding]:
    """Return what is wrong with a file of this owner and mode."""
    if status.st_uid not in {0, reader.uid}:
        todo = f"chown it to the user who runs vpsops, and chmod go= {kept.path}"
        return [
            fail(AREA, f"{kept.path} ({kept.what}) belongs to another user, who can change it", todo, exit_codes.USAGE)
        ]
    if kept.secret and _is_opened_by_others(status, reader):
        what = f"others on this machine can open {kept.path} ({kept.what})"
        return [fail(AREA, what, f"chmod go= {kept.path}", exit_codes.USAGE)]
    return _writers(status.st_mode, f"change {kept.path} ({kept.what})", f"chmod go-w {kept.path}")


def _is_opened_by_others(status: os.stat_result, reader: ProcessUser) -> bool:
    """Return whether anyone but its owner and root can open a file.

    A service may read a file of root's by its group: it cannot change it, and the group is the service's own.
    """
    permissions = status.st_mode & (stat.S_IRWXG | stat.S_IRWXO)
    by_group = status.st_uid == 0 and reader.uid != 0 and status.st_gid in reader.groups
    return bool(permissions & ~(stat.S_IRGRP if by_group else 0))


def _folder(path: Path) -> list[DoctorFinding]:
    mode = path.stat().st_mode
    return [] if mode & stat.S_ISVTX else _writers(mode, f"replace files in {path}", f"chmod go-w {path}")


def _writers(mode: int, what: str, todo: str) -> list[DoctorFinding]:
    """Return that everyone can do something, or a group: on many machines that is the user's own alone."""
    if mode & stat.S_IWOTH:
        return [fail(AREA, f"others on this machine can {what}", todo, exit_codes.USAGE)]
    return [warn(AREA, f"members of a group can {what}", todo)] if mode & stat.S_IWGRP else []
