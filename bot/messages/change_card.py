"""The card of a change, in every state."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any, Final

from pydantic import ValidationError

from vpsops.bot.blocks.approver_text import UNLABELLED, ApproverLabels, approver_words
from vpsops.bot.blocks.elements import (
    Block,
    Post,
    actions,
    button,
    context,
    described,
    field_sections,
    header,
    mrkdwn,
    plain,
    section,
)
from vpsops.bot.blocks.labels import action_label, change_title, state_label
from vpsops.bot.blocks.local_times import local_times
from vpsops.bot.blocks.text import escape_untrusted, is_user_id, moment, user_mention
from vpsops.bot.messages.ephemeral import remedy_label
from vpsops.bot.protocol import action_ids
from vpsops.core.break_glass.rights import is_overridable
from vpsops.core.changes.approvals import waits_for_votes
from vpsops.core.changes.create_spec import key_words, label_of, system_of
from vpsops.core.changes.model import AGENT, Change, ChangeOverride, State, Verdict, Vote
from vpsops.core.common.hostnames import lookalike_warning
from vpsops.core.common.text import duration, one_line
from vpsops.core.grants.requests import PERSON
from vpsops.core.identity.actors import ActorKind
from vpsops.core.operations import Risk
from vpsops.core.operations.target import is_grant_request
from vpsops.core.operations.traits import outcomes_of, risk_of
from vpsops.core.outcomes.typical_durations import TypicalDuration
from vpsops.core.plans.model import is_running_plan, is_stopping
from vpsops.core.policy.decision import Decision
from vpsops.core.wayscloud.answers.models import Server

DIGEST_CHARACTERS: Final = 16
VOTES_SHOWN: Final = 8
MOST_MENTIONED: Final = 20
IN_PROGRESS: Final = frozenset({State.SENDING, State.WATCHING, State.UNKNOWN})


class Audience(StrEnum):
    """The readers of a copy of a card; determines its buttons."""

    ASKER = "card"
    VOTERS = "approval"
    ESCALATED = "escalation"


@dataclass(frozen=True, slots=True)
class CardOptions:
    """What a copy of a card shows besides its change: its typical duration, approvers' names, mentions, an owner.

    `names` says where those servers of a plan are named that the card only counts.

    It mentions the requester, or names them by `requester`, which is escaped mrkdwn.
    """

    usual: str = ""
    labels: ApproverLabels = UNLABELLED
    mentions: tuple[str, ...] = ()
    owner: str = ""
    requester: str = ""
    names: str = ""


PLAIN: Final = CardOptions()


def change_card(
    change: Change, now: datetime, audience: Audience = Audience.ASKER, options: CardOptions = PLAIN
) -> Post:
    """Render a change, with buttons only while a decision is pending."""
    title, call = change_title(change), _call(change, audience, options)
    blocks = [
        header(title),
        *([section(mrkdwn(call))] if call else []),
        *_sentences(change),
        *_escalated(change, audience),
        *described(change.facts, person_mentions(change)),
        *([section(plain(options.names))] if options.names else []),
        *local_times((fact.value for fact in change.facts), now),
        *field_sections(_facts(change, now, options)),
        *_logins(change),
        *_quoted("Reason", change.reason),
        *_votes(change, options.labels),
        *override_blocks(change, options),
        *controls(change, audience),
        context(*_small_print(change, options.requester)),
    ]
    return Post(tuple(blocks))


def _call(change: Change, audience: Audience, options: CardOptions) -> str:
    """Return the line that notifies people, as mrkdwn; only while votes are missing, so that Slack counts it once."""
    if not options.mentions or not waits_for_votes(change) or audience is Audience.ASKER:
        return ""
    who = ", ".join(options.mentions[:MOST_MENTIONED])
    if audience is Audience.ESCALATED:
        return f"{who}: an approval is missing. Approvers: {approvers_text(change, options.labels)}."
    return f"{who}: your approval is needed."


def person_mentions(change: Change) -> Mapping[str, str]:
    """Return the mention of the person that a request for a grant names, by the label of its fact."""
    agent = change.arguments.get(AGENT) if is_grant_request(change.operation) else None
    account = str(agent.get("account") or "") if isinstance(agent, Mapping) else ""
    return {PERSON: user_mention(account)} if is_user_id(account) else {}


def typical_duration_text(usual: TypicalDuration | None) -> str:
    """Format a typical duration; return "" if it is unknown."""
    if usual is None:
        return ""
    shortest, longest = duration(usual.shortest), duration(usual.longest)
    return f"usually {shortest}" if shortest == longest else f"usually {shortest} to {longest}"


def requester_text(change: Change, name: str = "") -> str:
    """Return the requester as escaped mrkdwn: a person, or an agent and the person it acts for.

    The person is mentioned, which notifies them, unless a `name` is given.
    """
    actor = change.actor
    if actor.kind is ActorKind.PERSON:
        return escape_untrusted(name, 80) or user_mention(actor.id, actor.label)
    person = escape_untrusted(name, 80) or user_mention(actor.account, actor.human)
    behind = f" for {person}" if actor.account or actor.human else ""
    return f"{escape_untrusted(actor.cited, 120)}{behind}"


def confirmation_text(change: Change) -> str:
    """Return how an agent's client confirmed the change, as escaped mrkdwn; "" if it did not."""
    brought = change.confirmed and change.actor.kind is ActorKind.AGENT
    return f"; {escape_untrusted(change.confirmed, 160)}" if brought else ""


