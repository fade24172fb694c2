"""Server-sent events for every open page: whole topics, each sent when it differs from the last time."""

import json
from collections.abc import AsyncIterator, Callable

from vpsops.core.common.clock import Clock
from vpsops.playground.slack.workspace.protocol import Json
from vpsops.playground.web.events.change_notifier import Bell

TOGETHER_SECONDS = 0.03  # changes within it are sent together
QUIET_SECONDS = 10.0  # a periodic comment reveals a lost server to the page

Look = Callable[[str], Json]


class Feed:
    """Topics by name; a topic's function gets the id of the person at the page."""

    def __init__(self, bell: Bell, clock: Clock) -> None:
        self.bell = bell
        self.topics: dict[str, Look] = {}
        self.pages = 0
        self.closed = False
        self._clock = clock

    def close(self) -> None:
        """End every stream."""
        self.closed = True
        self.bell.ring()

    async def stream(self, user: str) -> AsyncIterator[str]:
        """Yield events until the page disconnects or the feed is closed."""
        sent: dict[str, str] = {}
        self.pages += 1
        try:
            while not self.closed:
                mark = self.bell.mark()
                for topic, text in self._news(user, sent):
                    yield f"event: {topic}\ndata: {text}\n\n"
                if not await self.bell.wait(mark, QUIET_SECONDS):
                    yield ": still here\n\n"
                await self._clock.sleep(TOGETHER_SECONDS)
        finally:
            self.pages -= 1

    def _news(self, user: str, sent: dict[str, str]) -> list[tuple[str, str]]:
        news = []
        for topic, read in self.topics.items():
            text = json.dumps(read(user), ensure_ascii=True, default=str)
            if sent.get(topic) != text:
                sent[topic] = text
                news.append((topic, text))
        return news
