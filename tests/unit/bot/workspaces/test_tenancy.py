"""The workspace that a payload names and an account belongs to, and closed channels and groups: every case."""

from collections.abc import Mapping
from typing import Any

import pytest

from vpsops.bot.slack_api.client import SlackError
from vpsops.bot.workspaces import membership
from vpsops.bot.workspaces.approval_sources import channel_problem, source_problem
from vpsops.bot.workspaces.tenancy import Affiliation, Tenant, tenant_of

ALONE = Tenant("T1")
GRID = Tenant("T1", "E1")
ORG_WIDE = Tenant("T1", "E1", org_wide=True)
MEMBER, COLLEAGUE, FOREIGN = Affiliation.MEMBER, Affiliation.COLLEAGUE, Affiliation.FOREIGN


def grid(org: str, teams: Any, team: str = "T2") -> dict[str, Any]:
    return {"team_id": team, "enterprise_user": {"enterprise_id": org, "teams": teams}}


@pytest.mark.requirement("only-this-workspace")
@pytest.mark.parametrize(
    ("tenant", "user", "affiliation"),
    [
        (ALONE, {"team_id": "T1"}, MEMBER),
        (ALONE, {"team_id": "T1", "is_stranger": True}, FOREIGN),
        (ALONE, {"team_id": "T2"}, FOREIGN),
        (ALONE, {}, FOREIGN),
        (Tenant(""), {"team_id": ""}, FOREIGN),
        (ALONE, grid("E1", ["T1"], "T1"), FOREIGN),
        (GRID, grid("E1", ["T1"]), MEMBER),
        (GRID, grid("E1", ["T2"]), COLLEAGUE),
        (GRID, grid("E2", ["T1"]), FOREIGN),
        (GRID, grid("E1", ["T1"]) | {"is_stranger": True}, FOREIGN),
        (GRID, grid("E1", None, "T1"), MEMBER),
        (GRID, grid("E1", None, "T2"), COLLEAGUE),
        (GRID, grid("", ["T1"], "T1"), MEMBER),
        (GRID, {"team_id": "T1", "enterprise_user": "E1"}, MEMBER),
        (ORG_WIDE, grid("E1", ["T2"]), MEMBER),
        (ORG_WIDE, grid("E2", ["T2"]), FOREIGN),
        (ORG_WIDE, {"team_id": "T2"}, FOREIGN),
    ],
)
def test_an_account_is_of_this_workspace_or_not(
    tenant: Tenant, user: Mapping[str, Any], affiliation: Affiliation
) -> None:
    """An account that Slack does not describe is foreign."""
    assert tenant.affiliation(user) is affiliation


@pytest.mark.requirement("only-this-workspace")
@pytest.mark.parametrize(
    ("tenant", "team", "enterprise", "owned"),
    [
        (ALONE, "T1", "", True),
        (ALONE, "T2", "", False),
        (ALONE, "", "", False),
        (ALONE, "T2", "E1", False),
        (GRID, "T1", "E2", True),
        (GRID, "T2", "E1", True),
        (GRID, "E1", "", True),
        (GRID, "T2", "E2", False),
        (GRID, "", "", False),
    ],
)
def test_a_payload_is_of_this_workspace_or_not(tenant: Tenant, team: str, enterprise: str, owned: bool) -> None:
    assert tenant.owns(team, enterprise) is owned


@pytest.mark.parametrize(
    ("auth", "bot", "tenant"),
    [
        ({"team_id": "T1"}, {}, ALONE),
        ({"team_id": "T1", "enterprise_id": "E1"}, {"bot": {"app_id": "A1"}}, Tenant("T1", "E1", "A1")),
        ({"team_id": "T1", "enterprise_id": "E1", "is_enterprise_install": True}, {"bot": None}, ORG_WIDE),
        ({"team_id": "T1", "is_enterprise_install": "yes"}, {"bot": {}}, ALONE),
        ({}, {}, Tenant("")),
    ],
)
def test_a_token_tells_its_workspace(auth: Mapping[str, Any], bot: Mapping[str, Any], tenant: Tenant) -> None:
    assert tenant_of(auth, bot) == tenant


OPEN, CLOSED = {"public-channels"}, set[str]()


@pytest.mark.requirement("approvers-are-closed")
@pytest.mark.parametrize(
    ("about", "accepted", "why"),
    [
        ({"is_private": True}, CLOSED, ""),
        ({"is_private": False}, CLOSED, "public"),
        ({"is_private": "true"}, CLOSED, "public"),
        ({}, CLOSED, "public"),
        ({}, OPEN, ""),
        ({"is_private": True, "is_ext_shared": True}, OPEN, "another company"),
        ({"is_private": True, "is_pending_ext_shared": True}, CLOSED, "another company"),
        ({"is_private": True, "is_ext_shared": True}, {"shared-channels"}, ""),
        ({"is_ext_shared": True}, {"shared-channels"}, "public"),
    ],
)
def test_a_channel_is_closed_enough_or_not(about: Mapping[str, Any], accepted: set[str], why: str) -> None:
    """An unknown property counts as open."""
    problem = channel_problem("C1", about, accepted)
    assert why in problem
    assert bool(problem) is bool(why)


class TenancyDirectory:
    """Slack's answers about two user groups and two people."""

    def __init__(self, **group: Any) -> None:
        first = {"id": "S1", "updated_by": "UADMIN"}
        self.groups = [first, {"id": "S2", "updated_by": "UADMIN"} | group]

    async def get(self, method: str, arguments: Mapping[str, str]) -> dict[str, Any]:
        """Answer a method of the Web API."""
        if method == "usergroups.list":
            return {"usergroups": self.groups}
        return {"user": {"is_admin": arguments["user"] == "UADMIN", "is_bot": arguments["user"] == "UBOT"}}


async def unfit(ident: str, accepted: set[str], **group: Any) -> str:
    slack: Any = TenancyDirectory(**group)
    return await source_problem(slack, "group", ident, accepted)


@pytest.mark.requirement("approvers-are-closed")
@pytest.mark.parametrize(
    ("group", "why"),
    [
        ({}, ""),
        ({"updated_by": "UBOT"}, ""),
        ({"updated_by": "UANN"}, "no administrator"),
        ({"updated_by": "", "created_by": "UANN"}, "no administrator"),
        ({"updated_by": "UADMIN", "created_by": "UANN"}, ""),
        ({"is_external": True}, "another company"),
    ],
)
async def test_a_group_is_closed_enough_or_not(group: dict[str, Any], why: str) -> None:
    """By its last editor; the other groups are irrelevant."""
    result = await unfit("S2", CLOSED, **group)
    assert why in result
    assert bool(result) is bool(why)
    assert await unfit("S1", CLOSED, **group) == ""


async def test_a_group_that_members_edit_may_be_meant() -> None:
    accepted = {"member-edited-groups"}
    assert await unfit("S2", accepted, updated_by="UANN") == ""
    assert "another company" in await unfit("S2", accepted, is_external=True)


async def test_a_group_that_is_not_there_cannot_be_read() -> None:
    with pytest.raises(SlackError, match="no_such_subteam"):
        await unfit("S3", CLOSED)


def test_as_many_members_of_a_channel_are_read_as_is_said() -> None:
    """In a channel with more members membership is unknown, so none of them decides."""
    assert membership.PAGE_SIZE * membership.MAX_PAGES == 20_000
