"""The gate: the only way to cause an effect.

A request is read, checked against live state, decided by policy and stored before a person is asked
or anything is sent. Confirmations and votes are checked here and nowhere else; what is approved runs
in the background and is followed by its id.
"""

from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from functools import partial

from sqlalchemy.engine import Connection

from vpsops.core.authorization import agent_pause
from vpsops.core.authorization.agent_pause import Pause, PauseSwitch
from vpsops.core.authorization.votes import Statement, Votes
from vpsops.core.break_glass.overrides import OverrideRequest, Overrides, identified
from vpsops.core.changes.approvals import CLIENT, waits_for_votes
from vpsops.core.changes.audit_entries import clean_actor, worded
from vpsops.core.changes.model import Change, GrantWish, Verdict
from vpsops.core.changes.requests import DryRun, Held, Outcome, Refused, Request
from vpsops.core.changes.scope import Scope
from vpsops.core.common.errors import NotAllowedError, StorageError
from vpsops.core.ends.model import ServerEnd
from vpsops.core.grants.model import Grant
from vpsops.core.grants.requests import GrantRequest
from vpsops.core.identity.actors import Actor, Approvers
from vpsops.core.operations import OPERATIONS
from vpsops.core.plans.requests import PlanRequest
from vpsops.core.runbooks.requests import RunbookRequest
from vpsops.core.service.admission import Admission
from vpsops.core.service.backend import Backend
from vpsops.core.service.change_queries import with_group_names
from vpsops.core.service.change_store import votes_of
from vpsops.core.service.ends.extension import Extensions
from vpsops.core.service.plans.grant_submission import GrantSubmissions
from vpsops.core.service.plans.submission import PlanSubmissions
from vpsops.core.service.server_queries import ServerQueries
from vpsops.core.service.submissions import Submissions


