"""Parser of the arguments of `/vps notify`: events, servers, quiet hours. It never guesses."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Final

from vpsops.bot.protocol.text_normalization import abbreviate
from vpsops.core.common.errors import InvalidInputError
from vpsops.core.messaging.subscriptions import (
    EVERY_SERVER,
    METRICS,
    WITHOUT_THRESHOLD,
    SubscriptionEvent,
    SubscriptionOptions,
    Threshold,
)

EXAMPLE: Final = "For example: /vps notify drift,settled on web* quiet 22:00-07:00 Europe/Oslo"
EVENTS: Final = {event.value: frozenset({event}) for event in SubscriptionEvent} | {
    "all": WITHOUT_THRESHOLD,
    "everything": WITHOUT_THRESHOLD,
    "created": frozenset({SubscriptionEvent.PROVISIONED}),
    "changes": frozenset({SubscriptionEvent.SETTLED}),
    "denied": frozenset({SubscriptionEvent.WITHHELD}),
    "unreachable": frozenset({SubscriptionEvent.PROVIDER}),
}
SHORT: Final = {"mem": "memory", "ram": "memory"}
MINUTES: Final = 10

_THRESHOLD: Final = re.compile(r"(cpu|memory|mem|ram|disk)>(\d{1,3}(?:\.\d)?)%?", re.IGNORECASE)
_TIME: Final = re.compile(r"(\d{1,4})(m|min|minutes?|h|hours?)", re.IGNORECASE)
_SPAN: Final = re.compile(r"(\d{1,2})(?::(\d\d))?-(\d{1,2})(?::(\d\d))?")
_DAYS: Final = re.compile(r"(?:mon|tue|wed|thu|fri|sat|sun)(?:[,-](?:mon|tue|wed|thu|fri|sat|sun))*", re.IGNORECASE)
_ZONE: Final = re.compile(r"[A-Za-z_]+/[A-Za-z0-9_+/-]+|utc|gmt", re.IGNORECASE)
_ID: Final = re.compile(r"sub_[0-9a-f]{4,20}|default")


@dataclass(frozen=True, slots=True)
class ShowSubscriptions:
    """Show this channel's subscriptions."""


@dataclass(frozen=True, slots=True)
class RemoveSubscription:
    """Remove one of this channel's subscriptions."""

    ident: str


@dataclass(frozen=True, slots=True)
class AddSubscription:
    """Subscribe this channel to events of servers."""

    events: frozenset[SubscriptionEvent]
    servers: tuple[str, ...] = (EVERY_SERVER,)
    options: SubscriptionOptions = field(default_factory=SubscriptionOptions)


@dataclass(frozen=True, slots=True)
class _PartialSubscription:
    events: frozenset[SubscriptionEvent] = frozenset()
    servers: tuple[str, ...] = ()
    quiet: tuple[str, ...] = ()
    zone: str = ""
    usage: tuple[Threshold, ...] = ()


def parse_subscription(words: Sequence[str]) -> ShowSubscriptions | RemoveSubscription | AddSubscription:
    """Parse the words after `notify`; raises `InvalidInputError` naming the first invalid word."""
    if not words:
        return ShowSubscriptions()
    if words[0].lower() in {"off", "stop", "remove"}:
        if len(words) != 2 or not _ID.fullmatch(words[1].lower()):  # noqa: PLR2004 - off ID
            raise InvalidInputError("Which subscription?", hint="Write: /vps notify off ID; /vps notify shows the ids.")
        return RemoveSubscription(words[1].lower())
    partial, rest = _PartialSubscription(), list(words)
    while rest:
        partial, rest = _next(partial, rest)
    events = partial.events | ({SubscriptionEvent.USAGE} if partial.usage else set())
    if not events:
        raise InvalidInputError("Name at least one event.", hint=f"The events are {', '.join(EVENTS)}. {EXAMPLE}")
    if SubscriptionEvent.USAGE in events and not partial.usage:
        raise InvalidInputError("usage needs a threshold.", hint="For example: /vps notify cpu>90 for 10m on web*")
    options = SubscriptionOptions(quiet=partial.quiet, zone=partial.zone or "UTC", usage=partial.usage)
    return AddSubscription(frozenset(events), partial.servers or (EVERY_SERVER,), options)


