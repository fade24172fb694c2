"""Where the messages about a change go."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from vpsops.bot.blocks.text import is_user_id
from vpsops.bot.messages.change_card import Audience
from vpsops.core.changes.model import Change, State
from vpsops.core.config.settings import Settings
from vpsops.core.identity.actors import ActorKind
from vpsops.core.messaging.outbox import PostedMessage
from vpsops.core.operations.traits import makes_server
from vpsops.core.policy.decision import Decision


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
    return next((item for item in Audience if item.value == purpose), Audience.ASKER)


def card_places(change: Change, settings: Settings) -> list[Place]:
    """Return where a change's card belongs: with the voters where others decide, and where it was asked for."""
    places: list[Place] = []
    voters = settings.approval_channel or settings.channel
    if change.ruling.decision is Decision.APPROVE and voters:
        instead = settings.channel if settings.channel != voters else ""
        places.append(Place(Audience.VOTERS.value, voters, instead=instead))
    origin = change.origin
    if origin.front == "slack" and origin.channel and origin.channel not in {place.channel for place in places}:
        places.append(Place(Audience.ASKER.value, origin.channel, origin.thread, asker_of(change)))
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


def asker_of(change: Change) -> str:
    """Return the Slack id of the requester, or of the human behind an agent; empty if unknown."""
    actor = change.actor
    known = (actor.account, actor.id if actor.kind is ActorKind.PERSON else "")
    return next((item for item in known if is_user_id(item)), "")
