"""Action ids and callback ids of the app's controls and views. Wire values: do not change them."""

from typing import Final

CONFIRM: Final = "vps:confirm"
CANCEL: Final = "vps:cancel"
STOP_PLAN: Final = "vps:stop_plan"
"""Lets a running plan begin no other server."""
APPROVE: Final = "vps:approve"
APPROVE_NOTE: Final = "vps:approve_note"
APPROVE_GRANT: Final = "vps:approve_grant"
DENY: Final = "vps:deny"
GRANT_END: Final = "vps:grant_end"
"""Ends a grant; its value names it."""
HAPPENED: Final = "vps:happened"
NOT_HAPPENED: Final = "vps:not_happened"
OVERRIDE: Final = "vps:override"
"""Opens the form in which the asker runs a change without votes."""
REVIEW: Final = "vps:review"
"""Opens the form in which another person closes the review of that. A number after a colon makes ids unique."""
RUN: Final = "vps:run"
"""Runs one operation with exact arguments. A number after a colon makes ids unique within a block."""
REMEDY: Final = "vps:remedy"
"""Asks for the change that meets a precondition; the refusal that it stands on stays."""
AGAIN: Final = "vps:again"
"""Repeats a refused request; the refusal that it stands on stays."""
FIRST: Final = "vps:first"
"""Asks for the remedy that a change's card names."""
SET_ASIDE: Final = "vps:set_aside"
"""Sets aside another person's unconfirmed change, then repeats the request that it was in the way of."""
TYPED: Final = "vps:typed"
"""Executes its value as if it had been typed after /vps; numbered as above."""
VIEW: Final = "vps:view"
"""Replaces a private reply with another of its pages; numbered as above."""
RESUME: Final = "vps:resume"
NOTIFY_OFF: Final = "vps:notify_off"
"""Removes one of a channel's subscriptions; numbered as above."""
MENU: Final = "vps:menu"
SHARE: Final = "vps:share"
WHOLE_LIST: Final = "vps:whole_list"
"""Shows all servers that match its filter in one table, beside the page that it stands on."""
SHARE_WHOLE: Final = "vps:share_whole"
"""Posts that table to the channel."""
PLAN: Final = "plan"

NEW: Final = "vps:new"
REFRESH: Final = "vps:refresh"
HOME_PAUSE: Final = "vps:home_pause"
HOME_RESUME: Final = "vps:home_resume"
SETTING: Final = "vps:setting"
"""Turns one of a user's settings on or off; numbered as above."""

MORE: Final = "vps:more"
"""Opens the form with all that may be done with one server; without a server, to choose it."""
ACT: Final = "vps:act"
"""Runs one operation on one server, in the modal of the message shortcut; numbered as above."""
PICK: Final = "vps:pick"

ARGUMENT: Final = "vps:arg"
"""An argument in the form of an operation, followed by a colon and its name."""

HOME: Final = "vps:home"
NEW_SERVER: Final = "vps:new_server"
ACT_ON: Final = "vps:act_on"
ACT_FORM: Final = "vps:act_form"
NAME_FORM: Final = "vps:name"
OPERATION_FORM: Final = "vps:operation"
CREATE_FORM: Final = "vps:create"
DENY_FORM: Final = "vps:deny"
GRANT_FORM: Final = "vps:grant_form"
NOTE_FORM: Final = "vps:approve"
OVERRIDE_FORM: Final = "vps:override"
REVIEW_FORM: Final = "vps:review"
BUSY: Final = "vps:busy"


def numbered_action_id(name: str, number: int) -> str:
    """Return an action id with a number, unique among similar controls of a block."""
    return f"{name}:{number}"


def argument_action_id(name: str) -> str:
    """Return the action id of an argument's control in a form."""
    return f"{ARGUMENT}:{name}"


def base_action_id(action_id: str) -> str:
    """Return an action id without its number."""
    return ":".join(action_id.split(":")[:2])