def button_value(change: Change) -> dict[str, Any]:
    """Return the value of a card's buttons: the change id and the digest prefix of the displayed version."""
    return {"c": change.id, "d": change.digest[:DIGEST_CHARACTERS]}


def block_id(change: Change, part: str) -> str:
    """Return a block id that contains the digest, so that clicks on an outdated card are detected."""
    return f"vps:{change.id}:{change.digest[:DIGEST_CHARACTERS]}:{part}"


def _sentences(change: Change) -> list[Block]:
    words = [state_label(change).sentence, change.effect if change.state is State.HELD else "", _ending(change)]
    return [section(plain(" ".join(word for word in words if word)))] if any(words) else []


def _ending(change: Change) -> str:
    took = f"It took {duration(change.seconds)}." if change.seconds is not None else ""
    if change.state is State.SUCCEEDED:
        return " ".join(word for word in (_provider_state(change), took, one_line(change.note, 600)) if word) or "Done."
    repeated = change.note.casefold().rstrip(".") == state_label(change).words
    return "" if repeated else one_line(change.note, 600)


def _provider_state(change: Change) -> str:
    server = result_server(change.result)
    return f"The provider reports: {one_line(server.state, 40)}." if server else ""


def result_server(result: Mapping[str, Any]) -> Server | None:
    """Return the server in a change's result, if any."""
    known = {name: value for name, value in result.items() if name in Server.model_fields}
    try:
        return Server.model_validate(known) if known else None
    except ValidationError:
        return None


def _escalated(change: Change, audience: Audience) -> list[Block]:
    """Explain why the escalation channel shows the card; escalation does not extend the right to decide."""
    if audience is not Audience.ESCALATED or change.state is not State.HELD:
        return []
    words = "No votes after half of its time, so it is shown here too. Who may decide does not change."
    return [context(plain(words))]


