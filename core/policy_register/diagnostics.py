"""The policy in force in `vpsops doctor`: who applied it, and which processes were started with another."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Final

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from vpsops.core.common.clock import Clock
from vpsops.core.common.errors import VpsopsError
from vpsops.core.common.timings import POLICY_TOLD_SECONDS
from vpsops.core.config.settings import Settings
from vpsops.core.console.checks import DoctorFinding, fail, failed, ok, warn
from vpsops.core.console.terminal import when
from vpsops.core.policy.calendar import Calendar
from vpsops.core.policy.model import short_version
from vpsops.core.policy_register import history
from vpsops.core.policy_register.declaration import declaration_of
from vpsops.core.policy_register.document import Document, Ruleset, ruleset_from
from vpsops.core.policy_register.revisions import Revision
from vpsops.core.sqlite.location import NotReadyError
from vpsops.core.storage.database import Database, open_database
from vpsops.core.storage.leases import alive
from vpsops.core.storage.tables import PROCESSES

AREA: Final = "policy"
FROZEN: Final = "Nothing changes on these servers, except by rules that name it in during_freeze"


async def check_active_policy(database: Database, settings: Settings) -> Sequence[DoctorFinding]:
    """Compare the policy in force with this set-up's and with that of each living process."""
    try:
        revision = await database.read(history.in_force)
        if revision is None:
            return []
        document = revision.document
        ruleset_from(document)
    except VpsopsError as error:
        return [failed(AREA, error)]
    if database.clock.now().timestamp() - revision.at < POLICY_TOLD_SECONDS:
        await database.clock.sleep(POLICY_TOLD_SECONDS)
    own = _version_of(settings, document)
    others = await database.read(partial(_others, database=database, revision=revision))
    calendar = _calendar(ruleset_from(document).policy.calendar, database.clock.now())
    return [_standing(revision), *calendar, *_own(settings, own, revision), *others]


def _version_of(settings: Settings, base: Document) -> str:
    """Return the version of this set-up's own file and environment; other lines report one that is wrong."""
    try:
        return declaration_of(settings).document(base).version
    except VpsopsError:
        return base.version


def _standing(revision: Revision) -> DoctorFinding:
    what = "the embedded default" if revision.document.embedded else f"{len(revision.document.rules)} rules"
    who = f"number {revision.number}, applied {when(revision.at)} by {revision.author} (claimed)"
    return ok(AREA, f"in force for all processes: {short_version(revision.version)}, {what}, {who}")


def _calendar(calendar: Calendar, now: datetime) -> list[DoctorFinding]:
    """Report the maintenance windows, and the freezes that hold now or are still to come."""
    findings = [ok(AREA, f"window {window.name}: {window.words}") for window in calendar.windows]
    for freeze in calendar.freezes:
        if freeze.is_in_force(now):
            findings.append(warn(AREA, f"the freeze {freeze.name} holds: {freeze.words}", freeze.reason or FROZEN))
        elif freeze.ends is None or freeze.ends > now:
            findings.append(ok(AREA, f"freeze {freeze.name}: {freeze.words}"))
    return findings


def _own(settings: Settings, own: str, revision: Revision) -> Sequence[DoctorFinding]:
    if own == revision.version:
        return []
    source, file = (str(settings.config), f" {settings.config}") if settings.config else ("the environment", "")
    what = f"what this set-up says is another policy ({short_version(own)}, from {source}): started with it, a process"
    todo = f"Compare them by vpsops policy diff{file}; put it in force by vpsops policy apply{file}"
    return [fail(AREA, f"{what} changes nothing", todo)]


@dataclass(frozen=True, slots=True)
class ProcessPolicy:
    """What a living process was started with or read again, as its last heartbeat says."""

    id: str
    version: str
    source: str

    @property
    def named(self) -> str:
        """The version and where it is from, for people."""
        return f"{short_version(self.version) or 'none that it could read'}, from {self.source or 'its environment'}"


def read_process_policies(connection: Connection, database: Database) -> Sequence[ProcessPolicy]:
    """Return the policy of each living process."""
    living = alive(connection, database.tick(connection))
    columns = (PROCESSES.c.id, PROCESSES.c.policy, PROCESSES.c.policy_source)
    query = sa.select(*columns).where(PROCESSES.c.id.in_(living)).order_by(PROCESSES.c.id)
    return [ProcessPolicy(row.id, row.policy or "", row.policy_source or "") for row in connection.execute(query)]


def _others(connection: Connection, database: Database, revision: Revision) -> list[DoctorFinding]:
    processes = read_process_policies(connection, database)
    same = [process.id for process in processes if process.version == revision.version]
    findings = [ok(AREA, f"{len(same)} living processes were started with it: {', '.join(same)}")] if same else []
    for process in processes:
        if process.version != revision.version:
            what = f"{process.id} was started with another policy ({process.named})"
            todo = "It changes nothing. Apply that policy, or give it what is in force (vpsops policy show) by SIGHUP"
            findings.append(fail(AREA, what, todo))
    return findings


async def is_other_in_force(settings: Settings, clock: Clock) -> bool:
    """Return whether the database has another policy in force than this set-up says; False where that is not known."""
    try:
        async with open_database(settings.database, clock, make=False) as database:
            revision = await database.read(history.in_force)
    except (NotReadyError, VpsopsError):
        return False
    return revision is not None and _version_of(settings, revision.document) != revision.version


async def ruleset_of(settings: Settings, clock: Clock) -> Ruleset:
    """Return the ruleset for this set-up: the one in force in its database, or else its own declaration.

    Raises `ConfigurationError`, also where this version cannot read what is in force, and `StorageError`.
    """
    try:
        async with open_database(settings.database, clock, make=False) as database:
            revision = await database.read(history.in_force)
    except NotReadyError:
        revision = None
    if revision is not None:
        return ruleset_from(revision.document)
    return ruleset_from(declaration_of(settings).document(None))
