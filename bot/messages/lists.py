"""Paginated private replies: changes and the audit trail."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from vpsops.bot.blocks.elements import (
    Block,
    Post,
    actions,
    button,
    context,
    header,
    lines,
    mrkdwn,
    pack,
    plain,
    section,
)
from vpsops.bot.blocks.labels import change_title
from vpsops.bot.blocks.text import escape_untrusted, is_user_id, moment, user_mention
from vpsops.bot.messages.change_card import button_value, requester_text, runs_text
from vpsops.bot.messages.ephemeral import note
from vpsops.bot.protocol import action_ids
from vpsops.bot.protocol.command_catalog import SLASH
from vpsops.core.audit.records import TrailRecord
from vpsops.core.audit.subjects import body_of, name_in
from vpsops.core.changes.model import Change, State, Verdict
from vpsops.core.common.json_types import Json
from vpsops.core.common.stored_values import moment as time_of
from vpsops.core.common.text import one_line
from vpsops.core.identity.actors import SLACK

ChangesById = Mapping[str, Change]
NO_ENDS: Final[ChangesById] = {}
VALUE: Final = 2000
WORDS: Final = 200
REVIEWS_SHOWN: Final = 15
NO_LINK: Final = "There is no card that you can open."


@dataclass(frozen=True, slots=True)
class PageQuery:
    """Name and arguments of a private reply; stored in its buttons so that it can be rendered again."""

    name: str
    arguments: Mapping[str, Any]

    @property
    def value(self) -> dict[str, Any]:
        """The query as a button value."""
        return {"v": self.name, "a": dict(self.arguments)}


@dataclass(frozen=True, slots=True)
class PageLinks:
    """Links of a page: the page itself, the first page and the next page, if any."""

    here: PageQuery
    first: PageQuery | None = None
    following: PageQuery | None = None


def page_buttons(turns: PageLinks) -> Block:
    """Return the buttons below a page; a button with too long a value is omitted."""
    row = [
        button(words, action_ids.numbered_action_id(action_ids.VIEW, number), there.value)
        for number, (words, there) in enumerate((("Newest", turns.first), ("Older", turns.following)))
        if there is not None and len(pack(there.value)) <= VALUE
    ]
    return actions([*row, button("Share here", action_ids.SHARE, turns.here.value)])


def change_rows(changes: Sequence[Change], links: Mapping[str, str], *, everyone: bool = False) -> list[Block]:
    """Return two blocks for each change: its title, and its requester with a link to the card, if known.

    A mention notifies the mentioned user, so lists shared with a channel (`everyone`) contain names instead.
    """
    blocks: list[Block] = []
    for change in changes:
        by = _agent_name(change) if everyone else requester_text(change)
        blocks.append(section(lines(change_title(change, 200), change.id)))
        runs = f" · {runs_text(change)}" if runs_text(change) else ""
        blocks.append(context(mrkdwn(f"{by} · {moment(change.created_at)}{runs}{_link(links, change.id)}")))
    return blocks


def _agent_name(change: Change) -> str:
    return escape_untrusted(change.actor.cited, 120)


def changes_page(
    title: str, changes: Sequence[Change], links: Mapping[str, str], turns: PageLinks, *, everyone: bool = False
) -> Post:
    """Render a page of changes."""
    if not changes:
        return note(f"{title}: none.", f"{SLASH} help lists the commands.")
    rows = change_rows(changes, links, everyone=everyone)
    return Post((header(title), *rows, page_buttons(turns)))


def reviews_page(changes: Sequence[Change], links: Mapping[str, str], *, everyone: bool = False) -> Post:
    """Render the open reviews of runs without approval, the oldest first; each with the button that closes it."""
    if not changes:
        return note("No review of a run without approval is open.")
    blocks: list[Block] = []
    for number, change in enumerate(changes[:REVIEWS_SHOWN]):
        reason = change.override.reason if change.override is not None else ""
        close = button("Close review…", action_ids.numbered_action_id(action_ids.REVIEW, number), button_value(change))
        by = _agent_name(change) if everyone else requester_text(change)
        when = moment(change.override.at) if change.override is not None else ""
        blocks.append(section(lines(change_title(change, 200), f"Because: {one_line(reason, 300)}"), close))
        blocks.append(context(mrkdwn(f"{by} · {when}{_link(links, change.id)}"), plain(change.id)))
    left = len(changes) - REVIEWS_SHOWN
    more = [context(plain(f"and {left} more"))] if left > 0 else []
    return Post((header(f"Open reviews ({len(changes)})"), *blocks, *more))


def with_unreadable(post: Post, ids: Sequence[str]) -> Post:
    """Append a line about changes that this version cannot read, if any."""
    if not ids:
        return post
    visible = ", ".join(ids[:5]) + (f" and {len(ids) - 5} more" if len(ids) > 5 else "")  # noqa: PLR2004
    summary = f"This version of vpsops cannot read: {visible}. A process of the newer version handles them."
    return Post((*post.blocks, context(plain(one_line(summary, 400)))))


def card_page(change: Change, links: Mapping[str, str], verdict: Verdict | None) -> Post:
    """Link to a change's card. A typed `verdict` is not a vote, and the page explains that."""
    if verdict is None:
        summary, hint = change_title(change, 200), "" if change.id in links else NO_LINK
    elif change.state is not State.HELD:
        summary, hint = (
            f"{change.id} is {change.state.value.replace('_', ' ')} already.",
            "There is nothing to vote on.",
        )
    else:
        summary = (
            f"Nothing was decided. To {verdict.value} it, click the button on the card, which shows what will happen."
        )
        hint = "" if change.id in links else NO_LINK
    base = note(summary, hint)
    return Post((*base.blocks, *change_rows([change], links)))


