"""The gate: the only way to cause an effect.

A request is read, checked against live state, decided by policy and stored before a person is asked
or anything is sent. Confirmations and votes are checked here and nowhere else; what is approved runs
in the background and is followed by its id.
"""

from collections.abc import Callable
from dataclasses import replace

from sqlalchemy.engine import Connection

from vpsops.core.authorization import agent_pause
from vpsops.core.authorization.agent_pause import Pause, PauseSwitch
from vpsops.core.authorization.change_reader import ChangeReader
from vpsops.core.authorization.recheck import Recheck
from vpsops.core.authorization.votes import Statement, Votes
from vpsops.core.changes.audit_entries import clean_actor, worded
from vpsops.core.changes.model import Change, Verdict
from vpsops.core.changes.requests import DryRun, Outcome, Request
from vpsops.core.changes.scope import OPERATOR, Scope
from vpsops.core.common.errors import NotAllowedError
from vpsops.core.identity.actors import Actor, Approvers
from vpsops.core.operations import OPERATIONS
from vpsops.core.service.admission import Admission
from vpsops.core.service.backend import Backend
from vpsops.core.service.server_queries import ServerQueries
from vpsops.core.service.submissions import Submissions


class Gate:
    """Commands: submit, confirm, vote, cancel and resolve changes, and pause agents; each within a scope."""

    __slots__ = ("_admission", "_backend", "_servers", "_submissions")

    def __init__(self, backend: Backend, admission: Admission, servers: ServerQueries) -> None:
        self._backend = backend
        self._admission = admission
        self._servers = servers
        self._submissions = Submissions(backend, admission)

    async def submit(self, request: Request, *, scope: Scope = OPERATOR) -> Outcome:
        """Decide a request for a change: hold it, start it or refuse it. A read is left to `ServerQueries`.

        Raises `InvalidInputError` and its kin where the request makes no sense, `WayscloudError` where
        the provider cannot be read, `StorageError` where nothing could be stored.
        """
        operation = OPERATIONS.get(request.operation)
        if operation is not None and operation.reads:
            return await self._servers.read(request, scope=scope)
        return await self._submissions.submit(request, scope)

    async def dry_run(self, request: Request, *, scope: Scope = OPERATOR) -> DryRun:
        """Decide a request for a change as `submit` does; ask no one and store nothing. Raises as `submit` does."""
        return await self._submissions.dry_run(request, scope)

    async def confirm(
        self, change_id: str, actor: Actor, digest: str, *, evidence: str = "", scope: Scope = OPERATOR
    ) -> Change:
        """Let the asker's own human say yes to exactly what was shown, and run it; `evidence` is how they said it.

        Raises `NotAllowedError` for others, `StaleChangeError` when the change is not held any more or
        another thing was shown, `UnknownChangeError`.
        """
        word = Statement(actor, digest, evidence=evidence)

        def work(connection: Connection) -> Change:
            self._backend.policy.check(connection)
            return self._votes(scope).confirm(connection, change_id, word)

        return await self._decide(change_id, actor, work, scope)

    async def vote(  # noqa: PLR0913 - one vote, all of it named
        self,
        change_id: str,
        voter: Actor,
        verdict: Verdict,
        digest: str,
        *,
        reason: str = "",
        evidence: str = "",
        scope: Scope = OPERATOR,
    ) -> Change:
        """Record one eligible person's vote on exactly what was shown; the last one needed starts the run.

        `voter.groups` holds the groups and channels the voter was found in at the click, `evidence`
        how. Raises `NotAllowedError` with the reason, `StaleChangeError`, `UnknownChangeError`.
        """
        word = Statement(voter, digest, reason, evidence)

        def work(connection: Connection) -> Change:
            if verdict is Verdict.APPROVE:
                self._backend.policy.check(connection)
            return self._votes(scope).vote(connection, change_id, word, verdict)

        return await self._decide(change_id, voter, work, scope)

    async def cancel(self, change_id: str, actor: Actor, *, reason: str = "", scope: Scope = OPERATOR) -> Change:
        """Withdraw one's own change before it is sent.

        Raises `NotAllowedError`, `StaleChangeError`, `UnknownChangeError`.
        """
        word = Statement(actor, reason=reason)
        return await self._allowed(
            change_id, actor, lambda entry: self._votes(scope).cancel(entry, change_id, word), scope
        )

    async def resolve(
        self, change_id: str, actor: Actor, *, happened: bool, evidence: str = "", scope: Scope = OPERATOR
    ) -> Change:
        """Let a person settle what no read could: it happened, or it did not.

        The asker's human may, and those who may approve the change (`approvals.settlers`), with `actor.groups` and
        `evidence` as for a vote. Raises `NotAllowedError` for others, `StaleChangeError` unless it waits for a
        person.
        """
        word = Statement(actor, evidence=evidence)

        def work(connection: Connection) -> Change:
            votes = replace(self._votes(scope), stewards=self._backend.policy.read_stewards(connection, scope.team))
            return votes.resolve(connection, change_id, word, happened=happened)

        return await self._allowed(change_id, actor, work, scope)

    async def pause_agents(  # noqa: PLR0913 - all of it named
        self,
        actor: Actor,
        *,
        paused: bool,
        reason: str = "",
        evidence: str = "",
        seen: float | None = None,
        scope: Scope = OPERATOR,
    ) -> Pause:
        """Pause all agents, or let them go on; return what holds now.

        While they are paused no change of an agent is taken, agreed to or sent; reads and denials go on.
        `actor.groups` and `evidence` are as for a vote, `seen` is the time of the pause that was shown, in
        seconds since 1970. Raises `NotAllowedError` for an agent and for people who may not resume, `StaleChangeError`.
        """
        by, words = clean_actor(actor, self._backend.redactor), worded(self._backend.redactor.text(reason))
        asked = PauseSwitch(
            Pause(paused, by, self._backend.clock.now(), words), worded(self._backend.redactor.text(evidence)), seen
        )

        def work(connection: Connection) -> Pause:
            stewards = Approvers() if paused else self._backend.policy.read_stewards(connection, scope.team)
            return agent_pause.switch_pause(connection, asked, stewards)

        return await self._backend.database.transact(work)

    def _votes(self, scope: Scope) -> Votes:
        backend = self._backend
        recheck, stewards = Recheck(backend.policy, backend.timing), backend.policy.latest_stewards(scope.team)
        return Votes(ChangeReader(scope, backend.workspaces), backend.clock, backend.redactor, recheck, stewards)

    async def _decide(self, change_id: str, actor: Actor, work: Callable[[Connection], Change], scope: Scope) -> Change:
        engine = self._backend.engine
        await engine.start()
        change = await self._allowed(
            change_id, actor, lambda connection: engine.claim(connection, work(connection)), scope
        )
        engine.run_claimed(change_id)
        return change

    async def _allowed(
        self, change_id: str, actor: Actor, work: Callable[[Connection], Change], scope: Scope
    ) -> Change:
        """Run a decision; one that is not allowed is recorded."""
        try:
            return await self._backend.database.transact(work)
        except NotAllowedError as error:
            await self._admission.record_refused_decision(change_id, actor, error, scope=scope)
            raise
