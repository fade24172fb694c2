"""Whether somebody is among those who may decide, read from Slack at the click; what cannot be read means no."""

import re
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from typing import Any, Final

from bot.slack import Slack, SlackError
from core.changes.model import Approvers
from core.clock import Clock
from core.errors import NotAllowed

KEEP_SECONDS: Final = 30.0
PAGES: Final = 100
"""Of members of a channel; whoever is in one with more than 20,000 cannot be told from who is not."""
PAGE: Final = 200
NOBODY: Final = "users_not_found"
LESS_THAN_MEMBERS: Final = ("deleted", "is_bot", "is_restricted", "is_ultra_restricted", "is_stranger")

_IDENT: Final = re.compile(r"[SCG][A-Z0-9]{2,20}")
Read = Callable[[str], Awaitable[frozenset[str]]]


@dataclass(frozen=True, slots=True)
class Standing:
    """The groups and channels a person was found in, and how, in words for the audit trail."""

    groups: tuple[str, ...]
    evidence: str


@dataclass(frozen=True, slots=True)
class Member:
    """An active full member of the workspace; `email` is empty where Slack does not tell it."""

    name: str = ""
    email: str = ""


@dataclass(frozen=True, slots=True)
class _Members:
    people: frozenset[str]
    read_at: float


class Membership:
    """Reads who is in user groups and channels, and remembers it for half a minute."""

    def __init__(self, slack: Slack, clock: Clock) -> None:
        self._slack = slack
        self._clock = clock
        self._known: dict[str, _Members] = {}
        self._emails: dict[str, tuple[str, float]] = {}

    async def standing(self, user: str, approvers: Approvers) -> Standing:
        """Find a person among the approvers.

        Raises `NotAllowed` for anybody but an active full member, and where what decides the matter cannot be read.
        """
        await self.full_member(user)
        named = user.lower() in {one.lower() for one in approvers.people}
        found: list[str] = []
        said = ["named in the rule"] if named else []
        unread: list[str] = []
        for ident, kind, read in self._sources(approvers):
            members = await self._members(ident, read)
            if members is None:
                unread.append(f"{kind} {ident}")
            elif user in members.people:
                found.append(ident)
                said.append(self._words(kind, ident, members))
        if not said and unread:
            raise _unreadable(f"who is in {' and '.join(unread)}")
        return Standing(tuple(found), "; ".join(said))

    async def addresses(self, user: str, emails: Iterable[str]) -> tuple[str, ...]:
        """Return which of these e-mail addresses are a person's; raises `NotAllowed` where that cannot be read."""
        found = []
        for email in emails:
            try:
                answer = await self._slack.get("users.lookupByEmail", {"email": email})
            except SlackError as error:
                if error.code != NOBODY:
                    raise _unreadable("whose agent asks") from None
            else:
                found += [email] if answer.get("user", {}).get("id") == user else []
        return tuple(found)

    async def groups(self, user: str, wanted: Iterable[str]) -> tuple[str, ...] | None:
        """Return in which of some user groups and channels a person is; None unless every one of them can be read."""
        idents = [one.upper() for one in wanted]
        if not all(_IDENT.fullmatch(one) for one in idents):  # another directory's
            return None
        found = []
        for ident in idents:
            members = await self._members(ident, self._group if ident.startswith("S") else self._channel)
            if members is None:
                return None
            found += [ident] if user in members.people else []
        return tuple(found)

    async def full_member(self, user: str) -> Member:
        """Return who it is; raises `NotAllowed` for all but active full members, `Unreadable` where Slack is mute."""
        try:
            answer = await self._slack.get("users.info", {"user": user})
        except SlackError:
            raise _unreadable("who you are") from None
        about: dict[str, Any] = answer.get("user", {})
        if about.get("id") != user or any(about.get(name) for name in LESS_THAN_MEMBERS):
            raise NotAllowed("Only full, active members of this workspace can ask for a change, or decide.")
        profile: dict[str, Any] = about.get("profile") or {}
        return Member(str(about.get("name", "")), str(profile.get("email", "")))

    async def email(self, user: str) -> str:
        """Return a person's e-mail address in lower case, or nothing where Slack does not tell it."""
        now = self._clock.monotonic()
        known = {one: told for one, told in self._emails.items() if now - told[1] <= KEEP_SECONDS}
        if user not in known:
            try:
                answer = await self._slack.get("users.info", {"user": user})
            except SlackError:
                return ""
            about: dict[str, Any] = answer.get("user", {})
            email = str((about.get("profile") or {}).get("email", "")) if about.get("id") == user else ""
            known[user] = email.lower(), now
        self._emails = known
        return known[user][0]

    def _sources(self, approvers: Approvers) -> list[tuple[str, str, Read]]:
        groups: list[tuple[str, str, Read]] = [(one, "user group", self._group) for one in approvers.groups]
        return [*groups, *((one, "channel", self._channel) for one in approvers.channels)]

    def _words(self, kind: str, ident: str, members: _Members) -> str:
        age = max(0.0, self._clock.monotonic() - members.read_at)
        return f"member of {kind} {ident} ({len(members.people)} people, read {age:.0f} s before)"

    async def _members(self, ident: str, read: Read) -> _Members | None:
        known = self._known.get(ident)
        if known is not None and self._clock.monotonic() - known.read_at <= KEEP_SECONDS:
            return known
        self._known.pop(ident, None)
        try:
            members = _Members(await read(ident), self._clock.monotonic())
        except SlackError:
            return None
        self._known[ident] = members
        return members

    async def _group(self, ident: str) -> frozenset[str]:
        answer = await self._slack.get("usergroups.users.list", {"usergroup": ident})
        return frozenset(str(one) for one in answer.get("users", []))

    async def _channel(self, ident: str) -> frozenset[str]:
        people: set[str] = set()
        cursor = ""
        for _ in range(PAGES):
            params = {"channel": ident, "limit": str(PAGE), **({"cursor": cursor} if cursor else {})}
            answer = await self._slack.get("conversations.members", params)
            people |= {str(one) for one in answer.get("members", [])}
            cursor = str(answer.get("response_metadata", {}).get("next_cursor", ""))
            if not cursor:
                return frozenset(people)
        raise SlackError("conversations.members", "too_many_members")


class Unreadable(NotAllowed):
    """What decides whether somebody may do it cannot be read from Slack just now."""


def _unreadable(what: str) -> Unreadable:
    return Unreadable(
        f"I cannot read {what} just now, so nobody can decide by it.",
        hint="Nothing was decided. If it stays so, an administrator should check the app's scopes and the group.",
    )