class Gate:
    """Commands: submit, confirm, vote, cancel and resolve changes, and pause agents; each within a scope."""

    __slots__ = ("_admission", "_backend", "_grants", "_plans", "_servers", "_submissions")

    def __init__(self, backend: Backend, admission: Admission, servers: ServerQueries) -> None:
        self._backend = backend
        self._admission = admission
        self._servers = servers
        self._submissions = Submissions(backend, admission)
        self._plans = PlanSubmissions(backend, admission, self._submissions)
        self._grants = GrantSubmissions(backend, admission, self._submissions)

    async def submit(self, request: Request, *, scope: Scope) -> Outcome:
        """Decide a request for a change: hold it, start it or refuse it. A read is left to `ServerQueries`.

        Raises `InvalidInputError` and its kin where the request makes no sense, `WayscloudError`, `StorageError`, and
        what `set_aside` raises where the request sets another one aside.
        """
        operation = OPERATIONS.get(request.operation)
        if operation is not None and operation.reads:
            return await self._servers.read(request, scope=scope)
        outcome = await self._submissions.submit(request, scope)
        match outcome:
            case Held(change=change):
                return Held(await self._named(change))
            case Refused(change=Change() as first):
                return replace(outcome, change=await self._named(first))
            case _:
                return outcome

    async def submit_plan(self, planned: PlanRequest | RunbookRequest, *, scope: Scope) -> Outcome:
        """Decide a request about many servers, which is one change; raises as `submit` does."""
        return await self._plans.submit(planned, scope)

    async def dry_run_plan(self, planned: PlanRequest | RunbookRequest, *, scope: Scope) -> DryRun:
        """Decide as `submit_plan` does; ask no one and store nothing."""
        return await self._plans.dry_run(planned, scope)

    async def ask_grant(self, asked: GrantRequest, *, scope: Scope) -> Outcome:
        """Hold a request for a grant of an agent, which people vote on as on the agent's change; raises as `submit`."""
        outcome = await self._grants.submit(asked, scope)
        return Held(await self._named(outcome.change)) if isinstance(outcome, Held) else outcome

    async def dry_run(self, request: Request, *, scope: Scope) -> DryRun:
        """Decide a request for a change as `submit` does; ask no one and store nothing. Raises as `submit` does."""
        run = await self._submissions.dry_run(request, scope)
        return replace(run, change=await self._named(run.change))

    async def _named(self, change: Change) -> Change:
        """Return a change with the names of groups, as far as they can be read: it may be stored by now."""
        if not waits_for_votes(change):
            return change
        with suppress(StorageError):
            return await self._backend.database.read(lambda connection: with_group_names(connection, change))
        return change

    async def start_engine(self) -> None:
        """Run what is approved and watch what was sent, as far as no other process does. Raises `StorageError`."""
        await self._backend.engine.start()

    async def confirm(  # noqa: PLR0913 - one confirmation, all of it named
        self, change_id: str, actor: Actor, digest: str, *, evidence: str = "", place: str = CLIENT, scope: Scope
    ) -> Change:
        """Let the asker's own human say yes to exactly what was shown, and run it; `evidence` is how they said it.

        `place` is where they did: in the client's dialog, or in Slack. Raises `NotAllowedError` for others,
        `StaleChangeError` when the change is not held any more or another thing was shown, `UnknownChangeError`.
        """
        word = Statement(actor, digest, evidence=evidence, place=place)

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
        grant: GrantWish | None = None,
        scope: Scope,
    ) -> Change:
        """Record one eligible person's vote on exactly what was shown; the last one needed starts the run.

        `voter.groups` holds the groups and channels the voter was found in at the click, `evidence`
        how. An approval with `grant` opens a grant too, where every other one asked for one as well. Raises
        `NotAllowedError` with the reason, `StaleChangeError`, `UnknownChangeError`, and `InvalidInputError` for a grant
        that the rule does not allow.
        """
        word = Statement(voter, digest, reason, evidence, grant=grant)

        def work(connection: Connection) -> Change:
            if verdict is Verdict.APPROVE:
                self._backend.policy.check(connection)
            return self._votes(scope).vote(connection, change_id, word, verdict)

        return await self._decide(change_id, voter, work, scope)

    async def override(self, change_id: str, asked: OverrideRequest, *, scope: Scope) -> Change:
        """Let its asker run a held change without votes, where its rules name them for that, and open its review.

        Raises `InvalidInputError` for a wrong name or reason, else as `vote` does.
        """
        known = await identified(asked, self._backend.accounts)

        def work(connection: Connection) -> Change:
            self._backend.policy.check(connection)
            return Overrides(self._votes(scope)).run(connection, change_id, known)

        return await self._decide(change_id, known.actor, work, scope)

    async def close_review(self, change_id: str, word: Statement, *, scope: Scope) -> Change:
        """Close a review by another person who may approve the change; its note is the reason. Raises as `override`."""
        overrides = Overrides(self._votes(scope))
        return await self._allowed(
            change_id, word.actor, lambda entry: overrides.close_review(entry, change_id, word), scope
        )

    async def cancel(self, change_id: str, actor: Actor, *, reason: str = "", scope: Scope) -> Change:
        """Withdraw one's own change before it is sent.

        Raises `NotAllowedError`, `StaleChangeError`, `UnknownChangeError`.
        """
        word = Statement(actor, reason=reason)
        step = partial(self._votes(scope).cancel, change_id=change_id, word=word)
        return await self._allowed(change_id, actor, step, scope)

    async def stop_plan(self, change_id: str, actor: Actor, *, evidence: str = "", scope: Scope) -> Change:
        """Let a running plan begin no other member, by its asker or who may approve it; raises as `vote` does."""
        stop = partial(self._votes(scope).stop_plan, change_id=change_id, word=Statement(actor, evidence=evidence))
        return await self._allowed(change_id, actor, stop, scope)

    async def unreachable(self, change_id: str, *, scope: Scope) -> Change:
        """End a change that has to be confirmed in Slack, where no direct message reaches who has to confirm it.

        One that a client asks for as well is that client's from then on. Raises `UnknownChangeError`.
        """
        return await self._backend.database.transact(lambda entry: self._votes(scope).unreachable(entry, change_id))

    async def close_dialog(self, change_id: str, actor: Actor, *, reason: str = "", scope: Scope) -> Change:
        """Let a client ask no more for what Slack asks for too; a card that is there already may still be answered.

        Nothing else is altered. Raises `NotAllowedError`, `UnknownChangeError`.
        """
        word = Statement(actor, reason=reason)
        step = partial(self._votes(scope).close_dialog, change_id=change_id, word=word)
        return await self._allowed(change_id, actor, step, scope)

    async def set_aside(
        self, change_id: str, actor: Actor, *, reason: str = "", evidence: str = "", scope: Scope
    ) -> Change:
        """Let a full member withdraw what another person asked for and did not confirm, so that it blocks no server.

        `evidence` is how that was read. Raises `NotAllowedError`, `StaleChangeError`, `UnknownChangeError`.
        """
        word = Statement(actor, reason=reason, evidence=evidence)
        step = partial(self._votes(scope).set_aside, change_id=change_id, word=word)
        return await self._allowed(change_id, actor, step, scope)

    async def resolve(
        self, change_id: str, actor: Actor, *, happened: bool, evidence: str = "", scope: Scope
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

    async def keep_server(self, request: Request, *, scope: Scope) -> ServerEnd:
        """Give a server a later end; raises as `Extensions.keep` does."""
        return await Extensions(self._backend, self._admission, self._submissions).keep(request, scope)

    async def end_grant(self, grant_id: str, actor: Actor, *, evidence: str = "", scope: Scope) -> Grant:
        """Let an approver, the agent's human, its asker or the agent end a grant, with `actor.groups` as for a vote.

        Raises `NotAllowedError` for others, `StaleChangeError` where it has ended already, `UnknownGrantError`.
        """
        return await self._grants.end(grant_id, actor, evidence, scope)

    async def pause_agents(  # noqa: PLR0913 - all of it named
        self,
        actor: Actor,
        *,
        paused: bool,
        reason: str = "",
        evidence: str = "",
        seen: float | None = None,
        scope: Scope,
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
        return votes_of(self._backend, scope)

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
