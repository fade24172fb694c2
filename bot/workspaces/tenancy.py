"""The workspace of a token, and the affiliation of Slack accounts with it."""

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
"""Flags of accounts that are not full members. Strangers, deactivated accounts and bots are rejected earlier."""


class Affiliation(StrEnum):
    """An account's relation to the workspace of the token."""

    MEMBER = "member"
    COLLEAGUE = "colleague"
    """In another workspace of the same organisation."""
    FOREIGN = "foreign"


@dataclass(frozen=True, slots=True)
class Tenant:
    """The workspace, organisation and app of a token; `org_wide` if a whole organisation installed the app."""

    team: str
    enterprise: str = ""
    app: str = ""
    org_wide: bool = False
    user: str = ""  # the app's own account

    def affiliation(self, user: Mapping[str, Any]) -> Affiliation:
        """Return the affiliation of an account (from `users.info`); missing fields count as foreign.

        `is_stranger` alone is not sufficient: Slack omits it for accounts that share a channel with the app.
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
        """Return whether a payload's workspace is this one or in this organisation."""
        mine = {self.team, *({self.enterprise} if self.enterprise else ())}
        return team in mine or bool(self.enterprise and enterprise == self.enterprise)


def tenant_of(auth: Mapping[str, Any], bot: Mapping[str, Any]) -> Tenant:
    """Build a tenant from the results of `auth.test` and `bots.info`."""
    about = bot.get("bot")
    return Tenant(
        team=str(auth.get("team_id") or ""),
        enterprise=str(auth.get("enterprise_id") or ""),
        app=str(about.get("app_id") or "") if isinstance(about, Mapping) else "",
        org_wide=auth.get("is_enterprise_install") is True,
        user=str(auth.get("user_id") or ""),
    )
