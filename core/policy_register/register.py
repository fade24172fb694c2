"""The policy in force as the database has it: read where it decides, compared with this process's own at its start.

A process's own policy decides nothing. It is compared, so that an edited file, or a process
with another one, is noticed: such a process refuses changes until both agree.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING, Final

import structlog

from vpsops.core.common import timings
from vpsops.core.common.clock import Clock
from vpsops.core.common.errors import ConfigurationError, NotAllowedError, StaleChangeError, StorageError
from vpsops.core.common.text import moment
from vpsops.core.common.timings import Timing
from vpsops.core.config.settings import Settings
from vpsops.core.identity.actors import Approvers
from vpsops.core.limits.model import Limits
from vpsops.core.policy.model import Policy, short_version
from vpsops.core.policy_register import revisions
from vpsops.core.policy_register.declaration import Declaration
from vpsops.core.policy_register.document import Ruleset, ruleset_from
from vpsops.core.policy_register.force import PolicyInForce
from vpsops.core.policy_register.revisions import PolicyBrokenError, Revision, keep_still
from vpsops.core.sqlite.reader import ConnectionView
from vpsops.core.storage.database import Database
from vpsops.core.workspaces.model import Workspaces

if TYPE_CHECKING:
    from collections.abc import Callable

    from sqlalchemy.engine import Connection

    from vpsops.core.sqlite.reader import DatabaseView


logger = structlog.get_logger(__name__)
HELD: Final = "vpsops_policy"
KEPT: Final = 4


class PolicyDiffersError(NotAllowedError):
    """This process was started with another policy than the one in force, so it changes nothing."""


@dataclass(frozen=True, slots=True)
class PolicyReading:
    """A policy as it was read: its contents, and the version that this process's own declaration amounts to."""

    revision: Revision
    ruleset: Ruleset
    own: str

    @property
    def agrees(self) -> bool:
        """Return whether the process was started with the policy in force."""
        return self.own == self.ruleset.version