def _facts(change: Change, now: datetime, options: CardOptions) -> list[tuple[str, str]]:
    target, usual, owner = change.target, options.usual, options.owner
    server = result_server(change.result)
    address = (server.ipv4 or server.ipv6 or "" if server else "") or target.address
    state = "State at request" if change.state is not State.HELD else "State"
    under_way = change.state in IN_PROGRESS
    elapsed = duration((now - change.sent_at).total_seconds()) if change.sent_at else ""
    running = f"{elapsed}; {usual}" if elapsed and usual else elapsed
    return [
        ("Server", "" if target.hostname in change_title(change) else target.hostname),
        ("Warning", lookalike_warning(target.hostname)),
        ("Address", address),
        ("Region", target.place),
        ("Owner", one_line(owner, 120)),
        (state, target.state),
        ("State now", server.state if server and under_way else ""),
        ("Plan", target.plan),
        ("System", target.system),
        ("System", system_of(change)),
        ("Name", label_of(change)),
        ("Cost", change.cost),
        ("Elapsed", running if under_way else ""),
        ("Policy", change.ruling.reason if change.state is State.HELD else ""),
    ]


def _logins(change: Change) -> list[Block]:
    """Show the SSH keys of a new server to those who approve it."""
    words = key_words(change)
    return [section(plain(words))] if words else []


def _quoted(label: str, words: str) -> list[Block]:
    """Quote the requester's text: untrusted, one line, no markup."""
    return [section(mrkdwn(f"*{label}:* {escape_untrusted(words, 1000)}"))] if words.strip() else []


def _votes(change: Change, labels: ApproverLabels) -> list[Block]:
    blocks = [context(*_vote(vote)) for vote in change.votes[:VOTES_SHOWN]]
    if change.confirmed and change.actor.kind is ActorKind.AGENT:
        blocks.append(context(plain(one_line(f"It was {change.confirmed}.", 200))))
    if change.ruling.grant is not None:
        blocks.append(context(plain(f"Allowed {change.ruling.grant.words}.")))
    if change.ruling.decision is Decision.APPROVE and change.state is State.HELD:
        blocks.insert(0, context(mrkdwn(f"{votes_given(change)}. Approvers: {approvers_text(change, labels)}.")))
    return blocks


def override_blocks(change: Change, options: CardOptions = PLAIN) -> list[Block]:
    """Say who may run a change without approval, or that its asker did, why, and what its review says."""
    if is_overridable(change):
        rules = change.ruling.overrides[:VOTES_SHOWN]
        who = "; and also ".join(" or ".join(approver_words(rule, options.labels)) for rule in rules)
        return [context(mrkdwn(f"The requester may run it without approval, if among {who}."))]
    override = change.override
    if override is None:
        return []
    by = options.requester or requester_text(change)
    ran = f"*Run without approval* by {by}, {moment(override.at)}: {escape_untrusted(override.reason, 1000)}"
    return [section(mrkdwn(ran)), context(mrkdwn(review_text(override)))]


def review_text(override: ChangeOverride) -> str:
    """Return how the review of a run without approval stands, as escaped mrkdwn."""
    if override.reviewer is None or override.reviewed_at is None:
        return "Its review is open. An approver other than the requester closes it."
    who = user_mention(override.reviewer.id, override.reviewer.label)
    return f"Reviewed by {who}, {moment(override.reviewed_at)}: {escape_untrusted(override.note, 600)}"


def votes_given(change: Change) -> str:
    """Return the number of approvals and of required approvals."""
    return f"{change.approvals} of {change.ruling.votes} {'approval' if change.ruling.votes == 1 else 'approvals'}"


def approvers_text(change: Change, labels: ApproverLabels = UNLABELLED) -> str:
    """Return who may decide, as escaped mrkdwn. With several rules, an approver must satisfy all of them."""
    rules = change.ruling.requirements or (change.ruling.approvers,)
    return "; and also ".join(" or ".join(approver_words(rule, labels)) or "none" for rule in rules[:VOTES_SHOWN])


def _vote(vote: Vote) -> list[Block]:
    approved = vote.verdict is Verdict.APPROVE
    verdict_text, label = ("approved", "Note") if approved else ("denied", "Reason")
    verdict_text += f" and would allow it for {duration(vote.grant.seconds)}" if vote.grant is not None else ""
    who = mrkdwn(f"{user_mention(vote.voter.id, vote.voter.label)} {verdict_text}, {moment(vote.at)}")
    return [who, plain(f"{label}: {one_line(vote.reason, 400)}")] if vote.reason.strip() else [who]


