"""What `vpsops doctor` says of the channels that are written to; pure."""

from collections.abc import Mapping
from typing import Any, Final

from vpsops.core.config.settings import Settings
from vpsops.core.console.checks import DoctorFinding, fail, ok, warn

AREA: Final = "slack"


def channels_of(settings: Settings) -> dict[str, str]:
    """Return the channels that are configured, by the setting of each; pure."""
    named = {
        "VPSOPS_CHANNEL": settings.channel,
        "VPSOPS_APPROVAL_CHANNEL": settings.approval_channel,
        "VPSOPS_ESCALATION_CHANNEL": settings.escalation_channel,
    }
    return {name: channel for name, channel in named.items() if channel}


def channel_finding(name: str, channel: str, about: Mapping[str, Any], error: str = "") -> DoctorFinding:
    """Return what a `conversations.info` answer, or Slack's word for why there is none, says of a channel; pure."""
    shown = f"{name} {channel}"
    if error == "channel_not_found":
        return fail(AREA, f"{shown} is not there, or private and without the app", "Invite the app, or set its id")
    if error:
        return warn(AREA, f"{shown} cannot be looked at ({error})", "Check the scopes channels:read, groups:read")
    if about.get("is_archived"):
        return fail(AREA, f"{shown} is archived", "Set another channel")
    if not about.get("is_member"):
        return fail(AREA, f"{shown} is without the app, so nothing can be posted there", "Invite the app to it")
    return ok(AREA, f"{shown} can be written to")
