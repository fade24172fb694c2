"""The question that a client puts to its human before a change, and what counts as a yes."""

import json
from dataclasses import dataclass

from vpsops.core.changes.create_spec import key_words, label_of, system_of
from vpsops.core.changes.model import Change
from vpsops.core.common.hostnames import lookalike_warning
from vpsops.core.common.json_types import Json
from vpsops.core.common.text import moment
from vpsops.core.operations.traits import title_of
from vpsops.core.plans.names import bounded_names, other_names
from vpsops.mcp_server.protocol.text import join_nonempty, quote, sanitize

UNABLE = "unable"
REFUSALS = {
    "accept": "The client's human did not say yes.",
    "decline": "The client's human declined.",
    UNABLE: "The client declares forms and cannot ask its human; ask from another client, or where people approve.",
}
LONGEST_REASON = 300
LONGEST_LINE = 300
MOST = 3_000  # twenty keys with their comments
MOST_NAMES = 12_000  # some three hundred servers


@dataclass(frozen=True, slots=True)
class ConfirmationForm:
    """A form for the client's human."""

    text: str
    schema: dict[str, Json]


@dataclass(frozen=True, slots=True)
class FormAnswer:
    """A form's answer: `accept`, `decline` or `cancel`, and its content; `UNABLE` for a client without forms."""

    action: str
    content: dict[str, Json]


def confirmation_form(change: Change) -> ConfirmationForm:
    """Return the form for a change's human: the effect, the target, the price, the requester and the reason."""
    schema = {
        "type": "object",
        "properties": {"confirm": {"type": "boolean", "title": _title(change), "default": False}},
        "required": ["confirm"],
    }
    return ConfirmationForm(text=form_text(change), schema=schema)


def form_text(change: Change) -> str:
    """Return the words of the question, a fact a line; the requester's own words are quoted."""
    return join_nonempty(
        (
            f"{title_of(change.operation, _server(change))}?",
            lookalike_warning(change.target.hostname),
            sanitize(change.effect, LONGEST_LINE),
            *order_lines(change),
            *(f"{sanitize(fact.line, MOST)}." for fact in change.facts),
            also_text(change, MOST_NAMES),
            f"Cost: {sanitize(change.cost, LONGEST_LINE)}." if change.cost else "",
            f"Asked by {change.actor.cited} for {sanitize(change.actor.human)}.",
            f"Its reason: {quote(change.reason, LONGEST_REASON)}" if change.reason else "It gave no reason.",
            join_nonempty(
                (f"Change {change.id}", f"open until {moment(change.expires_at)}" if change.expires_at else "")
            )
            + ".",
        ),
        "\n",
    )


def also_text(change: Change, limit: int) -> str:
    """Return the names of a plan's servers that its facts only count, and where a person reads those that are too many.

    "" for any other change.
    """
    names = bounded_names(other_names(change), limit, f"a terminal lists all with vpsops changes {change.id}")
    return f"And also: {sanitize(names, limit + MOST)}." if names else ""


def order_lines(change: Change) -> tuple[str, ...]:
    """Return a new server's attributes beside its name, plan and region, and who can log in."""
    system, label, keys = system_of(change), label_of(change), key_words(change)
    called = f"It is called {quote(label, LONGEST_LINE)}." if label else ""
    return (
        f"System: {sanitize(system, LONGEST_LINE)}." if system else "",
        called,
        f"{sanitize(keys, MOST)}." if keys else "",
    )


def _server(change: Change) -> str:
    target = change.target
    facts = join_nonempty((sanitize(target.address), sanitize(target.place), sanitize(target.plan), _state(change)))
    return f"{sanitize(target.hostname or target.id)} ({facts})" if facts else sanitize(target.hostname or target.id)


def _state(change: Change) -> str:
    return f"now {sanitize(change.target.state)}" if change.target.state else ""


def _title(change: Change) -> str:
    title = title_of(change.operation, sanitize(change.target.hostname or change.target.id, 80))
    return f"Yes, {title[:1].lower()}{title[1:]}"


def is_yes(answer: FormAnswer) -> bool:
    """Return whether a human agreed: the form was submitted, and its content is true."""
    return answer.action == "accept" and answer.content.get("confirm") is True


def refusal_reason(answer: FormAnswer | None) -> str:
    """Return the reason for the change's record why it was not confirmed."""
    if answer is None:
        return "The client did not answer the question."
    if answer.action == "accept" and answer.content.get("confirm") not in (None, False):
        return "The client's answer is no clear yes: its form must hold true, not another value that means it."
    return REFUSALS.get(answer.action, "The question was dismissed.")


def state_from(change: Change) -> str:
    """Return the state that a second call has to bring back: the displayed change and its digest."""
    return json.dumps({"change": change.id, "digest": change.digest})


def read_state(state: str) -> tuple[str, str]:
    """Return the change's id and the digest that were shown; the seal vouches for the form."""
    document = json.loads(state)
    return str(document["change"]), str(document["digest"])
