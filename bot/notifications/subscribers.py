"""Which channels subscribed to what: stored subscriptions and those of the settings, by workspace."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

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
        return [item if item.team else replace(item, id=f"{item.id}:{team}", team=team) for item in subscriptions]

    async def team_of(self, messages: Sequence[OutboxMessage]) -> str:
        """Return the workspace that subscribed to these messages; empty in a single workspace."""
        if not self._core.workspaces.several:
            return ""
        subs = {item for message in messages for item in message.payload.get("subs", ())}
        return next((item.team for item in await self.all() if item.id in subs), "")

    async def others(self, messages: Sequence[OutboxMessage], subscriptions: Mapping[str, Subscription]) -> list[int]:
        """Return the messages that another workspace subscribed to alone: a channel may be shared with it."""
        spaces = self._core.workspaces
        if not spaces.several:
            return []
        known = {item.id for item in await self._store.all()} | {f"{DEFAULT}:{item.team}" for item in spaces.known}
        theirs = known - subscriptions.keys()
        subs = {message.id: set(message.payload.get("subs", ())) for message in messages}
        return [ident for ident, sub in subs.items() if sub & theirs and not sub & subscriptions.keys()]
