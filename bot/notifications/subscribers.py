"""Which channels subscribed to what: stored subscriptions and those of the settings, by workspace."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime

from vpsops.bot.notifications.events import DEFAULT, with_defaults
from vpsops.core.app import Core
from vpsops.core.messaging.outbox import OutboxMessage
from vpsops.core.messaging.subscriptions import Subscription


class Subscribers:
    """Reads the subscriptions of one workspace, or of all."""

    def __init__(self, core: Core) -> None:
        self._core = core
        self._store = core.subscriptions

    async def all(self) -> list[Subscription]:
        """Return every subscription, those of the settings among them."""
        stored, spaces, team = await self._store.all(), self._core.workspaces, self._core.scope.team
        if not spaces.several:
            return with_defaults(self._core.settings, stored)
        teams = [team] if team else sorted({item.team for item in stored} | {item.team for item in spaces.known})
        return [item for each in teams for item in self._of_team(each, [sub for sub in stored if sub.team == each])]

    def _of_team(self, team: str, stored: Sequence[Subscription]) -> list[Subscription]:
        settings = self._core.workspaces.settings_of(self._core.settings, team)
        subscriptions = with_defaults(settings, stored)
        return [
            subscription if subscription.team else replace(subscription, id=f"{subscription.id}:{team}", team=team)
            for subscription in subscriptions
        ]

    async def team_of(self, messages: Sequence[OutboxMessage]) -> str:
        """Return the workspace that subscribed to these messages; empty in a single workspace."""
        if not self._core.workspaces.several:
            return ""
        subs = {ident for message in messages for ident in message.payload.get("subs", ())}
        return next((subscription.team for subscription in await self.all() if subscription.id in subs), "")

    async def quiet_until(self, channel: str, at: datetime) -> datetime | None:
        """Return when the quiet hours of a channel end that a time lies in; watches of a server have none."""
        own = [
            subscription
            for subscription in await self.all()
            if subscription.channel == channel and not subscription.options.watch
        ]
        return quiet_until(own, at)

    async def others(self, messages: Sequence[OutboxMessage], subscriptions: Mapping[str, Subscription]) -> list[int]:
        """Return the messages that another workspace subscribed to alone: a channel may be shared with it."""
        spaces = self._core.workspaces
        if not spaces.several:
            return []
        known = {item.id for item in await self._store.all()} | {f"{DEFAULT}:{item.team}" for item in spaces.known}
        theirs = known - subscriptions.keys()
        subs = {message.id: set(message.payload.get("subs", ())) for message in messages}
        return [ident for ident, sub in subs.items() if sub & theirs and not sub & subscriptions.keys()]


def quiet_until(subscriptions: Sequence[Subscription], at: datetime) -> datetime | None:
    """Return when the first of these subscriptions may speak again; nothing while one of them may."""
    ends = [subscription.options.quiet_until(at) for subscription in subscriptions]
    known = [end for end in ends if end is not None]
    return min(known) if known and len(known) == len(ends) else None
