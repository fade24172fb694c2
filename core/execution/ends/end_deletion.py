"""The request for a server's deletion at its end: a change that people decide, stored as its stop is noted, once.

People agreed to the stop with the create, and to nothing more. So the deletion is held for the approvers that the
policy names, in the name of the server's owner. Where the policy denies it or asks no one else, where the owner is
found no more, or the server is not as vpsops left it, nothing is asked for, and the notice of the stop says why.
"""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final

from sqlalchemy.engine import Connection
from sqlalchemy.exc import IntegrityError

from vpsops.core.authorization import agent_pause
from vpsops.core.authorization.agent_pause import AgentsPausedError
from vpsops.core.authorization.recheck import Recheck
from vpsops.core.authorization.submission import hold_seconds
from vpsops.core.changes import repository
from vpsops.core.changes.approvals import first_attention
from vpsops.core.changes.audit_entries import requested
from vpsops.core.changes.preview import Located, Preview, preview
from vpsops.core.common.clock import Clock
from vpsops.core.common.errors import InvalidInputError, NotAllowedError, UnreadableRowError
from vpsops.core.common.timings import END_TOLERANCE_SECONDS
from vpsops.core.continuity.continuity_monitor import ContinuityMonitor
from vpsops.core.ends import lifecycle
from vpsops.core.ends.model import ServerEnd, drift
from vpsops.core.execution.ends.end_change import EndRefusedError, change_of, known_server, request_of, ruling_of
from vpsops.core.identity.accounts import AccountDirectory, DirectoryUnavailableError, account_name
from vpsops.core.limits import quotas
from vpsops.core.limits.quotas import LimitReachedError
from vpsops.core.operations import OPERATIONS
from vpsops.core.operations.registry import ServerArguments
from vpsops.core.policy.decision import Decision, Ruling
from vpsops.core.storage.database import Database
from vpsops.core.wayscloud.answers.errors import NotFoundError, NotOfferedError, WayscloudError
from vpsops.core.wayscloud.answers.models import Server
from vpsops.core.wayscloud.answers.region_names import region_names
from vpsops.core.wayscloud.client import Wayscloud

DELETE: Final = "delete"
BY_END: Final = "by_end"
"""Key of a request's record: the create with the end that asks for it."""
ASKED: Final = "Its deletion is asked for ({id}): those who approve it decide."
NOT_ASKED: Final = "Its deletion is not asked for by itself: {why}"


class NotYetError(Exception):
    """What has to be known is not known now; it is tried again."""