class PolicyRegister(PolicyInForce):
    """The policy in force in a database, for one process."""

    def __init__(
        self, database: Database, clock: Clock, declared: Declaration, own: Timing, *, at_terminal: bool = False
    ) -> None:
        self._database = database
        self._clock = clock
        self._declared = declared
        self._timing = own
        self._at_terminal = at_terminal
        self._readings: dict[tuple[int, str], tuple[Declaration, PolicyReading]] = {}
        self._latest: PolicyReading | None = None
        self._problem: StorageError | None = None
        self._read_at = float("-inf")
        self._home: tuple[bool, str] | None = None

    async def open(self, process: str) -> None:
        """Read the policy in force; on an empty database put this process's own policy in force, on record.

        Of two processes that start at once one does, and the other compares. Raises `StorageError`.
        """
        if (await self._database.view(revisions.head))[0] == 0:
            await self._put_first(process)
        reading = await self._database.view(self._reading)
        self._home = _home(reading)

    async def _put_first(self, process: str) -> None:
        from sqlalchemy.exc import IntegrityError  # noqa: PLC0415 - not for a database that has a policy

        try:
            await self._database.transact(partial(self._first, process=process))
        except (StaleChangeError, IntegrityError):  # another process was first
            logger.info("policy_first_elsewhere")

    def _first(self, connection: Connection, process: str) -> None:
        from vpsops.core.policy_register import history  # noqa: PLC0415 - as above
        from vpsops.core.policy_register.difference import summary_of  # noqa: PLC0415 - as above

        document = self._declared.document(None, self._timing)
        ruleset_from(document)
        by = {"kind": "process", "id": process, "verified": False}
        source = self._declared.source or "the settings of the first process"
        now = self._clock.now().timestamp()
        history.apply(connection, history.Application(document, 0, by, now, source, summary_of(None, document)))

    def _reading(self, view: DatabaseView) -> PolicyReading:
        """Return the policy in force in a view; raises `PolicyBrokenError` where that cannot be relied on."""
        try:
            reading = self._known(view)
        except PolicyBrokenError as error:
            self._problem = error
            raise
        except ConfigurationError as error:
            self._problem = PolicyBrokenError(error.message, hint=error.hint)
            raise self._problem from error
        self._problem, self._latest, self._read_at = None, reading, self._clock.monotonic()
        return reading

    def _known(self, view: DatabaseView) -> PolicyReading:
        head, declared = revisions.head(view), self._declared
        of, known = self._readings.get(head, (None, None))
        if known is not None and of is declared:
            return known
        revision = revisions.in_force(view)
        if revision is None:
            raise PolicyBrokenError("No policy is in force in this database.", hint="Restart this process.")
        document = revision.document
        reading = PolicyReading(revision, ruleset_from(document), declared.document(document, self._timing).version)
        others = [entry for entry in self._readings.items() if entry[0] != head]
        self._readings = dict([*others[1 - KEPT :], (head, (declared, reading))])
        self._log(reading)
        return reading

    def _log(self, reading: PolicyReading) -> None:
        """Log a policy that was applied meanwhile, and whether this process's own differs."""
        revision = reading.revision
        if self._latest is not None and self._latest.revision != revision:
            logger.info("policy_replaced", version=short_version(revision.version), number=revision.number)
        if not reading.agrees:
            error = self._difference(reading)
            log = logger.info if self._at_terminal else logger.warning  # a terminal has said it in its own words
            log("policy_differs", message=error.message, hint=error.hint)
        elif self._latest is not None and not self._latest.agrees:
            logger.info("policy_agrees", version=short_version(revision.version), number=revision.number)

    def _held(self, connection: Connection) -> PolicyReading:
        """Return the policy in force until a transaction ends, read once in it under a lock."""
        transaction, (of, known) = connection.get_transaction(), connection.info.get(HELD, (None, None))
        if known is None or of is not transaction:
            keep_still(connection)
            known = self._reading(ConnectionView(connection))
            connection.info[HELD] = (transaction, known)
        reading: PolicyReading = known
        return reading

    def _deciding(self, connection: Connection) -> Ruleset:
        return self._held(connection).ruleset

    def read(self, connection: Connection) -> Policy:
        """Return the policy in force, locked until the transaction ends."""
        return self._deciding(connection).policy

    def read_limits(self, connection: Connection) -> Limits:
        """Return the limits in force in a transaction."""
        return self._deciding(connection).limits

    def read_workspaces(self, connection: Connection) -> Workspaces:
        """Return the workspaces in force in a transaction."""
        return self._deciding(connection).workspaces

    def read_stewards(self, connection: Connection, team: str) -> Approvers:
        """Return who may resume agents and settle unclear changes, for one workspace."""
        return self._deciding(connection).stewards_of(team)

    @property
    def _now(self) -> Ruleset:
        if self._problem is not None:
            raise self._problem
        if self._latest is None:
            raise PolicyBrokenError("No policy was read yet.")
        return self._latest.ruleset

    def latest(self) -> Policy:
        """Return the policy in force when this process read it last; raises `PolicyBrokenError`."""
        return self._now.policy

    def latest_limits(self) -> Limits:
        """Return the limits in force when this process read them last."""
        return self._now.limits

    def latest_workspaces(self) -> Workspaces:
        """Return the workspaces in force when this process read them last."""
        return self._now.workspaces

    def latest_stewards(self, team: str) -> Approvers:
        """Return who may resume agents and settle unclear changes, as this process read it last."""
        return self._now.stewards_of(team)

    def settings_from(self, own: Settings) -> Settings:
        """Return a process's settings with those that decide as they are in force."""
        return own if self._latest is None else self._latest.ruleset.settings_from(own)

    def timing_from(self, own: Timing) -> Timing:
        """Return a process's timing with the holds that are in force."""
        return self._now.timing_from(own)

    def check(self, connection: Connection) -> None:
        """Raise `PolicyDiffersError` if this process was started with another policy than the one in force."""
        reading = self._held(connection)
        if not reading.agrees:
            raise self._difference(reading)
        if self._home != _home(reading):
            raise PolicyDiffersError(
                "Other workspaces are in force than when this process was started, so it changes nothing.",
                hint="Restart it.",
            )

    def agrees(self, connection: Connection) -> bool:
        """Return whether this process may run changes."""
        try:
            self.check(connection)
        except (PolicyDiffersError, PolicyBrokenError):
            return False
        return True

    @property
    def difference(self) -> NotAllowedError | None:
        """How this process's own policy differs from the one in force, as it was read last; None where it does not."""
        reading = self._latest
        return self._difference(reading) if reading is not None and not reading.agrees else None

    def _difference(self, reading: PolicyReading) -> PolicyDiffersError:
        source, revision = self._declared.source, reading.revision
        own = f"{short_version(reading.own)}, from {source or 'its environment'}"
        other = f"{short_version(revision.version)}, applied by {revision.author} at {_moment(revision.at)}"
        file = f" {source}" if source else ""
        return PolicyDiffersError(
            f"This process was started with another policy ({own}) than the one in force ({other}), so it changes"
            " nothing.",
            hint=f"Compare them by `vpsops policy diff{file}`; put it in force by `vpsops policy apply{file}`.",
        )

    def declared(self, connection: Connection) -> tuple[str, str]:
        """Return the version that this process's own declaration amounts to, and where it is from, for its heartbeat.

        A heartbeat must not end for a policy that cannot be read: the version is empty then.
        """
        try:
            return self._reading(ConnectionView(connection)).own, self._declared.source
        except PolicyBrokenError:
            return "", self._declared.source

    def declare(self, declared: Declaration) -> None:
        """Replace the declaration of this process, as if it had been started with it; what is in force stays so."""
        self._declared = declared
        self._read_at = float("-inf")

    async def follow(self, differs: Callable[[], None]) -> None:
        """Call `differs` once for each policy in force that is another than this process's own, until cancelled.

        A process that declares nothing agrees with every policy, and reads none here.
        """
        asked: int | None = None
        while True:
            await self._clock.sleep(timings.POLICY_SECONDS)
            if not self._declared.decides:
                continue
            with suppress(PolicyBrokenError):  # said where it is decided
                await self.refresh()
            reading = self._latest
            if reading is not None and not reading.agrees and reading.revision.number != asked:
                asked = reading.revision.number
                differs()

    async def refresh(self) -> None:
        """Read the policy in force, unless it was read a moment ago; without an answer the last reading stays."""
        if self._clock.monotonic() - self._read_at < timings.POLICY_SECONDS:
            return
        try:
            await self._database.view(self._reading)
        except PolicyBrokenError:
            raise
        except StorageError as error:
            self._read_at = self._clock.monotonic()
            logger.warning("policy_not_read", error=error.message, error_id=error.error_id)


def _home(reading: PolicyReading) -> tuple[bool, str]:
    workspaces = reading.ruleset.workspaces
    return workspaces.several, workspaces.home


def _moment(at: float) -> str:
    return moment(datetime.fromtimestamp(at, UTC))
