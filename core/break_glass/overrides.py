"""A person runs their own change without votes, and another one reviews that: steps within the caller's transaction."""

from dataclasses import dataclass, replace
from typing import Final

from sqlalchemy.engine import Connection

from vpsops.core.authorization.change_reader import ChangeReader
from vpsops.core.authorization.recheck import Recheck
from vpsops.core.authorization.refusals import ACTOR_HINT, identify
from vpsops.core.authorization.votes import Statement, Votes
from vpsops.core.break_glass import repository as reviews
from vpsops.core.break_glass.model import ReviewState
from vpsops.core.break_glass.rights import (
    check_name,
    check_overrider,
    check_reviewer,
    checked_note,
    checked_reason,
    override_names_of,
)
from vpsops.core.changes import repository
from vpsops.core.changes.audit_entries import clean_actor, person, worded
from vpsops.core.changes.model import OVERRIDDEN, REVIEWED, Change, ChangeOverride
from vpsops.core.changes.serialization import FORMAT, override_values
from vpsops.core.common.clock import Clock
from vpsops.core.common.errors import NotAllowedError
from vpsops.core.common.redaction import Redactor
from vpsops.core.identity.accounts import AccountDirectory
from vpsops.core.identity.actors import Actor, Origin, claims_human
from vpsops.core.messaging import outbox

REVIEW_REMINDER: Final = "review_reminder"
"""How the notices begin by which people are reminded of an open review; the number of the reminder follows."""


@dataclass(frozen=True, slots=True)
class OverrideRequest:
    """What the asker typed to run a change without votes, on what they saw, and where.

    `actor.groups` and `evidence` are as for a vote.
    """

    actor: Actor
    digest: str
    reason: str
    typed_name: str
    origin: Origin
    evidence: str = ""


async def identified(asked: OverrideRequest, accounts: AccountDirectory | None) -> OverrideRequest:
    """Return a request with the account of a name at a terminal. Raises `NotAllowedError` where it has none."""
    return replace(asked, actor=await identified_person(asked.actor, asked.origin, accounts))


async def identified_person(actor: Actor, origin: Origin, accounts: AccountDirectory | None) -> Actor:
    """Return a person with their account, which a name at a terminal has to have; raises `NotAllowedError`."""
    human = await identify(accounts, actor, origin, "VPSOPS_ACTOR")
    if human.refusal is not None:
        raise NotAllowedError(human.refusal.reason, hint=human.refusal.hint)
    if claims_human(human.actor, origin) and not human.actor.account:
        raise NotAllowedError(
            "Who sits here has no account that is known, so no change can be run without votes from here.",
            hint=ACTOR_HINT,
        )
    return human.actor


@dataclass(frozen=True, slots=True)
class Overrides:
    """Runs changes without votes and closes the reviews of them, checked here and nowhere else."""

    votes: Votes

    @property
    def _changes(self) -> ChangeReader:
        return self.votes.changes

    @property
    def _clock(self) -> Clock:
        return self.votes.clock

    @property
    def _redactor(self) -> Redactor:
        return self.votes.redactor

    @property
    def _recheck(self) -> Recheck:
        return self.votes.recheck

    def run(self, connection: Connection, change_id: str, asked: OverrideRequest) -> Change:
        """Let its asker run a held change without votes, and open the review of that."""
        change = self.votes.held(connection, change_id, asked.digest)
        check_overrider(change, asked.actor)
        check_name(change, asked.typed_name)
        reason = checked_reason(change.reason, worded(self._redactor.text(asked.reason)))
        evidence, now = worded(self._redactor.text(asked.evidence)), self._clock.now()
        by = clean_actor(asked.actor, self._redactor)
        override = ChangeOverride(by, reason, override_names_of(change, asked.actor), now)
        note = self._recheck.at_last_yes(connection, replace(change, override=override), now)
        if note:
            return self.votes.supersede(connection, change, asked.actor, note, now)
        reviews.open_review(connection, change.id, now)
        outbox.put_notice(connection, change.id, OVERRIDDEN, now)
        body = {"by": person(by), "among": list(override.among), "reason": reason, "evidence": evidence}
        values = {"overridden": override_values(override), "format": FORMAT}
        return repository.step(connection, change, change.agreed, now, event=OVERRIDDEN, body=body, **values)

    def close_review(self, connection: Connection, change_id: str, word: Statement) -> Change:
        """Let another person who may approve the change by the policy in force close its review with a note."""
        change = self._changes.load(connection, change_id, lock=True)
        check_reviewer(self._recheck.as_reviewed(connection, change), word.actor)
        note = checked_note(worded(self._redactor.text(word.reason)))
        review = reviews.load(connection, change_id)
        if change.override is None or review is None or review.state is ReviewState.CLOSED:
            raise reviews.closed_already(change_id)
        now, by = self._clock.now(), clean_actor(word.actor, self._redactor)
        reviews.close_review(connection, review, now)
        outbox.put_notice(connection, change.id, REVIEWED, now)
        evidence = worded(self._redactor.text(word.evidence))
        body = {"by": person(by), "note": note, "evidence": evidence}
        override = replace(change.override, reviewer=by, note=note, reviewed_at=now)
        return repository.amend(
            connection, change, now, event=REVIEWED, body=body, overridden=override_values(override)
        )
