"""`vpsops doctor`: checks the channels that the app posts to."""

from collections.abc import Mapping
from typing import Any, Final

from vpsops.core.config.settings import Settings
from vpsops.core.console import exit_codes
from vpsops.core.console.checks import DoctorFinding, fail, ok, warn

AREA: Final = "slack"
SCOPES_TODO: Final = "Give the app the scopes channels:read and groups:read, as `vpsops manifest` prints them"


def channels_of(settings: Settings) -> dict[str, str]:
    """Return the configured channels by setting name."""
    named = {
        "VPSOPS_CHANNEL": settings.channel,
        "VPSOPS_APPROVAL_CHANNEL": settings.approval_channel,
        "VPSOPS_ESCALATION_CHANNEL": settings.escalation_channel,
    }
    return {name: channel for name, channel in named.items() if channel}


def channel_finding(name: str, channel: str, channel_info: Mapping[str, Any], error: str = "") -> DoctorFinding:
    """Return the finding for a channel from its `conversations.info` result or error code."""
    label = f"{name} {channel}"
    if error == "channel_not_found":
        return fail(AREA, f"{label} does not exist, or is private and without the app", "Invite the app, or set its id")
    if error == "missing_scope":
        what = f"{label} cannot be read (missing_scope), so whether the app can post there is not known"
        return fail(AREA, what, SCOPES_TODO, exit_codes.NOT_AUTHENTICATED)
    if error:
        return warn(AREA, f"{label} cannot be read ({error})", "Check the scopes channels:read, groups:read")
    if channel_info.get("is_archived"):
        return fail(AREA, f"{label} is archived", "Set another channel")
    if not channel_info.get("is_member"):
        return fail(AREA, f"{label} is without the app, so nothing can be posted there", "Invite the app to it")
    return ok(AREA, f"{label} can be written to")
