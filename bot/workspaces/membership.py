"""Reads accounts, user groups and channel members from Slack. Whatever cannot be read counts as no.

Decisions always read fresh data; displays may use data up to `CACHE_SECONDS` old.
"""

import re
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from vpsops.bot.slack_api.client import SlackClient, SlackError
from vpsops.bot.workspaces.approval_sources import ACCEPT_HINT, source_problem
from vpsops.bot.workspaces.tenancy import LESS_THAN_MEMBERS, Affiliation, Tenant, tenant_of
from vpsops.core.common import timings
from vpsops.core.common.clock import Clock
from vpsops.core.common.errors import NotAllowedError
from vpsops.core.identity.actors import Approvers

CACHE_SECONDS: Final = timings.MEMBERS_SECONDS
MAX_PAGES: Final = 100
"""Maximum pages of channel members; channels over 20,000 members are treated as unreadable."""
PAGE_SIZE: Final = 200

_IDENT: Final = re.compile(r"[SCG][A-Z0-9]{2,20}")
Read = Callable[[str], Awaitable[frozenset[str]]]
Account = Mapping[str, Any]
"""An active account of the workspace, as `users.info` describes it."""


@dataclass(frozen=True, slots=True)
class ApproverEvidence:
    """The approver groups and channels a user belongs to, and a description for the audit trail."""

    groups: tuple[str, ...]
    evidence: str


@dataclass(frozen=True, slots=True)
class Member:
    """An active full member of the workspace; `email` is "" if Slack does not return it."""

    name: str = ""
    email: str = ""


@dataclass(frozen=True, slots=True)
class _CachedMembers:
    people: frozenset[str]
    read_at: float


@dataclass(frozen=True, slots=True)
class _AdmittedAccount:
    at: float
    name: str


