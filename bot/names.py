"""The names our controls and forms go by on Slack's wire."""

from typing import Final

CONFIRM: Final = "vps:confirm"
CANCEL: Final = "vps:cancel"
APPROVE: Final = "vps:approve"
DENY: Final = "vps:deny"
HAPPENED: Final = "vps:happened"
NOT_HAPPENED: Final = "vps:not_happened"
RUN: Final = "vps:run"
"""A button that runs one operation with exact arguments; several in a row are told apart by a number after a colon."""
MENU: Final = "vps:menu"
SHARE: Final = "vps:share"
PLAN: Final = "plan"

CREATE_FORM: Final = "vps:create"
DENY_FORM: Final = "vps:deny"
BUSY: Final = "vps:busy"


def numbered(name: str, number: int) -> str:
    """Return a name for one of several alike controls."""
    return f"{name}:{number}"


def kind_of(action_id: str) -> str:
    """Return the name without its number."""
    return ":".join(action_id.split(":")[:2])
