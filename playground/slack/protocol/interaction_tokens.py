"""Rights that Slack hands out with an interaction and that run out: triggers and response addresses; no I/O."""

import hashlib
from dataclasses import replace
from datetime import datetime, timedelta

from vpsops.playground.slack.workspace.entities import Message, ResponseUrl, Trigger
from vpsops.playground.slack.workspace.protocol import ApiError
from vpsops.playground.slack.workspace.state import WorkspaceState

TRIGGER_LIFE = timedelta(seconds=3)
RESPONSE_LIFE = timedelta(minutes=30)
RESPONSE_USES = 5


class Grants:
    """The triggers and response addresses given out so far."""

    def __init__(self, state: WorkspaceState) -> None:
        self._state = state
        self.triggers: dict[str, Trigger] = {}
        self.responses: dict[str, ResponseUrl] = {}

    def trigger(self, user: str, now: datetime, view: str | None = None) -> str:
        """Return a new trigger id; `view` when the interaction came from that modal."""
        number = self._state.number()
        made = f"{int(now.timestamp())}.{number}.{_hex(f'{self._state.config.team_id} trigger ', number)}"
        self.triggers[made] = Trigger(made, user, now + TRIGGER_LIFE, view)
        return made

    def exchange(self, trigger_id: str, now: datetime) -> Trigger:
        """Spend a trigger. Raises `ApiError` invalid_trigger_id, exchanged_trigger_id, expired_trigger_id."""
        trigger = self.triggers.get(trigger_id)
        if trigger is None:
            raise ApiError("invalid_trigger_id")
        if trigger.used:
            raise ApiError("exchanged_trigger_id")
        if now > trigger.expires:
            raise ApiError("expired_trigger_id")
        self.triggers[trigger_id] = replace(trigger, used=True)
        return trigger

    def response(self, user: str, channel: str, now: datetime, message: Message | None = None) -> str:
        """Return the token of a new response address; `message` when a click on it requested the address."""
        token = _hex(f"{self._state.config.team_id} response ", self._state.number())
        ephemeral = message is None or message.ephemeral
        ts = message.ts if message else None
        self.responses[token] = ResponseUrl(token, user, channel, now + RESPONSE_LIFE, ts, ephemeral)
        return token

    def use(self, token: str, now: datetime) -> ResponseUrl:
        """Spend one use of a response address. Raises `ApiError` (404) invalid_token, expired_url, used_url."""
        grant = self.responses.get(token)
        if grant is None:
            raise ApiError("invalid_token", status=404)
        if now > grant.expires:
            raise ApiError("expired_url", status=404)
        if grant.uses >= RESPONSE_USES:
            raise ApiError("used_url", status=404)
        self.responses[token] = replace(grant, uses=grant.uses + 1)
        return self.responses[token]


def _hex(kind: str, number: int) -> str:
    return hashlib.sha256(f"{kind}{number}".encode()).hexdigest()[:24]
