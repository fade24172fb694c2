"""The card of a change, in every state."""

from collections.abc import Mapping
from datetime import datetime
from enum import StrEnum
from typing import Any, Final

from pydantic import ValidationError

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
from vpsops.bot.blocks.text import channel_link, escape_untrusted, is_user_id, moment, user_mention
from vpsops.bot.protocol import action_ids
from vpsops.core.changes.create_spec import key_words, label_of, system_of
from vpsops.core.changes.model import Change, State, Verdict, Vote
from vpsops.core.common.hostnames import lookalike_warning
from vpsops.core.common.text import duration, one_line
from vpsops.core.identity.actors import ActorKind, Approvers
from vpsops.core.operations import Risk
from vpsops.core.operations.traits import outcomes_of, risk_of
from vpsops.core.outcomes.typical_durations import TypicalDuration
from vpsops.core.policy.decision import Decision
from vpsops.core.wayscloud.answers.models import Server

DIGEST_CHARACTERS: Final = 16
VOTES_SHOWN: Final = 8
IN_PROGRESS: Final = frozenset({State.SENDING, State.WATCHING, State.UNKNOWN})


class Audience(StrEnum):
    """The readers of a copy of a card; determines its buttons."""

    ASKER = "card"
    VOTERS = "approval"
    ESCALATED = "escalation"


def change_card(change: Change, now: datetime, audience: Audience = Audience.ASKER, usual: str = "") -> Post:
    """Render a change, with buttons only while a decision is pending. `usual` is its typical duration as text."""
    title = change_title(change)
    blocks = [
        header(title),
        *_sentences(change),
        *_escalated(change, audience),
        *field_sections(_facts(change, now, usual)),
        *described(change.facts),
        *local_times((fact.value for fact in change.facts), now),
        *_logins(change),
        *_quoted("Reason", change.reason),
        *_votes(change),
        *controls(change, audience),
        context(*_small_print(change)),
    ]
    heard = (f"{escape_untrusted(title, 300)}.", lookalike_warning(change.target.hostname), _asked_by(change))
    return Post(" ".join(part for part in heard if part), tuple(blocks))


def typical_duration_text(usual: TypicalDuration | None) -> str:
    """Format a typical duration; return "" if it is unknown."""
    if usual is None:
        return ""
    shortest, longest = duration(usual.shortest), duration(usual.longest)
    return f"usually {shortest}" if shortest == longest else f"usually {shortest} to {longest}"


def requester_text(change: Change) -> str:
    """Return the requester as escaped mrkdwn: a person, or an agent and the person it acts for."""
    actor = change.actor
    if actor.kind is ActorKind.PERSON:
        return user_mention(actor.id, actor.label)
    behind = f" for {user_mention(actor.account, actor.human)}" if actor.account or actor.human else ""
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


def _asked_by(change: Change) -> str:
    return f"Requested by {requester_text(change)}."


def _sentences(change: Change) -> list[Block]:
    words = [state_label(change).sentence, change.effect if change.state is State.HELD else "", _ending(change)]
    return [section(plain(" ".join(word for word in words if word)))] if any(words) else []


def _ending(change: Change) -> str:
    took = f"It took {duration(change.seconds)}." if change.seconds is not None else ""
    if change.state is State.SUCCEEDED:
        return " ".join(word for word in (_provider_state(change), took, one_line(change.note, 600)) if word) or "Done."
    return one_line(change.note, 600)


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


