"""People's decisions about a change: they confirm, vote, withdraw, and settle an unclear outcome.

Each is a step within the caller's transaction.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime

from sqlalchemy.engine import Connection

from vpsops.core.authorization import agent_pause
from vpsops.core.authorization.authorization import CLOSES
from vpsops.core.authorization.change_reader import ChangeReader, stale
from vpsops.core.authorization.recheck import Recheck
from vpsops.core.changes import approvals, repository
from vpsops.core.changes.audit_entries import clean_actor, person, worded
from vpsops.core.changes.model import Change, GrantWish, State, Verdict, Vote
from vpsops.core.changes.serialization import ruling_values
from vpsops.core.common.clock import Clock
from vpsops.core.common.errors import InvalidInputError, StaleChangeError
from vpsops.core.common.json_types import Json
from vpsops.core.common.redaction import Redactor
from vpsops.core.common.text import one_line
from vpsops.core.ends.lifecycle import open_end, opening_note, tell_missing
from vpsops.core.grants.lifecycle import open_grant, open_requested
from vpsops.core.grants.model import misfit
from vpsops.core.identity.actors import Actor, ActorKind, Approvers
from vpsops.core.messaging import outbox
from vpsops.core.messaging.posted_messages import copies_in
from vpsops.core.operations.target import is_grant_request, is_plan
from vpsops.core.plans.model import STOP, is_running_plan, is_stopping
from vpsops.core.plans.progress import progress_words
from vpsops.core.plans.repository import leave_waiting, read_tally
from vpsops.core.plans.running.unfollowed_members import end_running

MIN_DIGEST = 16
REASON_SHOWN = 300
UNREACHABLE = (
    "It has to be confirmed in Slack, and Slack takes no direct message to the human behind this agent: the app is "
    "blocked, its messages are closed, or the account is. Nothing was done."
)


@dataclass(frozen=True, slots=True)
class Statement:
    """A person's decision about a change: the digest of the preview they saw, their reason, and how they gave it."""

    actor: Actor
    digest: str = ""
    reason: str = ""
    evidence: str = ""
    place: str = approvals.CLIENT
    grant: GrantWish | None = None


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
        change = self.held(connection, change_id, word.digest)
        agent_pause.check(connection, change.actor)
        approvals.check_confirmer(change, word.actor, word.place)
        now = self.clock.now()
        used = (word.place,) if change.actor.kind is ActorKind.AGENT else ()
        note = self.recheck.at_last_yes(
            connection, replace(change, ruling=replace(change.ruling, confirm_in=used)), now
        )
        if note:
            return self.supersede(connection, change, word.actor, note, now)
        words = self._words(word.evidence)
        body = {"by": self._person(word.actor), "evidence": words, **({"in": word.place} if used else {})}
        return repository.step(connection, change, change.agreed, now, event="confirmed", body=body, confirmed=words)

    def vote(self, connection: Connection, change_id: str, word: Statement, verdict: Verdict) -> Change:
        """Record one eligible person's vote."""
        change = self.held(connection, change_id, word.digest)
        approvals.check(change, word.actor)
        if verdict is Verdict.APPROVE:
            agent_pause.check(connection, change.actor, change.agent)
        wish = word.grant if verdict is Verdict.APPROVE else None
        if wish is not None and (why := misfit(wish, change.ruling.grant_terms)):
            raise InvalidInputError(why, hint="Nothing was decided.")
        by = clean_actor(word.actor, self.redactor)
        now = self.clock.now()
        vote = Vote(by, verdict, self._words(word.reason), self._words(word.evidence), now, wish)
        if approvals.tally(change, vote) is State.APPROVED:
            note = self.recheck.at_last_yes(connection, change, now)
            if note:
                return self.supersede(connection, change, word.actor, note, now)
        repository.add_vote(connection, change.id, vote)
        counted = self._count(connection, change, vote)
        counted = replace(counted, votes=(*counted.votes, vote))
        if counted.state is State.APPROVED and is_grant_request(counted.operation):
            return replace(open_requested(connection, counted, now), votes=counted.votes)
        if counted.state is State.APPROVED and wish is not None:
            open_grant(connection, counted, self.recheck.policy.read(connection).version, now)
        return counted

    def supersede(self, connection: Connection, change: Change, actor: Actor, note: str, now: datetime) -> Change:
        """End a change if its last approval came under stricter rules than the request; that one does not count."""
        outbox.put_notice(connection, change.id, State.SUPERSEDED.value, now)
        body = {"by": self._person(actor), "why": note}
        return repository.step(connection, change, State.SUPERSEDED, now, event="superseded", body=body, note=note)

    def _count(self, connection: Connection, change: Change, vote: Vote) -> Change:
        now = self.clock.now()
        by, verdict = person(vote.voter), vote.verdict.value
        among = approvals.names_among(change, vote.voter)
        body = {"by": by, "verdict": verdict, "among": among, "reason": vote.reason, "evidence": vote.evidence}
        body |= {"grant": vote.grant.stored} if vote.grant is not None else {}
        match approvals.tally(change, vote):
            case State.DENIED:
                note = f"Denied by {vote.voter.label}."
                outbox.put_notice(connection, change.id, "denied", now)
                return repository.step(connection, change, State.DENIED, now, event="denied", body=body, note=note)
            case State.APPROVED:
                return repository.step(connection, change, change.agreed, now, event="approved", body=body)
            case _:
                return repository.amend(connection, change, now, event="voted", body=body)

    def cancel(self, connection: Connection, change_id: str, word: Statement) -> Change:
        """Withdraw one's own change before it is sent; a plan that runs begins no other member."""
        change = self.changes.load(connection, change_id, lock=True)
        if is_running_plan(change):
            return self._stop(connection, change, word)
        approvals.check_canceller(change, word.actor)
        if change.state not in {State.HELD, State.SCHEDULED, State.APPROVED}:
            raise stale(change)
        now, reason = self.clock.now(), self._words(word.reason)
        body = {"by": self._person(word.actor), "reason": reason}
        ending = f": {one_line(reason, REASON_SHOWN)}" if reason else "."
        note = f"Cancelled by {clean_actor(word.actor, self.redactor).cited}{ending}"
        return repository.step(connection, change, State.CANCELLED, now, event="cancelled", body=body, note=note)

    def stop_plan(self, connection: Connection, change_id: str, word: Statement) -> Change:
        """Let a running plan begin no other member: its asker may, and those who may approve it."""
        change = self.changes.load(connection, change_id, lock=True)
        if not is_running_plan(change):
            raise stale(change)
        return self._stop(connection, change, word)

    def _stop(self, connection: Connection, change: Change, word: Statement) -> Change:
        approvals.check_stopper(change, word.actor)
        if is_stopping(change):
            return change
        who, reason = clean_actor(word.actor, self.redactor), self._words(word.reason)
        body = {"by": self._person(word.actor), "reason": reason, "evidence": self._words(word.evidence)}
        result = {**change.result, STOP: {"by": who.cited, "reason": reason}}
        return repository.amend(connection, change, self.clock.now(), event="plan_stopped", body=body, result=result)

    def set_aside(self, connection: Connection, change_id: str, word: Statement) -> Change:
        """Withdraw another person's change that was not confirmed yet; its requester is notified."""
        change = self.changes.load(connection, change_id, lock=True)
        approvals.check_set_aside(change, word.actor)
        if change.state is not State.HELD:
            raise stale(change)
        now, who = self.clock.now(), clean_actor(word.actor, self.redactor).label
        note = f"Set aside by {who} before it was confirmed. Nothing was done."
        body = {
            "by": self._person(word.actor),
            "reason": self._words(word.reason),
            "evidence": self._words(word.evidence),
        }
        outbox.put_notice(connection, change.id, "set_aside", now)
        return repository.step(connection, change, State.CANCELLED, now, event="set_aside", body=body, note=note)

    def unreachable(self, connection: Connection, change_id: str) -> Change:
        """Note that Slack takes no message to who has to confirm; the change ends unless a client asks them as well."""
        change = self.changes.load(connection, change_id, lock=True)
        if not approvals.awaits_slack(change):
            return change
        body: dict[str, Json] = {"why": "Slack takes no direct message to the human who has to confirm"}
        if approvals.confirms_in(change, approvals.CLIENT):
            return self._close(connection, change, approvals.SLACK_DIALOG, "unreachable", body)
        return repository.step(
            connection, change, State.CANCELLED, self.clock.now(), event="unreachable", body=body, note=UNREACHABLE
        )

    def close_dialog(self, connection: Connection, change_id: str, word: Statement) -> Change:
        """Note that a client asks no more for what Slack asks for too, unless its card is there already.

        Without a card the change then ends where Slack takes no message; with one the client may ask again.
        """
        change = self.changes.load(connection, change_id, lock=True)
        approvals.check_canceller(change, word.actor)
        both = approvals.awaits_slack(change) and approvals.confirms_in(change, approvals.CLIENT)
        if not both or copies_in(connection, outbox.topic_of(change.id)):
            return change
        body: dict[str, Json] = {"by": self._person(word.actor), "why": self._words(word.reason)}
        return self._close(connection, change, approvals.CLIENT, "dialog_closed", body)

    def _close(
        self, connection: Connection, change: Change, place: str, event: str, body: Mapping[str, Json]
    ) -> Change:
        """Let a confirmation in one of two places count no more."""
        left = tuple(other for other in change.ruling.confirm_in if other != place)
        values = ruling_values(replace(change.ruling, confirm_in=left))
        now, kept = self.clock.now(), {**body, CLOSES: place}
        return repository.amend(connection, change, now, event=event, body=kept, ruling=values)

    def resolve(self, connection: Connection, change_id: str, word: Statement, *, happened: bool) -> Change:
        """Let a person settle a change with an outcome that no read could determine."""
        change = self.changes.load(connection, change_id, lock=True)
        if change.state is not State.NEEDS_PERSON:
            raise stale(change)
        approvals.check_settler(self.recheck.as_settled(connection, change), word.actor, self.stewards)
        after = State.SUCCEEDED if happened else State.FAILED
        who = clean_actor(word.actor, self.redactor).label
        now, note = self.clock.now(), f"{who} checked: it {'happened' if happened else 'did not happen'}."
        if is_plan(change.operation):
            end_running(connection, now, change.id)
            leave_waiting(connection, change.id, now)
            note = f"{note} {progress_words(read_tally(connection, change))}"
        if happened:
            note = f"{note} {opening_note(change, change.result, now)}".strip()
        body = {"by": self._person(word.actor), "happened": happened, "evidence": self._words(word.evidence)}
        resolved = repository.step(connection, change, after, now, event="resolved", body=body, note=note)
        open_end(connection, resolved, now)
        tell_missing(connection, resolved, now)
        return resolved

    def held(self, connection: Connection, change_id: str, digest: str) -> Change:
        """Return a change that waits, as it was shown; raises `StaleChangeError` for any other."""
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