def audit_page(
    title: str, records: Sequence[TrailRecord], links: Mapping[str, str], turns: PageLinks, ends: ChangesById = NO_ENDS
) -> Post:
    """Render a page of the audit trail: one row for each change of `ends`, every other record with quoted reasons."""
    blocks: list[Block] = []
    for record in newest_of_changes(records, ends):
        if record.change_id is not None and record.change_id in ends:
            blocks += _end_row(ends[record.change_id], record, links)
            continue
        blocks.append(section(lines(*_record_lines(record, words=True), limit=900)))
        behind = _person_behind(body_of(record))
        blocks.append(context(*([mrkdwn(behind)] if behind else []), *_record_footer(record, links)))
    return _audit_post(title, records, blocks, turns)


def audit_page_for_everyone(
    title: str, records: Sequence[TrailRecord], links: Mapping[str, str], turns: PageLinks, ends: ChangesById = NO_ENDS
) -> Post:
    """Render a page of the audit trail for a channel: events of changes, without reasons and refusals."""
    visible = [record for record in records if record.change_id]
    blocks: list[Block] = []
    for record in newest_of_changes(visible, ends):
        if record.change_id is not None and record.change_id in ends:
            blocks += _end_row(ends[record.change_id], record, links, everyone=True)
            continue
        blocks.append(section(lines(*_record_lines(record, words=False), limit=600)))
        blocks.append(context(*_record_footer(record, links)))
    return _audit_post(title, visible, blocks, turns)


def newest_of_changes(records: Sequence[TrailRecord], ends: ChangesById) -> list[TrailRecord]:
    """Return the records, newest first as they come, with only the first one of each change of `ends`."""
    seen: set[str] = set()
    kept: list[TrailRecord] = []
    for record in records:
        if record.change_id is not None and record.change_id in ends:
            if record.change_id in seen:
                continue
            seen.add(record.change_id)
        kept.append(record)
    return kept


def _end_row(change: Change, record: TrailRecord, links: Mapping[str, str], *, everyone: bool = False) -> list[Block]:
    """Return a change with its present state or end, and a button that shows its records."""
    by = _agent_name(change) if everyone else requester_text(change)
    details = button(
        "Details",
        action_ids.numbered_action_id(action_ids.VIEW, record.seq),
        PageQuery("audit", {"change": change.id}).value,
    )
    when, ident = _record_footer(record, links)
    return [section(plain(change_title(change, 200)), details), context(mrkdwn(by), when, ident)]


def _audit_post(title: str, records: Sequence[TrailRecord], blocks: Sequence[Block], turns: PageLinks) -> Post:
    empty = [] if records else [section(plain("Nothing on this page."))]
    return Post((header(title), *blocks, *empty, page_buttons(turns)))


def _link(links: Mapping[str, str], change_id: str | None) -> str:
    address = links.get(change_id or "", "")
    return f" · <{address}|open card>" if address else ""


def _record_footer(record: TrailRecord, links: Mapping[str, str]) -> list[Block]:
    at = time_of(record.at)
    when = moment(at) if at else "-"
    return [mrkdwn(f"{when}{_link(links, record.change_id)}"), plain(f"#{record.seq} {record.change_id or ''}", 100)]


def _record_lines(record: TrailRecord, *, words: bool) -> list[str]:
    """Return a record's lines: event and subject, then its author, then quoted texts if `words`."""
    body = body_of(record)
    first = " ".join(part for part in (record.event.replace("_", " "), _subject(body), _outcome(body)) if part)
    quotes = [(name, _text(body, name)) for name in ("reason", "why", "note", "text", "evidence")]
    summary = [f'{name}: "{one_line(text, WORDS)}"' for name, text in quotes if text]
    return [first, *([_author(body)] if _author(body) else []), *(summary if words else [])]


def _subject(body: Mapping[str, Json]) -> str:
    target = body.get("target")
    named = target.get("hostname") if isinstance(target, Mapping) else target or body.get("hostname")
    return " ".join(one_line(str(part), 100) for part in (body.get("operation"), named) if part)


def _outcome(body: Mapping[str, Json]) -> str:
    for name in ("verdict", "decision", "state"):
        if _text(body, name):
            return f"({name}: {one_line(_text(body, name), 40)})"
    return ""


def _author(body: Mapping[str, Json]) -> str:
    for name in ("by", "actor"):
        who = body.get(name)
        if isinstance(who, Mapping) and who.get("id"):
            human = _human_of(who)
            behind = f" for {one_line(human, 80)}" if human and not _account_in(human) else ""
            return f"by {one_line(name_in(body), 120)}{behind}"
    return ""


def _person_behind(body: Mapping[str, Json]) -> str:
    """Return a mention of the account for which an agent acted (mrkdwn); empty where none is named."""
    for name in ("by", "actor"):
        who = body.get(name)
        account = _account_in(_human_of(who)) if isinstance(who, Mapping) else ""
        if account:
            return f"for {user_mention(account)}"
    return ""


def _human_of(who: Mapping[str, Json]) -> str:
    human = _text(who, "human")
    return human if human != who.get("id") else ""


def _account_in(human: str) -> str:
    account = human.removeprefix(SLACK) if human.startswith(SLACK) else ""
    return account if is_user_id(account) else ""


def _text(body: Mapping[str, Json], name: str) -> str:
    value = body.get(name)
    return value if isinstance(value, str) else ""
