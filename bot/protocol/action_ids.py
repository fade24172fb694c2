"""Action ids and callback ids of the app's controls and views. Wire values: do not change them."""

from typing import Final

CONFIRM: Final = "vps:confirm"
CANCEL: Final = "vps:cancel"
APPROVE: Final = "vps:approve"
APPROVE_NOTE: Final = "vps:approve_note"
DENY: Final = "vps:deny"
HAPPENED: Final = "vps:happened"
NOT_HAPPENED: Final = "vps:not_happened"
RUN: Final = "vps:run"
"""Runs one operation with exact arguments. A number after a colon makes ids unique within a block."""
TYPED: Final = "vps:typed"
"""Executes its value as if it had been typed after /vps; numbered as above."""
VIEW: Final = "vps:view"
"""Replaces a private reply with another of its pages; numbered as above."""
RESUME: Final = "vps:resume"
NOTIFY_OFF: Final = "vps:notify_off"
"""Removes one of a channel's subscriptions; numbered as above."""
MENU: Final = "vps:menu"
SHARE: Final = "vps:share"
PLAN: Final = "plan"

NEW: Final = "vps:new"
REFRESH: Final = "vps:refresh"
HOME_PAUSE: Final = "vps:home_pause"
HOME_RESUME: Final = "vps:home_resume"
SETTING: Final = "vps:setting"
"""Turns one of a user's settings on or off; numbered as above."""

ACT: Final = "vps:act"
"""Runs one operation on one server, in the modal of the message shortcut; numbered as above."""
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
    """Return an action id with a number, unique among similar controls of a block."""
    return f"{name}:{number}"


def base_action_id(action_id: str) -> str:
    """Return an action id without its number."""
    return ":".join(action_id.split(":")[:2])
