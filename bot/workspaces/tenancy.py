"""Which workspace the app's token belongs to, and how a Slack account stands to it, as Slack's Web API says."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

LESS_THAN_MEMBERS: Final = (
    "is_workflow_bot",
    "is_connector_bot",
    "is_invited_user",
    "is_restricted",
    "is_ultra_restricted",
)
"""A stranger is foreign, and a closed account or a bot is nobody's, before this is asked."""


class Affiliation(StrEnum):
    """How an account stands to the workspace of the token."""

    MEMBER = "member"
    COLLEAGUE = "colleague"
    """Of another workspace of the same organisation."""
    FOREIGN = "foreign"


@dataclass(frozen=True, slots=True)
class Tenant:
    """The workspace, organisation and app of a token; `org_wide` where a whole organisation installed the app."""

    team: str
    enterprise: str = ""
    app: str = ""
    org_wide: bool = False

    def affiliation(self, user: Mapping[str, Any]) -> Affiliation:
        """Return how the account of a `users.info` answer stands to this workspace; what is not told is foreign.

        `is_stranger` alone tells nothing: Slack leaves it out for whoever shares a channel with the app.
        """
        grid = user.get("enterprise_user")
        org = str(grid.get("enterprise_id") or "") if isinstance(grid, Mapping) else ""
        if user.get("is_stranger") or not self.team or (org and org != self.enterprise):
            return Affiliation.FOREIGN
        if org:
            teams = grid.get("teams") if isinstance(grid, Mapping) else None
            listed = teams if isinstance(teams, list) else [user.get("team_id")]
            return Affiliation.MEMBER if self.org_wide or self.team in listed else Affiliation.COLLEAGUE
        return Affiliation.MEMBER if user.get("team_id") == self.team else Affiliation.FOREIGN

    def owns(self, team: str, enterprise: str = "") -> bool:
        """Say whether a workspace that a payload names is this one, or of this organisation."""
        mine = {self.team, *({self.enterprise} if self.enterprise else ())}
        return team in mine or bool(self.enterprise and enterprise == self.enterprise)


def tenant_of(auth: Mapping[str, Any], bot: Mapping[str, Any]) -> Tenant:
    """Read the answers of `auth.test` and `bots.info`."""
    about = bot.get("bot")
    return Tenant(
        team=str(auth.get("team_id") or ""),
        enterprise=str(auth.get("enterprise_id") or ""),
        app=str(about.get("app_id") or "") if isinstance(about, Mapping) else "",
        org_wide=auth.get("is_enterprise_install") is True,
    )
