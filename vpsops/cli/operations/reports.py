"""How a request at the terminal ended: a word, an exit code, and a document for scripts."""

from dataclasses import dataclass, replace
from typing import Final

from vpsops.cli.operations.question import approvers_text
from vpsops.core.changes.labels import Phase, phase_label, phase_of
from vpsops.core.changes.model import Change, State
from vpsops.core.changes.requests import DryRun, Refused
from vpsops.core.common.errors import VpsopsError
from vpsops.core.common.json_types import Json
from vpsops.core.console.exit_codes import FAILED, GOOD, HELD, REFUSED, UNCLEAR, exit_code
from vpsops.core.policy.decision import PartRuling

OUTCOMES: Final = {
    State.SCHEDULED: ("scheduled", HELD),
    State.SUCCEEDED: ("done", GOOD),
    State.FAILED: ("failed", FAILED),
    State.DENIED: ("refused", REFUSED),
    State.EXPIRED: ("refused", REFUSED),
    State.CANCELLED: ("refused", REFUSED),
    State.SUPERSEDED: ("refused", REFUSED),
    State.UNKNOWN: ("unclear", UNCLEAR),
    State.NEEDS_PERSON: ("unclear", UNCLEAR),
}
"""The word and the exit code of each state in which a command may end; `held` where it is not among them."""


@dataclass(frozen=True, slots=True)
class RequestReport:
    """How a request ended: `done`, `held`, `scheduled`, `refused`, `failed`, `unclear`, `previewed`, or `error`."""

    outcome: str
    code: int
    change: Change | None = None
    message: str = ""
    hint: str = ""
    error_id: str = ""
    parts: tuple[PartRuling, ...] = ()

    @property
    def document(self) -> dict[str, Json]:
        """The report for scripts; fields without a value are left out."""
        words = {"message": self.message, "hint": self.hint, "error_id": self.error_id}
        change = {"change": change_document(self.change)} if self.change is not None else {}
        parts: dict[str, Json] = {"parts": [part_document(part) for part in self.parts]} if self.parts else {}
        given = {name: text for name, text in words.items() if text}
        return {"outcome": self.outcome, "exit_code": self.code, **change, **parts, **given}


def report_of(change: Change) -> RequestReport:
    """Return the report of a change as it is now."""
    outcome, code = OUTCOMES.get(change.state, ("held", HELD))
    return RequestReport(outcome, code, change)


def refused(refusal: Refused) -> RequestReport:
    """Return the report of a request that was not taken."""
    return RequestReport("refused", REFUSED, refusal.change, refusal.reason, refusal.hint, refusal.error_id)


def previewed(dry: DryRun) -> RequestReport:
    """Return the report of a dry run, with the change as it would be stored."""
    if dry.refusal is not None:
        return replace(refused(dry.refusal), parts=dry.parts)
    return RequestReport("previewed", GOOD, replace(dry.change, id=""), parts=dry.parts)


def error_report(error: VpsopsError) -> RequestReport:
    """Return the report of a request that makes no sense or could not be carried out."""
    code = exit_code(error)
    return RequestReport(
        "refused" if code == REFUSED else "error", code, None, error.message, error.hint, error.shown_id
    )


def part_document(part: PartRuling) -> dict[str, Json]:
    """Return the decision about a step of a runbook, or about some servers of a plan, for scripts."""
    ruling = part.ruling
    return {
        "part": part.part,
        "decision": ruling.decision.value,
        "rules": list(ruling.rules),
        "votes": ruling.votes,
        "approvers": [list(names) for names in ruling.approver_names if names],
        "decides": part.decides,
    }


def change_document(change: Change) -> dict[str, Json]:
    """Return a change for scripts: its stored words, and the label of its phase."""
    target, phase = change.target, phase_of(change)
    return {
        "id": change.id,
        "state": change.state.value,
        "phase": phase.value,
        "label": phase_label(change).label,
        "operation": change.operation,
        "server": {"id": target.id, "hostname": target.hostname},
        "decision": change.ruling.decision.value,
        "decided_by": approvers_text(change),
        "approvals": change.approvals,
        "votes": change.ruling.votes,
        "facts": [{"label": fact.label, "value": fact.value} for fact in change.facts],
        "cost": change.cost,
        "reason": change.reason,
        "note": change.note,
        "verified": phase is not Phase.UNSEEN,
        "run_at": change.schedule.run_at.isoformat() if change.schedule is not None else None,
        "expires_at": change.expires_at.isoformat() if change.expires_at is not None else None,
        "seconds": change.seconds,
    }
