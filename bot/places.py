"""Where the messages about a change go; pure."""

from dataclasses import dataclass
from typing import Final

from bot.blocks.cards import Audience
from bot.blocks.text import is_person
from core.changes.model import Change, Decision, State
from core.settings import Settings

ALWAYS_TOLD: Final = frozenset({"create"})
"""Operations whose end is told to a channel in a message of its own; the others' in their card's thread."""


@dataclass(frozen=True, slots=True)
class Place:
    """A place for one copy; `purpose` tells the copies of a topic apart, `instead` is where it goes if it is closed."""

    purpose: str
    channel: str
    thread: str = ""
    instead: str = ""

    @property
    def audience(self) -> Audience:
        """Who a copy here is for."""
        return audience_of(self.purpose)


def audience_of(purpose: str) -> Audience:
    """Return who the copies of a purpose are for; one we do not know gets no vote buttons."""
    return Audience.VOTERS if purpose == Audience.VOTERS.value else Audience.ASKER


def card_places(change: Change, settings: Settings) -> list[Place]:
    """Return where a change's card belongs: with the voters where others decide, and where it was asked for."""
    places: list[Place] = []
    voters = settings.approval_channel or settings.channel
    if change.ruling.decision is Decision.APPROVE and voters:
        instead = settings.channel if settings.channel != voters else ""
        places.append(Place(Audience.VOTERS.value, voters, instead=instead))
    origin = change.origin
    if origin.front == "slack" and origin.channel and origin.channel not in {one.channel for one in places}:
        places.append(Place(Audience.ASKER.value, origin.channel, origin.thread, asker_of(change)))
    return places


def notice_places(change: Change, settings: Settings) -> list[Place]:
    """Return the channels that get a message of their own about what became of a change."""
    told = settings.channel or (change.origin.channel if change.operation in ALWAYS_TOLD else "")
    if not told or change.state is State.HELD:
        return []
    return [Place("", told, instead=asker_of(change))]


def asker_of(change: Change) -> str:
    """Return the Slack id of the person who asks, or for whom an agent does; nothing where none is known."""
    known = (change.actor.human, change.actor.id, *change.actor.aliases)
    return next((one for one in known if is_person(one)), "")
