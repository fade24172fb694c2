"""Grants: the form that asks for one, the line that shows one, and the list of those that are open."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final

from vpsops.bot.blocks.elements import (
    Block,
    Post,
    button,
    context,
    field_sections,
    modal,
    mrkdwn,
    option,
    plain,
    section,
)
from vpsops.bot.blocks.labels import action_label
from vpsops.bot.blocks.text import escape_untrusted, moment, user_mention
from vpsops.bot.messages.ephemeral import note
from vpsops.bot.protocol import action_ids
from vpsops.bot.views.modals import requester_section
from vpsops.core.changes.model import Change, GrantWish
from vpsops.core.common.errors import InvalidInputError
from vpsops.core.common.text import count_text, duration, one_line
from vpsops.core.common.timings import SHORTEST_GRANT_SECONDS
from vpsops.core.grants.model import Grant, offered_seconds

TIME: Final = "grant_time"
SERVERS: Final = "grant_servers"
"""Block ids and action ids of the form."""
ON_SERVER, ON_RULE = "server", "rule"
LISTED: Final = 20
HELD_WORDS: Final = (
    "Until it ends, this agent may do the same without votes. Each use is checked, recorded and shown like any change."
    " It opens with the last vote, and only where every vote asks for it; the shortest time holds."
)


def grant_form(change: Change, metadata: Mapping[str, Any]) -> Block:
    """Render the form of an approval that lasts."""
    what, terms = action_label(change.operation, change.target.hostname, 140), change.ruling.grant_terms
    asked: list[Block] = []
    if terms is not None:
        times = [option(duration(seconds), f"{seconds:g}") for seconds in offered_seconds(terms)]
        asked.append(_menu(TIME, "Allow it for", times))
        servers = [option(f"{change.target.hostname} only", ON_SERVER)]
        if terms.servers:
            servers.append(option(one_line(f"All servers of the rule: {', '.join(terms.servers)}", 75), ON_RULE))
        asked.append(_menu(SERVERS, "On", servers))
        asked.append(context(plain(f"At most {count_text(terms.uses, 'use')}.")))
    return modal(
        action_ids.GRANT_FORM,
        "Approve and allow",
        [
            *field_sections([("Change", what), ("Id", change.id)]),
            requester_section(change),
            section(plain(change.effect)),
            section(plain(HELD_WORDS)),
            *asked,
        ],
        metadata=metadata,
        close="Back",
        submit="Approve and allow",
    )


def _menu(name: str, label: str, options: Sequence[Block]) -> Block:
    element: Block = {
        "type": "static_select",
        "action_id": name,
        "options": list(options),
        "initial_option": options[0],
    }
    return {"type": "input", "block_id": name, "label": plain(label, 150), "element": element}


def wish_from(state: Mapping[str, Any]) -> GrantWish:
    """Return what a form that was sent asks for; raises `InvalidInputError`."""
    try:
        seconds = float(_chosen(state, TIME))
    except ValueError:
        seconds = 0.0
    if not seconds >= SHORTEST_GRANT_SECONDS:  # what is no number is not either
        raise InvalidInputError("No time that is offered was chosen.", hint="Nothing was decided.")
    return GrantWish(seconds, on_rule=_chosen(state, SERVERS) == ON_RULE)


def _chosen(state: Mapping[str, Any], name: str) -> str:
    return str((state.get(name, {}).get(name, {}).get("selected_option") or {}).get("value", ""))


def grant_post(grant: Grant, now: datetime) -> Post:
    """Render the line of a grant in the approval channel."""
    return Post(tuple(grant_blocks(grant, now)))


def grant_blocks(grant: Grant, now: datetime) -> list[Block]:
    """Render a grant, with the button that ends it while it is open."""
    end = button("End", action_ids.GRANT_END, {"g": grant.id}, "danger") if grant.is_open(now) else None
    state = f"until {moment(grant.until)}" if grant.is_open(now) else grant.state.words
    return [
        section(mrkdwn(f"*{escape_untrusted(_title(grant), 200)}* {state}, {grant.uses_text}"), end),
        context(
            mrkdwn(f"{escape_untrusted(grant.agent.cited, 120)} for {_human(grant)}"), plain(_small(grant, now), 300)
        ),
    ]


def _title(grant: Grant) -> str:
    return f"Allowed: {action_label(grant.operation, grant.servers_text, 120)}"


def _human(grant: Grant) -> str:
    return user_mention(grant.agent.account, grant.agent.person)


def _small(grant: Grant, now: datetime) -> str:
    ended = "" if grant.is_open(now) else one_line(grant.note, 150)
    return " · ".join(part for part in (grant.id, f"by the votes on {grant.source}", ended) if part)


def grants_post(grants: Sequence[Grant], now: datetime) -> Post:
    """Render the open grants."""
    if not grants:
        return note("No grant is open.", "Approvers open one on the card of an agent's change.")
    blocks = [block for grant in grants[:LISTED] for block in grant_blocks(grant, now)]
    left = len(grants) - LISTED
    return Post((*blocks, *([context(plain(f"and {left} more"))] if left > 0 else [])))
