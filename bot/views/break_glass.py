"""The forms in which the asker runs a change without approval, and another person closes the review of that."""

from collections.abc import Mapping
from typing import Any, Final

from vpsops.bot.blocks.elements import Block, described, field_sections, modal, plain, section
from vpsops.bot.blocks.labels import action_label, action_verb
from vpsops.bot.protocol import action_ids
from vpsops.bot.protocol.payloads import ViewPayload
from vpsops.bot.views.modals import entered_text, metadata_of, requester_section, text_input, typed_name
from vpsops.core.break_glass.rights import (
    NOTE_CHARACTERS,
    REASON_CHARACTERS,
    checked_note,
    checked_reason,
    full_name,
    names_server,
)
from vpsops.core.changes.model import Change
from vpsops.core.common.errors import InvalidInputError
from vpsops.core.common.hostnames import lookalike_warning
from vpsops.core.common.text import one_line

OVERRIDE_TITLE: Final = "Run without approval"
REVIEW_TITLE: Final = "Close review"
LONGEST_WORDS: Final = 500
REASON_LABEL: Final = f"Why it cannot wait for a vote, in {REASON_CHARACTERS} characters or more"
NOTE_LABEL: Final = f"Findings for the audit trail, in {NOTE_CHARACTERS} characters or more"
CONSEQUENCE: Final = (
    "It runs at once. All who may approve it are notified now with your reason, and another of them has to review it. "
    "Limits, protected servers and the policy still hold."
)


def override_view(change: Change, metadata: Mapping[str, Any]) -> Block:
    """Render the form that asks the asker for a reason and the server's full name."""
    name = one_line(full_name(change), 400)
    return modal(
        action_ids.OVERRIDE_FORM,
        OVERRIDE_TITLE,
        [
            *field_sections([("Change", _what(change)), ("Warning", lookalike_warning(change.target.hostname))]),
            *described(change.facts),
            section(plain(f"{change.effect} {CONSEQUENCE}".strip())),
            text_input("reason", REASON_LABEL, multiline=True, most=LONGEST_WORDS),
            text_input("name", f"Type the full name: {name}"),
        ],
        metadata={**metadata, "n": name},
        close="Back",
        submit=action_verb(change.operation),
    )


def review_view(change: Change, metadata: Mapping[str, Any]) -> Block:
    """Render the form that asks another person what the review found."""
    override = change.override
    reason = one_line(override.reason, LONGEST_WORDS) if override is not None else ""
    return modal(
        action_ids.REVIEW_FORM,
        REVIEW_TITLE,
        [
            *field_sections([("Change", _what(change)), ("Id", change.id)]),
            requester_section(change),
            section(plain(f"Run without approval, because: {reason}")),
            text_input("reason", NOTE_LABEL, multiline=True, most=LONGEST_WORDS),
        ],
        metadata=metadata,
        close="Back",
        submit="Close review",
    )


def override_errors(view: ViewPayload) -> Mapping[str, str]:
    """Return what is wrong with a run without approval, by field; the gate knows the change's own reason too."""
    errors: dict[str, str] = {}
    try:
        checked_reason("", entered_text(view.state.values, "reason"))
    except InvalidInputError as error:
        errors["reason"] = str(error)
    name = str(metadata_of(view).get("n", ""))
    if not names_server(typed_name(view.state.values), name):
        errors["name"] = f"That is not its full name. Type {name}."
    return errors


def review_errors(view: ViewPayload) -> Mapping[str, str]:
    """Return what is wrong with a review, by field."""
    try:
        checked_note(entered_text(view.state.values, "reason"))
    except InvalidInputError as error:
        return {"reason": str(error)}
    return {}


def _what(change: Change) -> str:
    return action_label(change.operation, change.target.hostname, 140)
