"""The names our controls and forms go by on Slack's wire."""

from typing import Final

CONFIRM: Final = "vps:confirm"
CANCEL: Final = "vps:cancel"
APPROVE: Final = "vps:approve"
APPROVE_NOTE: Final = "vps:approve_note"
DENY: Final = "vps:deny"
HAPPENED: Final = "vps:happened"
NOT_HAPPENED: Final = "vps:not_happened"
RUN: Final = "vps:run"
"""A button that runs one operation with exact arguments; several in a row are told apart by a number after a colon."""
TYPED: Final = "vps:typed"
"""A button that does what its value would do if it were typed after /vps; numbered as above."""
VIEW: Final = "vps:view"
"""A button that draws another page of a private answer in place; numbered as above."""
RESUME: Final = "vps:resume"
NOTIFY_OFF: Final = "vps:notify_off"
"""A button that removes one of a channel's subscriptions; numbered as above."""
MENU: Final = "vps:menu"
SHARE: Final = "vps:share"
PLAN: Final = "plan"

NEW: Final = "vps:new"
REFRESH: Final = "vps:refresh"
HOME_PAUSE: Final = "vps:home_pause"
HOME_RESUME: Final = "vps:home_resume"
SETTING: Final = "vps:setting"
"""A button that turns one of a person's settings on or off; numbered as above."""

ACT: Final = "vps:act"
"""A button of a shortcut's form that runs one operation on one server; numbered as above."""
PICK: Final = "vps:pick"

HOME: Final = "vps:home"
NEW_SERVER: Final = "vps:new_server"
ACT_ON: Final = "vps:act_on"
ACT_FORM: Final = "vps:act_form"
NAME_FORM: Final = "vps:name"
CREATE_FORM: Final = "vps:create"
DENY_FORM: Final = "vps:deny"
NOTE_FORM: Final = "vps:approve"
BUSY: Final = "vps:busy"


def numbered_action_id(name: str, number: int) -> str:
    """Return a name for one of several alike controls."""
    return f"{name}:{number}"


def base_action_id(action_id: str) -> str:
    """Return the name without its number."""
    return ":".join(action_id.split(":")[:2])
