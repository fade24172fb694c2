"""People's decisions about a change: they confirm, vote, withdraw, and settle an unclear outcome.

Each is a step within the caller's transaction.
"""

from dataclasses import dataclass, field, replace
from datetime import datetime

from sqlalchemy.engine import Connection

from vpsops.core.authorization import agent_pause
from vpsops.core.authorization.change_reader import ChangeReader, stale
from vpsops.core.authorization.recheck import Recheck
from vpsops.core.changes import approvals, repository
from vpsops.core.changes.audit_entries import clean_actor, person, worded
from vpsops.core.changes.model import Change, State, Verdict, Vote
from vpsops.core.common.clock import Clock
from vpsops.core.common.errors import StaleChangeError
from vpsops.core.common.json_types import Json
from vpsops.core.common.redaction import Redactor
from vpsops.core.identity.actors import Actor, Approvers
from vpsops.core.messaging import outbox

MIN_DIGEST = 16


@dataclass(frozen=True, slots=True)
class Statement:
    """A person's decision about a change: the digest of the preview they saw, their reason, and how they gave it."""

    actor: Actor
    digest: str = ""
    reason: str = ""
    evidence: str = ""


@dataclass(frozen=True, slots=True)
class Votes:
    """Confirmations, votes and withdrawals, checked here and nowhere else."""

    changes: ChangeReader
    clock: Clock
    redactor: Redactor
    recheck: Recheck
    stewards: Approvers = field(default_factory=Approvers)

    def confirm(self, connection: Connection, change_id: str, word: Statement) -> Change:
        """Record the confirmation of the requester's own human."""
        change = self._held(connection, change_id, word.digest)
        agent_pause.check(connection, change.actor)
        approvals.check_confirmer(change, word.actor)
        now = self.clock.now()
        note = self.recheck.at_last_yes(connection, change, now)
        if note:
            return self._supersede(connection, change, word.actor, note, now)
        words = self._words(word.evidence)
        body = {"by": self._person(word.actor), "evidence": words}
        return repository.step(connection, change, State.APPROVED, now, event="confirmed", body=body, confirmed=words)

    def vote(self, connection: Connection, change_id: str, word: Statement, verdict: Verdict) -> Change:
        """Record one eligible person's vote."""
        change = self._held(connection, change_id, word.digest)
        approvals.check(change, word.actor)
        if verdict is Verdict.APPROVE:
            agent_pause.check(connection, change.actor)
        by = clean_actor(word.actor, self.redactor)
        now = self.clock.now()
        vote = Vote(by, verdict, self._words(word.reason), self._words(word.evidence), now)
        if approvals.tally(change, vote) is State.APPROVED:
            note = self.recheck.at_last_yes(connection, change, now)
            if note:
                return self._supersede(connection, change, word.actor, note, now)
        repository.add_vote(connection, change.id, vote)
        counted = self._count(connection, change, vote)
        return replace(counted, votes=(*counted.votes, vote))

    def _supersede(self, connection: Connection, change: Change, actor: Actor, note: str, now: datetime) -> Change:
        """End a change if its last approval came under stricter rules than the request; that one does not count."""
        outbox.put_notice(connection, change.id, State.SUPERSEDED.value, now)
        body = {"by": self._person(actor), "why": note}
        return repository.step(connection, change, State.SUPERSEDED, now, event="superseded", body=body, note=note)

    def _count(self, connection: Connection, change: Change, vote: Vote) -> Change:
        now = self.clock.now()
        by, verdict = person(vote.voter), vote.verdict.value
        among = approvals.names_among(change, vote.voter)
        body = {"by": by, "verdict": verdict, "among": among, "reason": vote.reason, "evidence": vote.evidence}
        match approvals.tally(change, vote):
            case State.DENIED:
                note = f"Denied by {vote.voter.label}."
                outbox.put_notice(connection, change.id, "denied", now)
                return repository.step(connection, change, State.DENIED, now, event="denied", body=body, note=note)
            case State.APPROVED:
                return repository.step(connection, change, State.APPROVED, now, event="approved", body=body)
            case _:
                return repository.amend(connection, change, now, event="voted", body=body)

    def cancel(self, connection: Connection, change_id: str, word: Statement) -> Change:
        """Withdraw one's own change before it is sent."""
        change = self.changes.load(connection, change_id, lock=True)
        approvals.check_canceller(change, word.actor)
        if change.state not in {State.HELD, State.APPROVED}:
            raise stale(change)
        body = {"by": self._person(word.actor), "reason": self._words(word.reason)}
        now = self.clock.now()
        return repository.step(
            connection, change, State.CANCELLED, now, event="cancelled", body=body, note="Cancelled."
        )

    def resolve(self, connection: Connection, change_id: str, word: Statement, *, happened: bool) -> Change:
        """Let a person settle a change with an outcome that no read could determine."""
        change = self.changes.load(connection, change_id, lock=True)
        if change.state is not State.NEEDS_PERSON:
            raise stale(change)
        approvals.check_settler(change, word.actor, self.stewards)
        after = State.SUCCEEDED if happened else State.FAILED
        who = clean_actor(word.actor, self.redactor).label
        note = f"{who} checked: it {'happened' if happened else 'did not happen'}."
        body = {"by": self._person(word.actor), "happened": happened, "evidence": self._words(word.evidence)}
        return repository.step(connection, change, after, self.clock.now(), event="resolved", body=body, note=note)

    def _held(self, connection: Connection, change_id: str, digest: str) -> Change:
        change = self.changes.load(connection, change_id, lock=True)
        if change.state is not State.HELD:
            raise stale(change)
        if change.expires_at is not None and self.clock.now() >= change.expires_at:
            raise StaleChangeError(
                f"{change.id} has expired. Nothing was done.", hint="Ask again if it is still wanted."
            )
        if len(digest) < MIN_DIGEST or not change.digest.startswith(digest):
            raise StaleChangeError("This is not what was shown last.", hint="Look at the newest card.")
        return change

    def _words(self, text: str) -> str:
        return worded(self.redactor.text(text))

    def _person(self, actor: Actor) -> dict[str, Json]:
        return person(clean_actor(actor, self.redactor))
