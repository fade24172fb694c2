"""Names of approvers and members of their groups and channels, for messages; what Slack does not return is left out.

Nothing is decided by these: votes read the members themselves (`Membership.verify_approver`).
"""

from collections.abc import Iterable
from typing import Any, Final

import structlog
from cachetools import LRUCache

from vpsops.bot.blocks.approver_text import ApproverLabels
from vpsops.bot.blocks.text import is_user_id
from vpsops.bot.slack_api.client import SlackClient, SlackError
from vpsops.bot.workspaces.membership import Membership, MembershipUnreadableError
from vpsops.core.changes.model import Change
from vpsops.core.common import timings
from vpsops.core.common.clock import Clock
from vpsops.core.identity.actors import ActorKind, Approvers

KEPT_SECONDS: Final = timings.APPROVER_NAMES_SECONDS
NAMES_KEPT: Final = 1000
User = dict[str, Any]

logger = structlog.get_logger(__name__)


class ApproverDirectory:
    """Reads user groups, accounts and channel members with one workspace's token."""

    def __init__(self, slack: SlackClient, membership: Membership, clock: Clock) -> None:
        self._slack = slack
        self._membership = membership
        self._clock = clock
        self._handles: dict[str, str] = {}
        self._handles_at = -KEPT_SECONDS
        self._users: LRUCache[str, tuple[User, float]] = LRUCache(NAMES_KEPT)

    async def labels(self, approvers: Approvers) -> ApproverLabels:
        """Return what Slack calls these approvers."""
        groups = await self._group_handles() if approvers.groups else {}
        people: dict[str, str] = {}
        accounts: dict[str, str] = {}
        for person in approvers.people:
            user = await self._user(person)
            account = str(user.get("id", ""))
            if is_user_id(account):
                people[account] = str(user.get("name", ""))
                accounts[person.lower()] = account
        return ApproverLabels(groups, people, accounts)

    async def requester_name(self, change: Change) -> str:
        """Return the name of the person who asked, or who an agent acts for; empty where Slack does not return it."""
        actor = change.actor
        name = actor.name if actor.kind is ActorKind.PERSON and is_user_id(actor.id) else ""
        if actor.kind is ActorKind.AGENT and is_user_id(actor.account):
            name = str((await self._user(actor.account)).get("name", ""))
        return f"@{name}" if name else ""

    async def members(self, idents: Iterable[str]) -> frozenset[str]:
        """Return the accounts in user groups and channels, without this app's own."""
        members = await self._membership.members(idents)
        try:
            own = (await self._membership.tenant()).user
        except MembershipUnreadableError:
            own = ""
        return members - {own}

    async def _group_handles(self) -> dict[str, str]:
        now = self._clock.monotonic()
        if now - self._handles_at >= KEPT_SECONDS:
            try:
                answer = await self._slack.get("usergroups.list", {"include_disabled": "false"})
            except SlackError as error:
                logger.info("group_handles_unreadable", error=str(error))
                return self._handles
            groups = [group for group in answer.get("usergroups", ()) if isinstance(group, dict)]
            self._handles = {str(group.get("id", "")): str(group.get("handle", "")) for group in groups}
            self._handles_at = now
        return self._handles

    async def _user(self, person: str) -> User:
        known = self._users.get(person)
        if known is not None and self._clock.monotonic() - known[1] < KEPT_SECONDS:
            return known[0]
        method, params = ("users.lookupByEmail", {"email": person})
        if is_user_id(person.upper()):
            method, params = ("users.info", {"user": person.upper()})
        try:
            user = (await self._slack.get(method, params)).get("user")
        except SlackError as error:
            logger.info("approver_unreadable", error=str(error))
            return known[0] if known else {}
        self._users[person] = user if isinstance(user, dict) else {}, self._clock.monotonic()
        return self._users[person][0]