@dataclass(frozen=True, slots=True)
class EndDeletion:
    """Notes that servers are stopped at their ends, and asks for their deletion with that."""

    database: Database
    api: Wayscloud
    clock: Clock
    recheck: Recheck
    continuity: ContinuityMonitor
    accounts: AccountDirectory | None

    async def close(self, end: ServerEnd, note: str) -> None:
        """Note that a server is stopped, and ask for its deletion where people decide that.

        Raises `NotYetError` where the provider or the directory does not answer, for half an hour at most;
        `StaleChangeError` where another process was first, `StorageError`.
        """
        try:
            server, seen = await self._seen(end)
            await self._check_owner(end, seen)
            await self.database.transact(lambda connection: self._store(connection, end, note, server, seen))
        except NotYetError as error:
            if self.clock.now() <= end.ends_at + timedelta(seconds=END_TOLERANCE_SECONDS):
                raise
            await self._note(end, note, str(error))
        except EndRefusedError as error:
            await self._note(end, note, str(error))
        except AgentsPausedError:
            await self._note(end, note, "agents are paused, and an agent asked for this server.")
        except (LimitReachedError, NotAllowedError) as error:
            await self._note(end, note, error.message)
        except (IntegrityError, UnreadableRowError):
            await self._note(end, note, "another change is first on this server.")

    async def _note(self, end: ServerEnd, note: str, why: str) -> None:
        words = f"{note} {NOT_ASKED.format(why=why)}" if why else note
        now = self.clock.now()
        await self.database.transact(lambda connection: lifecycle.note_stopped(connection, end, words, now))

    async def _seen(self, end: ServerEnd) -> tuple[Server, Preview]:
        """Read a server, and all that the card of its deletion shows."""
        if not self.recheck.policy.latest_limits().deletion_at_end:
            raise EndRefusedError("")
        try:
            server = await self.api.get_server(end.server_id)
            located = Located(ServerArguments(server=server.id), server)
            seen = await preview(self.api, OPERATIONS[DELETE], located)
        except (InvalidInputError, NotFoundError, NotOfferedError) as error:
            raise EndRefusedError(error.message) from None
        except WayscloudError as error:
            raise NotYetError(error.message) from None
        if not server.off:
            raise EndRefusedError(f"it is {server.state} now.")
        return server, await self._named(seen)

    async def _named(self, seen: Preview) -> Preview:
        """Return a preview with the name of the server's region for people, where the provider tells it."""
        try:
            names = region_names(await self.api.list_named_regions())
        except WayscloudError:
            return seen
        return replace(seen, target=replace(seen.target, region_name=names.name_of(seen.target.region)))

    async def _check_owner(self, end: ServerEnd, seen: Preview) -> None:
        """Raise unless the owner is one active full member, as far as the policy has the deletion asked for at all."""
        policy = self.recheck.policy
        self._check(ruling_of(end, seen, policy.latest(), policy.latest_workspaces(), self.clock.now()))
        account = end.owner.account
        if not account or self.accounts is None:
            raise EndRefusedError("the account of its owner is not known.")
        try:
            answer = await self.accounts.find((account_name(account, self._team_of(end)),))
        except DirectoryUnavailableError as error:
            raise NotYetError(error.message) from None
        if not answer.account:
            raise EndRefusedError(f"its owner is {end.owner.cited}, and {answer.problem}.")

    def _team_of(self, end: ServerEnd) -> str:
        """Return the workspace that an owner's account is of; empty for that of agents, and for the only one."""
        workspaces = self.recheck.policy.latest_workspaces()
        team = workspaces.owner(end.origin) if workspaces.several else ""
        return "" if team == workspaces.home else team

    def _check(self, ruling: Ruling) -> None:
        """Raise `EndRefusedError` unless a ruling has other people decide."""
        if ruling.decision is Decision.DENY:
            raise EndRefusedError(f"the policy refuses it. {ruling.reason}".strip())
        if ruling.decision is not Decision.APPROVE:
            raise EndRefusedError("the policy asks no one to approve it.")

    def _store(self, connection: Connection, end: ServerEnd, note: str, server: Server, seen: Preview) -> None:
        now, policy = self.clock.now(), self.recheck.policy
        self.continuity.verify(connection)
        policy.check(connection)
        limits = policy.read_limits(connection)
        if not limits.deletion_at_end:
            raise EndRefusedError("")
        why = drift(known_server(connection, end), server.hostname, server.plan or "")
        if why:
            raise EndRefusedError(f"{why[0].lower()}{why[1:]}")
        agent_pause.check(connection, end.owner)
        first = repository.by_lock(connection, seen.target.key)
        if first is not None:
            raise EndRefusedError(f"{first.id} is first on this server.")
        ruling = ruling_of(end, seen, policy.read(connection), policy.read_workspaces(connection), now)
        self._check(ruling)
        self._insert(connection, end, note, seen, replace(ruling, grant_terms=None, overrides=()), now)

    def _insert(  # noqa: PLR0913 - a change that is held, all of it named
        self, connection: Connection, end: ServerEnd, note: str, seen: Preview, ruling: Ruling, now: datetime
    ) -> None:
        """Store the held change with the end's step; no one may run it without the votes."""
        timing = self.recheck.policy.timing_from(self.recheck.timing)
        until = now + timedelta(seconds=hold_seconds(ruling, timing))
        change = change_of(end, seen, ruling, f"for which {end.change_id} was asked; its end asks for this", now, until)
        lifecycle.note_stopped(connection, end, f"{note} {ASKED.format(id=change.id)}", now, change.id)
        body = {**requested(request_of(end, change), seen, ruling), BY_END: end.change_id}
        repository.insert(connection, change, key=f"delete:{end.server_id}:{end.turn}", body=body)
        repository.remind_at(connection, change.id, first_attention(change, timing))
        limits = replace(self.recheck.policy.read_limits(connection), max_changes_per_hour=None)
        quotas.check_agreed(connection, limits, change, seen.target)