def controls(change: Change, audience: Audience) -> list[Block]:
    """Return the buttons of the pending decision, bound to the displayed version; none if no decision is pending."""
    if change.state is State.HELD:
        row = _vote_buttons(change) if _votes_here(change, audience) else _asker_buttons(change)
        row += [button("Run without approval…", action_ids.OVERRIDE, button_value(change))] * is_overridable(change)
    elif change.state is State.SCHEDULED:
        row = [button("Cancel", action_ids.CANCEL, button_value(change))]
    elif is_running_plan(change) and not is_stopping(change):
        row = [button("Stop after this one", action_ids.STOP_PLAN, button_value(change), "danger")]
    elif change.state is State.NEEDS_PERSON:
        row = [*_settle_buttons(change), *review_buttons(change)]
    elif change.state is State.SUPERSEDED and change.remedy is not None:
        row = [button(remedy_label(change.remedy), action_ids.FIRST, button_value(change))]
    else:
        row = review_buttons(change)
    return [actions(row, block_id(change, "decide"))] if row else []


def review_buttons(change: Change) -> list[Block]:
    """Return the button that closes the review of a run without approval; none without an open review."""
    if change.override is None or change.override.reviewed_at is not None:
        return []
    return [button("Close review…", action_ids.REVIEW, button_value(change))]


def _votes_here(change: Change, audience: Audience) -> bool:
    return change.ruling.decision is Decision.APPROVE and audience is not Audience.ASKER


def _asker_buttons(change: Change) -> list[Block]:
    cancel = button("Cancel", action_ids.CANCEL, button_value(change))
    if change.ruling.decision is Decision.APPROVE:
        return [cancel]
    label = action_label(change.operation, change.target.hostname)
    return [button(label, action_ids.CONFIRM, button_value(change), _style(change)), cancel]


def _style(change: Change) -> str:
    """Return the style of the button that lets a change run: red where it disrupts or destroys."""
    return "primary" if risk_of(change.operation) is Risk.CHANGE else "danger"


def _vote_buttons(change: Change) -> list[Block]:
    approve = f"Approve: {action_label(change.operation, change.target.hostname, 65)}"
    return [
        button(approve, action_ids.APPROVE, button_value(change), _style(change)),
        *(
            [button("Approve and allow for…", action_ids.APPROVE_GRANT, button_value(change))]
            if change.ruling.grant_terms is not None
            else []
        ),
        button("Approve with a note…", action_ids.APPROVE_NOTE, button_value(change)),
        button("Deny", action_ids.DENY, button_value(change)),
    ]


def _settle_buttons(change: Change) -> list[Block]:
    happened, not_happened = outcomes_of(change.operation)
    return [
        button(happened, action_ids.HAPPENED, button_value(change)),
        button(not_happened, action_ids.NOT_HAPPENED, button_value(change)),
    ]


def runs_text(change: Change) -> str:
    """Return when a change that waits for its time runs, in the reader's own time; "" for any other."""
    if change.schedule is None or change.state not in {State.HELD, State.SCHEDULED}:
        return ""
    return f"Runs {moment(change.schedule.run_at)}"


def _small_print(change: Change, requester: str) -> list[Block]:
    parts = [f"Requested by {requester or requester_text(change)}", moment(change.created_at)]
    if change.state is State.HELD and change.expires_at is not None:
        parts.append(f"Expires {moment(change.expires_at)}")
    if change.deferred and change.not_before is not None:
        parts.append(f"Waits until {moment(change.not_before)}")
    server = result_server(change.result)
    ident = change.target.id or (server.id if server else "")
    ids = [change.id, f"server {one_line(ident, 80)}" if ident else ""]
    ids += [f"rule {', '.join(change.ruling.rules)}" if change.ruling.rules else ""]
    return [mrkdwn(" · ".join(parts)), plain(" · ".join(part for part in ids if part), 400)]
