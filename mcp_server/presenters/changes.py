"""Presents a change to a model: structured content, a text of one or two lines, and the next step."""

import json

from pydantic import BaseModel, Field, ValidationError

from vpsops.core.changes.approvals import CLIENT, SLACK_DIALOG, approver_words, awaits_slack
from vpsops.core.changes.labels import PHASE_LABELS, NextStep, Phase, phase_of
from vpsops.core.changes.model import Change, State, Verdict
from vpsops.core.common.errors import Remedy
from vpsops.core.common.text import duration, moment
from vpsops.core.operations.registry import Risk
from vpsops.core.operations.target import Target, is_plan
from vpsops.core.operations.traits import action_of, advice_of, makes_server, risk_of, title_of
from vpsops.core.policy.decision import Decision
from vpsops.core.wayscloud.answers.models import Server
from vpsops.core.wayscloud.answers.regions import same_region
from vpsops.mcp_server.presenters.servers import ServerResult
from vpsops.mcp_server.protocol.elicitation import also_text
from vpsops.mcp_server.protocol.text import join_nonempty, quote, sanitize, sanitize_json

LONGEST_NOTE = 400
LONGEST_NAMES = 2_000
LONGEST_REASON = 300
LONGEST_LISTED = 100
LONGEST_ASKER = 80
NOT_DONE = frozenset({State.FAILED, State.DENIED, State.EXPIRED, State.CANCELLED, State.SUPERSEDED})


class ChangedServer(BaseModel):
    """The server a change is about; a server that is being made has no id yet."""

    hostname: str
    id: str | None = None
    address: str | None = None
    region: str | None = None
    region_name: str | None = None


class ChangeResult(BaseModel):
    """The state of a change."""

    change: str = Field(description="its id")
    state: State
    operation: str
    server: ChangedServer
    note: str | None = Field(None, description="why it is as it is")
    result: ServerResult | None = Field(None, description="the server since")
    next: str | None = Field(None, description="what to do next")


class ListedChange(BaseModel):
    """A change as a list has it."""

    change: str = Field(description="its id")
    state: State
    operation: str
    server: str
    asked_by: str
    note: str | None = None


def listed_change(change: Change) -> ListedChange:
    """Return a change as a row of a list."""
    return ListedChange(
        change=change.id,
        state=change.state,
        operation=change.operation,
        server=sanitize(change.target.hostname or change.target.id),
        asked_by=sanitize(change.actor.claim, LONGEST_ASKER),
        note=sanitize(change.note, LONGEST_LISTED) or None,
    )


def change_result(change: Change, *, tools: bool) -> ChangeResult:
    """Return a change as structured content; `tools` is true when the model has the change tools."""
    return ChangeResult(
        change=change.id,
        state=change.state,
        operation=change.operation,
        server=changed_server(change.target),
        note=note_text(change) or None,
        result=_result(change),
        next=next_action(change, tools=tools) or None,
    )


def changed_server(target: Target) -> ChangedServer:
    """Return the server that a change is about."""
    return ChangedServer(
        hostname=sanitize(target.hostname),
        id=sanitize(target.id) or None,
        address=sanitize(target.address) or None,
        region=sanitize(target.region) or None,
        region_name=sanitize(target.region_name) or None,
    )


def _result(change: Change) -> ServerResult | None:
    """Return the server that was made, as far as it was stored under the names we know."""
    known = {name: change.result[name] for name in Server.model_fields if change.result.get(name) is not None}
    if change.target.region_name and same_region(str(known.get("region", "")), change.target.region):
        known["region_name"] = change.target.region_name
    try:
        return ServerResult.model_validate(sanitize_json(known)) if known else None
    except ValidationError:
        return None


def change_text(change: Change, *, tools: bool) -> str:
    """Return a change in a line or two."""
    headline = f"{subject(change)} {status_text(change)} ({change.id})."
    facts = _waiting_facts(change) if change.state in {State.HELD, State.SCHEDULED} else []
    return join_nonempty((headline, *facts, note_text(change), next_action(change, tools=tools)), "\n")


def _waiting_facts(change: Change) -> list[str]:
    """Return what is agreed to; of a plan, with the names of its servers."""
    longest = LONGEST_NAMES if is_plan(change.operation) else LONGEST_NOTE
    return [*(sanitize(fact.line, longest) for fact in change.facts), also_text(change, LONGEST_NAMES)]


def note_text(change: Change) -> str:
    """Return the reason for a change's state; the words of those who decided are quoted."""
    reasons = [vote.reason for vote in change.votes if vote.verdict is Verdict.DENY and vote.reason]
    notes = [vote.reason for vote in change.votes if vote.verdict is Verdict.APPROVE and vote.reason]
    text = f"Their reason: {quote(reasons[-1], LONGEST_REASON)}" if reasons else ""
    also = f"An approver's note: {quote(notes[-1], LONGEST_REASON)}" if notes else ""
    how = f"It was {sanitize(change.confirmed, LONGEST_LISTED)}." if change.confirmed else ""
    return join_nonempty((sanitize(change.note, LONGEST_NOTE), how, text, also), " ")


def title(change: Change) -> str:
    """Name a change as people do: `Reboot of web01.example.com`, `Allow traffic to web01.example.com`."""
    action, server = action_of(change.operation), sanitize(change.target.hostname or change.target.id)
    return title_of(change.operation, server) if " " in action else f"{action} of {server}"