def _facts(change: Change, now: datetime, usual: str) -> list[tuple[str, str]]:
    target = change.target
    server = result_server(change.result)
    address = (server.ipv4 or server.ipv6 or "" if server else "") or target.address
    state = "State at request" if change.state is not State.HELD else "State"
    under_way = change.state in IN_PROGRESS
    elapsed = duration((now - change.sent_at).total_seconds()) if change.sent_at else ""
    running = f"{elapsed}; {usual}" if elapsed and usual else elapsed
    return [
        ("Server", target.hostname),
        ("Warning", lookalike_warning(target.hostname)),
        ("Id", target.id or (server.id if server else "")),
        ("Address", address),
        ("Region", target.region),
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
    return [section(plain(f"{label}: {one_line(words, 500)}"))] if words.strip() else []


def _votes(change: Change) -> list[Block]:
    blocks = [context(*_vote(vote)) for vote in change.votes[:VOTES_SHOWN]]
    if change.confirmed and change.actor.kind is ActorKind.AGENT:
        blocks.append(context(plain(one_line(f"It was {change.confirmed}.", 200))))
    if change.ruling.decision is Decision.APPROVE and change.state is State.HELD:
        blocks.insert(0, context(mrkdwn(f"{votes_given(change)}. {_who_may(change)}")))
    return blocks


def votes_given(change: Change) -> str:
    """Return the number of approvals and of required approvals."""
    return f"{change.approvals} of {change.ruling.votes} {'approval' if change.ruling.votes == 1 else 'approvals'}"


def _who_may(change: Change) -> str:
    """Return who may decide, as escaped mrkdwn. With several rules, an approver must satisfy all of them."""
    rules = change.ruling.requirements or (change.ruling.approvers,)
    verdict_text = [" or ".join(_approvers(rule)) or "none" for rule in rules[:VOTES_SHOWN]]
    return f"Approvers: {'; and also '.join(verdict_text)}."


def _approvers(approvers: Approvers) -> list[str]:
    channels = [f"members of {channel_link(ident.upper())}" for ident in approvers.channels[:VOTES_SHOWN]]
    groups = [f"user group {escape_untrusted(ident.upper(), 40)}" for ident in approvers.groups[:VOTES_SHOWN]]
    people = [user_mention(who.upper() if is_user_id(who.upper()) else who) for who in approvers.people[:VOTES_SHOWN]]
    return [*channels, *groups, *people]


def _vote(vote: Vote) -> list[Block]:
    approved = vote.verdict is Verdict.APPROVE
    verdict_text, label = ("approved", "Note") if approved else ("denied", "Reason")
    who = mrkdwn(f"{user_mention(vote.voter.id, vote.voter.label)} {verdict_text}, {moment(vote.at)}")
    return [who, plain(f"{label}: {one_line(vote.reason, 400)}")] if vote.reason.strip() else [who]


def controls(change: Change, audience: Audience) -> list[Block]:
    """Return the buttons of the pending decision, bound to the displayed version; none if no decision is pending."""
    if change.state is State.HELD:
        row = _vote_buttons(change) if _votes_here(change, audience) else _asker_buttons(change)
    elif change.state is State.NEEDS_PERSON:
        row = _settle_buttons(change)
    else:
        return []
    return [actions(row, block_id(change, "decide"))]


def _votes_here(change: Change, audience: Audience) -> bool:
    return change.ruling.decision is Decision.APPROVE and audience is not Audience.ASKER


def _asker_buttons(change: Change) -> list[Block]:
    cancel = button("Cancel", action_ids.CANCEL, button_value(change))
    if change.ruling.decision is Decision.APPROVE:
        return [cancel]
    style = "primary" if risk_of(change.operation) is Risk.CHANGE else "danger"
    return [
        button(action_label(change.operation, change.target.hostname), action_ids.CONFIRM, button_value(change), style),
        cancel,
    ]


def _vote_buttons(change: Change) -> list[Block]:
    approve = f"Approve: {action_label(change.operation, change.target.hostname, 65)}"
    return [
        button(approve, action_ids.APPROVE, button_value(change), "primary"),
        button("Approve with a note…", action_ids.APPROVE_NOTE, button_value(change)),
        button("Deny", action_ids.DENY, button_value(change)),
    ]


def _settle_buttons(change: Change) -> list[Block]:
    happened, not_happened = outcomes_of(change.operation)
    return [
        button(happened, action_ids.HAPPENED, button_value(change)),
        button(not_happened, action_ids.NOT_HAPPENED, button_value(change)),
    ]


def _small_print(change: Change) -> list[Block]:
    parts = [_asked_by(change).removesuffix("."), moment(change.created_at)]
    if change.state is State.HELD and change.expires_at is not None:
        parts.append(f"Expires {moment(change.expires_at)}")
    if change.deferred and change.not_before is not None:
        parts.append(f"Waits until {moment(change.not_before)}")
    rules = f" · rule {', '.join(change.ruling.rules)}" if change.ruling.rules else ""
    return [mrkdwn(" · ".join(parts)), plain(f"{change.id}{rules}", 300)]
