"""A change during the delivery of its messages, with their places: loaded once for all of them."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

import anyio

from vpsops.bot.blocks.plan_names import name_posts
from vpsops.core.changes.model import Change
from vpsops.core.execution.card_refresh import load_with_copies
from vpsops.core.messaging.outbox import Outbox, topic_of
from vpsops.core.messaging.posted_messages import PostedMessage

NOTICE: Final = "told:"
"""How the purposes of all copies begin that are no cards; stored."""
FIXED: Final = f"{NOTICE}fixed:"
"""How the purposes of cards begin that Slack does not let us edit: they stay as they are."""
ENDED: Final = f"{NOTICE}ended:"
"""How the purposes of messages begin that take the place of such a card at the end."""
NAMES: Final = f"{NOTICE}names:"
"""How the purposes of messages begin that name a plan's servers in the thread of a card; its timestamp follows."""
LOCKS_KEPT: Final = 2000


@dataclass(slots=True)
class ChangeTopic:
    """One change with the copies of its messages, kept up to date while this process has the topic in hand."""

    outbox: Outbox
    change: Change
    copies: list[PostedMessage]
    unsaved: list[PostedMessage] = field(default_factory=list)
    """Notices that were posted and are stored with the end of the message that they came from."""

    @property
    def name(self) -> str:
        """The topic's name in the outbox."""
        return topic_of(self.change.id)

    @property
    def cards(self) -> list[PostedMessage]:
        """The copies of the card, oldest first."""
        return [copy for copy in self.copies if not copy.purpose.startswith(NOTICE)]

    @property
    def fixed(self) -> list[PostedMessage]:
        """The cards that cannot be edited, oldest first."""
        return [copy for copy in self.copies if copy.purpose.startswith(FIXED)]

    def has(self, prefix: str, purpose: str) -> bool:
        """Return whether a copy was posted, or fixed, in place of a card of this purpose."""
        return any(copy.purpose == prefix + purpose for copy in self.copies)

    async def fix(self, copy: PostedMessage) -> None:
        """Take a card as one that cannot be edited any more; a click on it is still known. Raises `StorageError`."""
        await self.forget(copy)
        await self.remember(FIXED + copy.purpose, copy.channel, copy.ts)

    async def remember(self, purpose: str, channel: str, ts: str, *, audited: str = "") -> PostedMessage:
        """Store a card that was posted, at once: its buttons work from now on. Raises `StorageError`."""
        await self.outbox.remember(self.name, purpose, channel, ts, audited=audited)
        copy = PostedMessage(self.name, purpose, channel, ts)
        if copy not in self.copies:
            self.copies.append(copy)
        return copy

    async def forget(self, copy: PostedMessage) -> None:
        """Forget a copy that is gone from its channel. Raises `StorageError`."""
        await self.outbox.forget(self.name, copy.channel, copy.ts)
        self.copies = [known for known in self.copies if (known.channel, known.ts) != (copy.channel, copy.ts)]

    def note(self, purpose: str, channel: str, ts: str) -> None:
        """Keep a notice that was posted, to be stored by the caller that takes `unsaved`.

        A process that dies before finds the post again by its name.
        """
        copy = PostedMessage(self.name, purpose, channel, ts)
        self.copies.append(copy)
        self.unsaved.append(copy)

    def take_unsaved(self) -> list[PostedMessage]:
        """Return the notices to store, once."""
        unsaved, self.unsaved = self.unsaved, []
        return unsaved


def names_purpose(ts: str, part: int) -> str:
    """Return the purpose of a part of a plan's names in the thread of a card."""
    return f"{NAMES}{ts}:{part}"


def has_all_names(change: Change, copies: Sequence[PostedMessage], channel: str) -> bool:
    """Return whether a card of a channel has all names of a plan's servers in it and its thread.

    For a channel without a card, that of another one counts.
    """
    parts = range(len(name_posts(change)))
    cards = [copy for copy in copies if not copy.purpose.startswith(NOTICE) or copy.purpose.startswith(FIXED)]
    here = [card for card in cards if card.channel == channel] or cards
    posted = {copy.purpose for copy in copies}
    return not parts or any(all(names_purpose(card.ts, part) in posted for part in parts) for card in here)


@dataclass(slots=True)
class TopicBatch:
    """A topic in hand: its change, loaded once, and the messages that were delivered and are not settled yet."""

    topic: str
    change: ChangeTopic | None = None
    delivered: list[int] = field(default_factory=list)


class TopicLocks:
    """One lock for each topic: what is posted of one is posted by one task at a time."""

    def __init__(self) -> None:
        self._locks: dict[str, anyio.Lock] = {}

    def of(self, topic: str) -> anyio.Lock:
        """Return a topic's lock."""
        if len(self._locks) > LOCKS_KEPT:
            self._locks = {name: lock for name, lock in self._locks.items() if lock.locked()}
        return self._locks.setdefault(topic, anyio.Lock())


async def load_topic(outbox: Outbox, change_id: str) -> ChangeTopic:
    """Load a change and its copies in one transaction; raises `UnknownChangeError`, `StorageError`."""
    change, copies = await load_with_copies(outbox, change_id)
    return ChangeTopic(outbox, change, copies)