def subject(change: Change) -> str:
    """Return a change's title as the beginning of a sentence about its state."""
    return f"{title(change)}:" if " " in action_of(change.operation) else title(change)


def status_text(change: Change) -> str:
    """Return a change's state, in words that follow its title."""
    phase = phase_of(change)
    status = PHASE_LABELS[phase].status
    if phase is Phase.SUCCEEDED and change.seconds is not None:
        return f"{status} after {duration(change.seconds)}"
    return status


def next_action(change: Change, *, tools: bool) -> str:
    """Return the next step for a model, or ""."""
    phase = phase_of(change)
    step = PHASE_LABELS[phase].next_step
    if step in {NextStep.CONFIRM, NextStep.WAIT_FOR_APPROVAL}:
        return _waiting(change, tools=tools)
    if phase is Phase.SCHEDULED:
        return "Do not ask for it again. Tell your human when it runs."
    if step is NextStep.WAIT:
        return f"Do not ask for it again. {_wait_hint(change, tools=tools)}"
    if step is NextStep.REVIEW_FAILURE:
        return advice_of(change.operation) or "Look at the server with vps_get before asking again."
    if change.remedy is not None:
        return f"{first_step(change.remedy)} Then ask again if it is still wanted."
    return ACTIONS.get(phase, "")


def first_step(remedy: Remedy, *, has_tool: bool | None = None) -> str:
    """Return what meets a precondition, as a change of its own: a tool call, or a question to the human.

    Without `has_tool`, whether this caller has the tool is not known here. A model is never directed to destroy
    something in order to get something else done.
    """
    arguments = sanitize(json.dumps(remedy.arguments), LONGEST_NOTE)
    what = f"{remedy.operation.replace('_', ' ')} {arguments}"
    if risk_of(remedy.operation) is Risk.DESTRUCTIVE:
        return f"Ask your human first whether they want {what}; it cannot be undone."
    if has_tool is False:
        return f"You have no tool for what comes first: ask your human for {what}."
    without = "" if has_tool else " Without that tool, ask your human for it."
    return f"First call vps_{remedy.operation} {arguments}.{without}"


LOOK_UP = "Do not ask for it again; check the server with vps_get in a minute."
SETTLE = "Do not ask for it again. Tell your human that a person has to settle it."
ACTIONS = {
    Phase.UNKNOWN: LOOK_UP,
    Phase.REFUSED: LOOK_UP,
    Phase.DOUBTED: LOOK_UP,
    Phase.NEEDS_PERSON: SETTLE,
    Phase.POSSIBLY_SENT: SETTLE,
    Phase.UNSEEN: "Tell your human that it was accepted and not seen.",
    Phase.DENIED: "Tell your human; do not ask again unless they say so.",
    Phase.EXPIRED: "Ask again only if it is still wanted.",
    Phase.MISSED: "Tell your human; ask again, with another time, only if it is still wanted.",
    Phase.CANCELLED: "Ask again only if your human wants it.",
    Phase.SUPERSEDED: "Look at the server with vps_get, then ask again if it is still wanted.",
}


def _wait_hint(change: Change, *, tools: bool) -> str:
    if tools:
        return "vps_change_wait reports when it is there."
    return "vps_list shows when it is there." if makes_server(change.operation) else "vps_get shows when it is there."


def _waiting(change: Change, *, tools: bool) -> str:
    until = f"until {moment(change.expires_at)}" if change.expires_at else ""
    if awaits_slack(change):
        asked = f"Your human is asked in Slack's direct messages: Confirm or Cancel, {until}.".replace(", .", ".")
        return join_nonempty((asked, _wait_again(change, tools=tools)), " ")
    if change.ruling.decision is not Decision.APPROVE:
        return (
            join_nonempty(("Your human has to confirm it", f"{until}."), " ")
            if until
            else "Your human has to confirm it."
        )
    missing = max(change.ruling.votes - change.approvals, 0)
    who = _who(change)
    asked = f"It needs {missing} more approval{'s' if missing != 1 else ''} in Slack{who}"
    return join_nonempty((f"{asked}, {until}." if until else f"{asked}.", _ask_later(tools=tools)), " ")


def _wait_again(change: Change, *, tools: bool) -> str:
    """Return how to wait on for a confirmation: the same call again requests nothing twice."""
    if tools:
        return "Tell them, then vps_change_wait waits for it."
    return f"Tell them; vps_{change.operation} with the same arguments waits for the same change."


def _ask_later(*, tools: bool) -> str:
    more = " See vps_change_get and vps_change_wait." if tools else ""
    return f"Do not ask for it again.{more}"


def approval_text(change: Change) -> str:
    """Return who must agree to a change before it runs."""
    if change.ruling.decision is Decision.ALLOW:
        grant = change.ruling.grant
        return f"no one: it would run {grant.words}" if grant is not None else "no one: it would run at once"
    if change.ruling.decision is Decision.CONFIRM:
        places = change.ruling.confirm_in or (CLIENT,)
        where = " or ".join({CLIENT: "by your client", SLACK_DIALOG: "in Slack"}[place] for place in places)
        return f"{sanitize(change.actor.human) or 'your human'}, asked {where}"
    votes = change.ruling.votes
    return f"{votes} {'people' if votes != 1 else 'person'} in Slack{_who(change)}, not its asker"


def _who(change: Change) -> str:
    named = approver_words(change.ruling.approvers, lambda name: sanitize(name, 40), change.group_names)
    return f" from {named}" if named else ""