def _next(partial: _PartialSubscription, rest: list[str]) -> tuple[_PartialSubscription, list[str]]:
    word = rest[0].lower()
    if word == "on":
        return _servers(partial, rest[1:])
    if word == "quiet":
        return _quiet(partial, rest[1:])
    if word in {"zone", "tz"} and len(rest) > 1 and _ZONE.fullmatch(rest[1]):
        return replace(partial, zone=_zone(rest[1])), rest[2:]
    if _THRESHOLD.fullmatch(word):
        return _threshold(partial, rest)
    names = [name for name in word.split(",") if name]
    if partial.servers or not names or not all(name in EVENTS for name in names):
        raise InvalidInputError(f"Unexpected word '{abbreviate(rest[0])}'.", hint=EXAMPLE)
    return replace(partial, events=partial.events.union(*(EVENTS[name] for name in names))), rest[1:]


def _servers(partial: _PartialSubscription, rest: list[str]) -> tuple[_PartialSubscription, list[str]]:
    taken = 0
    while taken < len(rest) and rest[taken].lower() not in {"on", "quiet", "zone", "tz"}:
        if _THRESHOLD.fullmatch(rest[taken]):
            break
        taken += 1
    names = tuple(name for word in rest[:taken] for name in word.lower().split(",") if name)
    if not names or partial.servers:
        raise InvalidInputError("on is followed by the servers, once.", hint=EXAMPLE)
    return replace(partial, servers=names), rest[taken:]


def _quiet(partial: _PartialSubscription, rest: list[str]) -> tuple[_PartialSubscription, list[str]]:
    days, spans, zone = "", list[str](), ""
    while rest and not zone:
        word = rest[0]
        if _DAYS.fullmatch(word):
            spans += [days] if days else []
            days = word
        elif _SPAN.fullmatch(word):
            spans.append(f"{days} {_padded(word)}".strip())
            days = ""
        elif _ZONE.fullmatch(word):
            zone = _zone(word)
        else:
            break
        rest = rest[1:]
    spans += [days] if days else []
    if not spans or partial.quiet:
        raise InvalidInputError("quiet is followed by hours, once.", hint="For example: quiet 22:00-07:00 Europe/Oslo")
    return replace(partial, quiet=tuple(spans), zone=zone or partial.zone), rest


def _padded(word: str) -> str:
    partial = _SPAN.fullmatch(word)
    if partial is None:
        return word
    begin, end = (f"{int(partial[at]):02}:{partial[at + 1] or '00'}" for at in (1, 3))
    return f"{begin}-{end}"


def _zone(word: str) -> str:
    return word.upper() if word.lower() in {"utc", "gmt"} else word


def _threshold(partial: _PartialSubscription, rest: list[str]) -> tuple[_PartialSubscription, list[str]]:
    match = _THRESHOLD.fullmatch(rest[0])
    if match is None:
        return partial, rest
    rest, minutes = rest[1:], MINUTES
    if rest and rest[0].lower() == "for":
        time = _TIME.fullmatch("".join(rest[1:2]))
        if time is None:
            raise InvalidInputError("for is followed by a time.", hint="For example: cpu>90 for 10m")
        minutes = int(time[1]) * (60 if time[2].lower().startswith("h") else 1)
        rest = rest[2:]
    metric = match[1].lower()
    threshold = Threshold(SHORT.get(metric, metric), float(match[2]), minutes)
    if threshold.metric not in METRICS:
        raise InvalidInputError(f"Unknown metric {threshold.metric}.", hint=f"The metrics are {', '.join(METRICS)}.")
    return replace(partial, usage=(*partial.usage, threshold)), rest