class Membership:
    """Reads accounts, user groups and channel members with one workspace's token."""

    def __init__(self, slack: SlackClient, clock: Clock, accepted: Callable[[], frozenset[str]] = frozenset) -> None:
        self._slack = slack
        self._clock = clock
        self._accepted = accepted
        self._tenant: Tenant | None = None
        self._known: dict[str, _CachedMembers] = {}
        self._emails: dict[str, tuple[str, float]] = {}
        self._admitted: dict[str, _AdmittedAccount] = {}

    async def tenant(self) -> Tenant:
        """Return the token's workspace and app; read once. Raises `MembershipUnreadableError`."""
        if self._tenant is None:
            try:
                auth = await self._slack.get("auth.test", {})
                matched = tenant_of(auth, await self._slack.get("bots.info", {"bot": str(auth.get("bot_id") or "")}))
            except SlackError:
                raise _slack_unavailable("which workspace and app this is") from None
            if not (matched.team and matched.app):
                raise _slack_unavailable("which workspace and app this is")
            self._tenant = matched
        return self._tenant

    async def admit(self, user: str) -> Account | None:
        """Admit an account of this workspace, a guest's too; return it if it was read now.

        An admission holds for half a minute. Raises `ForeignAccountError`, `NotAllowedError` for a colleague's or a
        closed account, `MembershipUnreadableError` if Slack does not answer.
        """
        now = self._clock.monotonic()
        self._admitted = {known: each for known, each in self._admitted.items() if now - each.at <= CACHE_SECONDS}
        if user in self._admitted:
            return None
        account = await self._account(user)
        self._admitted[user] = _AdmittedAccount(now, str(account.get("name", "")))
        return account

    def admitted_name(self, user: str) -> str:
        """Return the name of an account that is admitted now, for display; "" for any other."""
        known = self._admitted.get(user)
        return known.name if known else ""

    async def verify_approver(
        self, user: str, approvers: Approvers, account: Account | None = None
    ) -> ApproverEvidence:
        """Find a user among the approvers, as of now; `account` is what Slack said of them for this interaction.

        Raises `NotAllowedError` for all but active full members, if only a channel or group decides that others can
        add themselves to, and if what decides the matter cannot be read.
        """
        await self.require_full_member(user, account)
        named = user.lower() in {person.lower() for person in approvers.people}
        matched: list[str] = []
        evidence = ["named in the rule"] if named else []
        unreadable: list[str] = []
        problems: list[str] = []
        for ident, kind, reader in self._sources(approvers):
            try:
                members = self._known[ident] = _CachedMembers(await reader(ident), self._clock.monotonic())
                if user in members.people:
                    why = await source_problem(self._slack, kind, ident, self._accepted())
                    problems += [why] if why else []
                    matched += [] if why else [ident]
                    evidence += (
                        [] if why else [f"member of {kind} {ident} ({len(members.people)} people, read just now)"]
                    )
            except SlackError:
                unreadable.append(f"{kind} {ident}")
        if not evidence and unreadable:
            raise _members_unreadable(f"who is in {' and '.join(unreadable)}")
        if not evidence and problems:
            raise NotAllowedError(f"You cannot decide here: {'; '.join(problems)}.", hint=ACCEPT_HINT)
        return ApproverEvidence(tuple(matched), "; ".join(evidence))

    async def read_groups(self, user: str, sources: Iterable[str], *, fresh: bool = False) -> tuple[str, ...] | None:
        """Return which user groups and channels of `sources` a user belongs to; None if any cannot be read.

        Uses data up to `CACHE_SECONDS` old unless `fresh`.
        """
        idents = [source.upper() for source in sources]
        if not all(_IDENT.fullmatch(ident) for ident in idents):  # a group of another directory
            return None
        matched = []
        for ident in idents:
            members = await self._members(ident, self._reader(ident), fresh=fresh)
            if members is None:
                return None
            matched += [ident] if user in members.people else []
        return tuple(matched)

    async def members(self, idents: Iterable[str]) -> frozenset[str]:
        """Return the accounts in user groups and channels, up to `CACHE_SECONDS` old; unreadable ones are left out."""
        people: set[str] = set()
        for ident in idents:
            members = await self._members(ident, self._reader(ident), fresh=False)
            people |= members.people if members is not None else frozenset()
        return frozenset(people)

    async def require_full_member(self, user: str, account: Account | None = None) -> Member:
        """Return an active full member; `account` is what Slack said of them for this interaction.

        Raises `NotAllowedError` for all others, `MembershipUnreadableError` if Slack does not answer.
        """
        account = await self._account(user) if account is None else account
        if any(account.get(name) for name in LESS_THAN_MEMBERS):
            raise NotAllowedError("Only full, active members of this workspace can ask for a change, or decide.")
        profile: dict[str, Any] = account.get("profile") or {}
        return Member(str(account.get("name", "")), str(profile.get("email", "")))

    async def _account(self, user: str) -> Account:
        """Return an active account of this workspace, be it a guest's; raises as `admit` does."""
        tenant = await self.tenant()
        try:
            account: dict[str, Any] = (await self._slack.get("users.info", {"user": user})).get("user", {})
        except SlackError:
            raise _slack_unavailable("who you are") from None
        if account.get("id") != user:
            raise _slack_unavailable("who you are")
        match tenant.affiliation(account):
            case Affiliation.FOREIGN:
                raise foreign_account_error()
            case Affiliation.COLLEAGUE:
                raise other_workspace_error()
            case Affiliation.MEMBER:
                if account.get("deleted") or account.get("is_bot"):
                    raise NotAllowedError(
                        "Only full, active members of this workspace can ask for a change, or decide."
                    )
        return account

    async def read_email(self, user: str, *, fresh: bool = False) -> str:
        """Return a user's e-mail address in lower case, or "" if Slack does not return it."""
        now = self._clock.monotonic()
        known = {account: entry for account, entry in self._emails.items() if now - entry[1] <= CACHE_SECONDS}
        if fresh or user not in known:
            try:
                answer = await self._slack.get("users.info", {"user": user})
            except SlackError:
                return ""
            profile_owner: dict[str, Any] = answer.get("user", {})
            email = (
                str((profile_owner.get("profile") or {}).get("email", "")) if profile_owner.get("id") == user else ""
            )
            known[user] = email.lower(), now
        self._emails = known
        return known[user][0]

    async def read_zone(self, user: str) -> str:
        """Return the name of a user's time zone as Slack knows it, "UTC" where it does not."""
        try:
            account: dict[str, Any] = (await self._slack.get("users.info", {"user": user})).get("user", {})
        except SlackError:
            raise _slack_unavailable("your time zone") from None
        return str(account.get("tz") or "UTC")

    def _sources(self, approvers: Approvers) -> list[tuple[str, str, Read]]:
        groups: list[tuple[str, str, Read]] = [(group, "user group", self._group) for group in approvers.groups]
        return [*groups, *((channel, "channel", self._channel) for channel in approvers.channels)]

    def _reader(self, ident: str) -> Read:
        return self._group if ident.startswith("S") else self._channel

    async def _members(self, ident: str, reader: Read, *, fresh: bool) -> _CachedMembers | None:
        known = self._known.get(ident)
        if not fresh and known is not None and self._clock.monotonic() - known.read_at <= CACHE_SECONDS:
            return known
        self._known.pop(ident, None)
        try:
            members = _CachedMembers(await reader(ident), self._clock.monotonic())
        except SlackError:
            return None
        self._known[ident] = members
        return members

    async def _group(self, ident: str) -> frozenset[str]:
        answer = await self._slack.get("usergroups.users.list", {"usergroup": ident})
        return frozenset(str(user) for user in answer.get("users", []))

    async def _channel(self, ident: str) -> frozenset[str]:
        people: set[str] = set()
        cursor = ""
        for _ in range(MAX_PAGES):
            params = {"channel": ident, "limit": str(PAGE_SIZE), **({"cursor": cursor} if cursor else {})}
            answer = await self._slack.get("conversations.members", params)
            people |= {str(user) for user in answer.get("members", [])}
            cursor = str(answer.get("response_metadata", {}).get("next_cursor", ""))
            if not cursor:
                return frozenset(people)
        raise SlackError("conversations.members", "too_many_members")


class MembershipUnreadableError(NotAllowedError):
    """The data that decides a permission cannot be read from Slack."""


class ForeignAccountError(NotAllowedError):
    """An account of another company, in a shared channel."""


class OtherWorkspaceError(NotAllowedError):
    """An account of another workspace of the same organisation."""


def foreign_account_error() -> ForeignAccountError:
    """Return the refusal for accounts of another company."""
    return ForeignAccountError("Only members of this workspace can use me, not people of another company.")


def other_workspace_error() -> OtherWorkspaceError:
    """Return the refusal for accounts of the same organisation that are not in this workspace."""
    return OtherWorkspaceError(
        "I belong to another workspace of your organisation, and only its members can use me.",
        hint="An administrator of that workspace can add you to it.",
    )


def _members_unreadable(what: str) -> MembershipUnreadableError:
    return MembershipUnreadableError(
        f"Slack did not return {what}, so your right to decide could not be checked.",
        hint="Nothing was decided. If it persists, ask an administrator to check the app's scopes and the group.",
    )


def _slack_unavailable(what: str) -> MembershipUnreadableError:
    return MembershipUnreadableError(
        f"Slack did not return {what}, so nothing was done.",
        hint="Try again. If it persists, ask an administrator to run `vpsops doctor`.",
    )
