"""Where the messages about a change go, and which of them notify a person.

A direct message and a mention notify by Slack's default settings, and so does a reply in a thread that begins with a
mention of its reader. So a change mentions its requester in one channel and names them in words elsewhere, and what
reached them there is not sent directly too. That is decided by the stored copies alone: another process, or the next
process, comes to the same.
"""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from vpsops.bot.blocks.approver_text import CHANNEL_MENTION, ApproverLabels, approver_mentions, group_mentions
from vpsops.bot.blocks.text import is_user_id, user_mention
from vpsops.bot.messages.change_card import MOST_MENTIONED, Audience
from vpsops.bot.notifications.change_topic import ENDED, NOTICE
from vpsops.bot.notifications.subscribers import Subscribers
from vpsops.bot.workspaces.approver_directory import ApproverDirectory
from vpsops.core.app import Core
from vpsops.core.changes.approvals import awaits_slack, first_attention, last_attention
from vpsops.core.changes.model import Change, State
from vpsops.core.config.settings import Settings
from vpsops.core.identity.actors import ActorKind
from vpsops.core.messaging.posted_messages import PostedMessage
from vpsops.core.messaging.subscriptions import Subscription
from vpsops.core.operations.traits import makes_server
from vpsops.core.policy.decision import Decision

ENDS: Final = frozenset(
    {"succeeded", "failed", "needs_person", "denied", "expired", "superseded", "cancelled", "set_aside"}
)
"""News that a requester is sent directly where no other message notifies them."""
FINAL: Final = ENDS - {"needs_person"}
SET_ASIDE: Final = "set_aside"
"""An end that its requester does not expect: in direct messages it is a message of its own, not a reply."""
DIRECT: Final = f"{NOTICE}dm:"
"""How the purposes of direct messages begin; stored."""


@dataclass(frozen=True, slots=True)
class Place:
    """A place for one copy; `purpose` distinguishes the copies of a topic, `instead` is where it goes if it is closed.

    What is said in a thread is shown in the channel too with `broadcast`.
    """

    purpose: str
    channel: str
    thread: str = ""
    instead: str = ""
    broadcast: bool = False

    @property
    def audience(self) -> Audience:
        """Who a copy here is for."""
        return audience_of(self.purpose)


def audience_of(purpose: str) -> Audience:
    """Return who the copies of a purpose are for; one we do not know gets no vote buttons."""
    return next((audience for audience in Audience if audience.value == purpose), Audience.ASKER)


def card_places(change: Change, settings: Settings) -> list[Place]:
    """Return where a change's card belongs: with the voters where others decide, and where it was asked for.

    What an agent asks for and its own human confirms belongs in that person's direct messages.
    """
    places: list[Place] = []
    voters = settings.approval_channel or settings.channel
    if (change.ruling.decision is Decision.APPROVE or change.ruling.grant is not None) and voters:
        instead = settings.channel if settings.channel != voters else ""
        places.append(Place(Audience.VOTERS.value, voters, instead=instead))
    origin = change.origin
    if origin.front == "slack" and origin.channel and origin.channel not in {place.channel for place in places}:
        places.append(Place(Audience.ASKER.value, origin.channel, origin.thread, asker_of(change)))
    if awaits_slack(change):
        places.append(Place(Audience.ASKER.value, change.actor.account))
    return places


def notice_places(change: Change, cards: Sequence[PostedMessage], notified: Collection[str]) -> list[Place]:
    """Return where the outcome of a change is posted, besides the channels that subscribed.

    In the thread of every card elsewhere; where no channel subscribed, the end of a create in a message of its own.
    """
    own = (
        change.origin.channel
        if makes_server(change.operation) and not notified and change.state is not State.HELD
        else ""
    )
    places = [Place("", own, instead=asker_of(change))] if own else []
    silent = {*notified, own}
    return [*places, *(Place("", card.channel, card.ts) for card in cards if card.channel not in silent)]


def reviewer_places(change: Change, cards: Sequence[PostedMessage], settings: Settings) -> list[Place]:
    """Return where those who may review a run without approval are called: in the threads of the cards they vote on.

    Without such a card, in the channel where they would vote, or in the one it was asked for in.
    """
    voted = [card for card in cards if audience_of(card.purpose) is not Audience.ASKER]
    if voted:
        return [Place("", card.channel, card.ts) for card in voted]
    channel = settings.approval_channel or settings.channel or asked_channel(change)
    return [Place("", channel)] if channel else []


def asker_of(change: Change) -> str:
    """Return the Slack id of the requester, or of the human behind an agent; empty if unknown."""
    actor = change.actor
    known = (actor.account, actor.id if actor.kind is ActorKind.PERSON else "")
    return next((ident for ident in known if is_user_id(ident)), "")


def is_direct(channel: str) -> bool:
    """Return whether a channel is a direct message, by its id or by that of the person."""
    return channel.startswith("D") or is_user_id(channel)


def asked_channel(change: Change) -> str:
    """Return the channel that a change was asked for in; empty for agents and terminals."""
    return change.origin.channel if change.origin.front == "slack" else ""


def mentions_requester(change: Change, audience: Audience, channel: str, *, instead: bool) -> bool:
    """Return whether a card in this channel mentions the requester rather than naming them.

    One in a channel does not, for they would follow its thread. Approvers are shown an agent's human by a mention,
    which no text can imitate; a card that is posted `instead` of the notice of the end mentions who waits for that.
    """
    verified = audience is Audience.VOTERS and change.actor.kind is ActorKind.AGENT
    return is_direct(channel) or verified or (instead and channel == asked_channel(change))


