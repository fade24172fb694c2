"""Storing a decided change, or finding out why it cannot be stored."""

from dataclasses import dataclass
from typing import Final

from sqlalchemy.engine import Connection
from sqlalchemy.exc import IntegrityError

from vpsops.core.authorization import agent_pause
from vpsops.core.authorization.agent_pause import AgentsPausedError
from vpsops.core.authorization.change_reader import ChangeReader
from vpsops.core.authorization.refusals import paused_refusal
from vpsops.core.changes import repository
from vpsops.core.changes.approvals import first_attention
from vpsops.core.changes.audit_entries import requested
from vpsops.core.changes.model import Change
from vpsops.core.changes.preview import Preview
from vpsops.core.changes.requests import Outcome, Refused, Request, outcome_of
from vpsops.core.changes.scope import Scope
from vpsops.core.common.errors import NotAllowedError, UnreadableRowError
from vpsops.core.limits import quotas
from vpsops.core.limits.guard import refusal_for
from vpsops.core.limits.model import AccountSnapshot
from vpsops.core.limits.quotas import LimitReachedError
from vpsops.core.outcomes.twins import TwinError, check_twins
from vpsops.core.policy import Policy
from vpsops.core.service.admission import Admission
from vpsops.core.service.backend import Backend
from vpsops.core.storage.tables import CHANGES

OTHER_WORKSPACE: Final = Refused(
    "Another workspace's change is first on this server.", hint="Ask again once it is done."
)


class PolicyReplacedError(Exception):
    """Another policy is in force than the one that a change was decided by; carries it."""

    def __init__(self, policy: Policy) -> None:
        super().__init__(policy.version)
        self.policy = policy


class RollbackError(Exception):
    """Ends the transaction of a dry run."""


@dataclass(frozen=True, slots=True)
class Draft:
    """A decided change that is not stored yet, and what it was decided from."""

    change: Change
    request: Request
    preview: Preview
    account: AccountSnapshot | None
    scope: Scope


class ChangeStore:
    """Stores changes under the policy, the pause and the limits in force in the storing transaction."""

    __slots__ = ("_admission", "_backend")

    def __init__(self, backend: Backend, admission: Admission) -> None:
        self._backend = backend
        self._admission = admission

    async def store(self, draft: Draft) -> Outcome:
        """Store and start a change, or return why not; raises `PolicyReplacedError`, `StorageError`."""
        backend, change, request = self._backend, draft.change, draft.request
        await backend.engine.start()

        def work(connection: Connection) -> None:
            backend.policy.check(connection)
            policy = backend.policy.read(connection)
            if policy.version != change.ruling.policy:
                raise PolicyReplacedError(policy)
            self._insert(connection, draft)
            backend.engine.claim(connection, change)

        try:
            await backend.database.transact(work)
        except AgentsPausedError as error:
            return await self._admission.refuse(request, paused_refusal(error))
        except LimitReachedError as error:
            return await self._admission.refuse_for_limit(request, error.exceeded)
        except (IntegrityError, TwinError) as error:
            outcome = self._behind_twin(draft, error) if isinstance(error, TwinError) else await self._conflict(draft)
            if isinstance(outcome, Refused):
                await self._admission.refuse_change(request, draft.preview, change.ruling, outcome)
            return outcome
        backend.engine.run_claimed(change.id)
        return outcome_of(change)

    async def problem(self, draft: Draft) -> Refused | None:
        """Return why a change could not be stored now, after storing it in a transaction that is rolled back."""

        def work(connection: Connection) -> None:
            self._backend.policy.check(connection)
            self._insert(connection, draft)
            raise RollbackError

        try:
            await self._backend.database.transact(work)
        except AgentsPausedError as error:
            return paused_refusal(error)
        except LimitReachedError as error:
            return refusal_for(error.exceeded)
        except TwinError as error:
            return self._behind_twin(draft, error)
        except IntegrityError:
            outcome = await self._conflict(draft)
            return outcome if isinstance(outcome, Refused) else None
        except NotAllowedError as error:  # by a policy that is not in force
            return Refused(error.message, hint=error.hint)
        except RollbackError:
            pass
        return None

    def _insert(self, connection: Connection, draft: Draft) -> None:
        backend, change, request = self._backend, draft.change, draft.request
        agent_pause.check(connection, request.actor)
        body = requested(request, draft.preview, change.ruling)
        repository.insert(connection, change, key=request.key, body=body)
        check_twins(connection, change, backend.clock.now(), waiting=True)
        remind = first_attention(change, backend.timing)
        if remind is not None:
            connection.execute(CHANGES.update().where(CHANGES.c.id == change.id).values(remind_at=remind.timestamp()))
        limits = backend.policy.read_limits(connection)
        quotas.check_stored(connection, limits, change, draft.account, backend.clock.now())

    def _behind_twin(self, draft: Draft, error: TwinError) -> Refused:
        """Return the refusal of a create behind another one of its hostname, in whatever spelling."""
        if not self._backend.workspaces.shows(error.twin, draft.scope.team):
            return OTHER_WORKSPACE
        return Refused(error.message, hint=error.hint, change=error.twin)

    async def _conflict(self, draft: Draft) -> Outcome:
        """The key or the server is taken: return the same request's change, or the refusal naming the first change."""
        request, workspaces = draft.request, self._backend.workspaces

        def work(connection: Connection) -> tuple[Change | None, Change | None]:
            same = repository.by_key(connection, request.key) if request.key else None
            return same, repository.by_lock(connection, draft.change.target.key)

        try:
            same, first = await self._backend.database.read(work)
        except UnreadableRowError as error:  # no id: it may be another workspace's
            return Refused("Another change is first on this server, unreadable by this version.", hint=error.hint)
        if same is not None:
            return outcome_of(ChangeReader(draft.scope, workspaces).visible(same))
        if first is None:  # it ended this instant
            return Refused("Another change was just finished on this server.", hint="Ask again.")
        if not workspaces.shows(first, draft.scope.team):
            return OTHER_WORKSPACE
        return Refused(
            f"{first.id} is first: {first.operation} {first.target.hostname} by {first.actor.cited} is {first.state}.",
            hint=f"Wait for it, or cancel {first.id}, then ask again.",
            change=first,
        )