def notifying_channel(change: Change, subscribed: Iterable[Subscription]) -> str:
    """Return the channel that mentions the requester: their own messages if subscribed, or where they asked.

    `subscribed` are the subscriptions that are sent the news at once.
    """
    who = asker_of(change)
    if not who:
        return ""
    own = (entry.channel for entry in subscribed if is_direct(entry.channel) and entry.by.get("id") == who)
    return next(own, "") or asked_channel(change)


def voters_channels(change: Change, cards: Iterable[PostedMessage]) -> list[str]:
    """Return the channels with a card that mentions an agent's human, who follows its thread as a member."""
    voters = Audience.VOTERS.value if change.actor.kind is ActorKind.AGENT else ""
    return [card.channel for card in cards if card.purpose == voters]


def replies_with(event: str, channel: str) -> bool:
    """Return whether the thread of a card in this channel gets a reply with the news."""
    return event != SET_ASIDE or not is_direct(channel)


def is_notified(
    event: str, copies: Iterable[PostedMessage], channel: str, subscribed_channels: Collection[str]
) -> bool:
    """Return whether the requester has this news: directly, by the mention in `channel`, or as its subscriber."""
    if channel and channel in subscribed_channels:
        return True
    sent = [copy for copy in copies if _has_news(copy.purpose, event)]
    return any(is_direct(copy.channel) or copy.channel == channel for copy in sent)


def _has_news(purpose: str, event: str) -> bool:
    """Return whether copies of a purpose have the news; a card that was posted for the end has it too."""
    return purpose in {f"{NOTICE}{event}", f"{DIRECT}{event}"} or (event in FINAL and purpose.startswith(ENDED))


class ApprovalMentions:
    """Chooses the mentions of an approval's messages: by the settings, and by the quiet hours of their channel."""

    def __init__(self, core: Core, directory: ApproverDirectory, subscribers: Subscribers) -> None:
        self._core = core
        self._subscribers = subscribers
        self.directory = directory

    async def on_card(
        self, change: Change, audience: Audience, channel: str, labels: ApproverLabels
    ) -> tuple[str, ...]:
        """Return the mentions on a copy of the card; none where its channel is quiet and the reminder comes later.

        The same for every drawing of a copy, so that an edit alters none of them.
        """
        if not self._is_enabled or audience is Audience.ASKER or await self.is_deferred(change, audience, channel):
            return ()
        if audience is Audience.ESCALATED:
            return (CHANNEL_MENTION,)
        return approver_mentions(change.ruling.approvers, channel, labels)

    async def in_thread(self, change: Change, channel: str, labels: ApproverLabels) -> tuple[str, ...]:
        """Return the mentions of a reminder: members of the channel one by one, as Slack takes no other in threads.

        `CHANNEL_MENTION` is among them where they are too many or cannot be read: then it belongs in no thread.
        """
        if not self._is_enabled:
            return ()
        approvers = change.ruling.approvers
        people = named_approvers(change, labels)
        tokens = group_mentions(approvers)
        if channel in {ident.upper() for ident in approvers.channels}:
            members = sorted(await self.directory.members([channel]))
            people += undecided(change, members) if len(members) <= MOST_MENTIONED else []
            tokens += [] if 0 < len(members) <= MOST_MENTIONED else [CHANNEL_MENTION]
        return tuple(dict.fromkeys([*tokens, *(user_mention(person) for person in people)]))

    async def reached(self, change: Change, channel: str, labels: ApproverLabels) -> frozenset[str]:
        """Return the named approvers that a reminder in this channel notifies; not those who may not be in it."""
        named = named_approvers(change, labels)
        shown = (await self.in_thread(change, channel, labels))[:MOST_MENTIONED]
        mentioned = [person for person in named if user_mention(person) in shown]
        return (await self.directory.members([channel])) & frozenset(mentioned) if mentioned else frozenset()

    async def is_deferred(self, change: Change, audience: Audience, channel: str) -> bool:
        """Return whether quiet hours keep a copy from notifying when it is posted."""
        timing = self._core.timing
        posted = first_attention(change, timing) if audience is Audience.ESCALATED else change.created_at
        until = await self._subscribers.quiet_until(channel, posted or change.created_at)
        last = last_attention(change, timing)
        return self._is_enabled and until is not None and last is not None and until <= last

    async def is_quiet(self, channel: str, now: datetime) -> bool:
        """Return whether a channel has quiet hours now."""
        return await self._subscribers.quiet_until(channel, now) is not None

    async def unreached(self, change: Change, channels: Collection[str]) -> list[str]:
        """Return the approvers that no mention in these channels reaches, by their groups and channels."""
        approvers = change.ruling.approvers
        others = [ident for ident in approvers.channels if ident.upper() not in channels]
        present = await self.directory.members(channels)
        unreached = await self.directory.members(approvers.groups) - present | await self.directory.members(others)
        return undecided(change, sorted(unreached))

    @property
    def _is_enabled(self) -> bool:
        return self._core.settings.approval_mentions == "on"


def named_approvers(change: Change, labels: ApproverLabels) -> list[str]:
    """Return the accounts of the approvers that rules name one by one, without those who voted."""
    accounts = [account for person in change.ruling.approvers.people if (account := labels.account(person))]
    return undecided(change, dict.fromkeys(accounts))


def undecided(change: Change, people: Iterable[str]) -> list[str]:
    """Return the people that neither voted nor requested the change, which keeps them from voting."""
    decided = change.actor.identities.union(*(vote.voter.identities for vote in change.votes))
    return [person for person in people if person.lower() not in decided]
