"""The subscriptions of channels to events, their matching and their store."""

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from functools import lru_cache, partial
from typing import Final, Self

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from vpsops.core.audit import chain
from vpsops.core.common.clock import Clock
from vpsops.core.common.errors import InvalidInputError
from vpsops.core.common.json_types import Json
from vpsops.core.identity.actors import Actor
from vpsops.core.policy.context import ServerPatterns
from vpsops.core.policy.hours import Hours
from vpsops.core.storage import rows
from vpsops.core.storage.database import Database
from vpsops.core.storage.tables import SUBSCRIPTIONS

PER_CHANNEL: Final = 20
PATTERNS: Final = 10
PATTERN: Final = 253
THRESHOLDS: Final = 5
LONGEST_QUIET: Final = timedelta(days=7)
EVERY_SERVER: Final = "*"
EVERY_DAY: Final = ("00:00-24:00",)
QUIET_HINT: Final = "For example: quiet 22:00-07:00 Europe/Oslo"


class SubscriptionEvent(StrEnum):
    """The events that a channel can subscribe to."""

    PROVISIONED = "provisioned"  # a create that ended, well or not
    SETTLED = "settled"  # a change succeeded, failed, takes too long or needs a person
    WITHHELD = "withheld"  # a change was not run: denied, expired, out of date
    DRIFT = "drift"  # a server changed state without a request from here
    USAGE = "usage"  # a figure stayed over a threshold
    PROVIDER = "provider"  # the provider is unreachable, refuses the key, or is back


OF_ONE_SERVER: Final = frozenset(SubscriptionEvent) - {SubscriptionEvent.PROVIDER, SubscriptionEvent.USAGE}
WITHOUT_THRESHOLD: Final = frozenset(SubscriptionEvent) - {SubscriptionEvent.USAGE}
METRICS: Final = ("cpu", "memory", "disk")


@dataclass(frozen=True, slots=True)
class Threshold:
    """A figure in percent that must stay above a limit for some minutes before a notice."""

    metric: str
    above: float
    minutes: int

    @property
    def words(self) -> str:
        """The threshold as people write it."""
        return f"{self.metric}>{self.above:g} for {self.minutes}m"


@lru_cache(maxsize=1000)
def _hours(spans: tuple[str, ...], zone: str) -> Hours:
    return Hours.parse(spans, [], zone)


@lru_cache(maxsize=10_000)
def _quiet_end(spans: tuple[str, ...], zone: str, minute: datetime) -> datetime | None:
    hours, step = _hours(spans, zone), timedelta(minutes=1)
    if not hours.hold(minute):
        return None
    ends = (minute + step * count for count in range(1, int(LONGEST_QUIET / step) + 1))
    return next((at for at in ends if not hours.hold(at)), minute + LONGEST_QUIET)


@dataclass(frozen=True, slots=True)
class SubscriptionOptions:
    """A subscription's limits in time: quiet hours, thresholds, an end."""

    quiet: tuple[str, ...] = ()  # spans such as "22:00-07:00" or "Sat-Sun"
    zone: str = "UTC"
    usage: tuple[Threshold, ...] = ()
    until: datetime | None = None
    watch: bool = False  # one server for some time, in addition to the channel's other events

    def __post_init__(self) -> None:
        """Validate the options; raises `InvalidInputError`."""
        try:
            hours, always = _hours(self.quiet or EVERY_DAY, self.zone), _hours(EVERY_DAY, self.zone)
        except ValueError as error:
            raise InvalidInputError(f"The quiet hours cannot be read: {error}.", hint=QUIET_HINT) from None
        if self.quiet and hours.cover(always):
            raise InvalidInputError("The quiet hours cover the whole day.", hint=QUIET_HINT)

    def quiet_until(self, now: datetime) -> datetime | None:
        """Return when the quiet hours that `now` lies in end, by the wall clock of the zone; nothing outside them."""
        return _quiet_end(self.quiet, self.zone, now.replace(second=0, microsecond=0)) if self.quiet else None

    @property
    def value(self) -> dict[str, Json]:
        """The options as they are stored."""
        return {
            "quiet": list(self.quiet),
            "zone": self.zone,
            "usage": [[threshold.metric, threshold.above, threshold.minutes] for threshold in self.usage],
            "until": self.until.timestamp() if self.until else None,
            "watch": self.watch,
        }

    @classmethod
    def of(cls, value: Mapping[str, Json]) -> Self:
        """Read stored options."""
        until = value.get("until")
        return cls(
            quiet=tuple(value.get("quiet", ())),
            zone=str(value.get("zone", "UTC")),
            usage=tuple(
                Threshold(str(threshold[0]), float(threshold[1]), int(threshold[2]))
                for threshold in value.get("usage", ())
            ),
            until=datetime.fromtimestamp(until, UTC) if until else None,
            watch=bool(value.get("watch")),
        )


@dataclass(frozen=True, slots=True)
class Subscription:
    """One channel's subscription to some events of some servers."""

    id: str
    team: str
    channel: str
    events: frozenset[SubscriptionEvent]
    servers: tuple[str, ...] = (EVERY_SERVER,)
    options: SubscriptionOptions = field(default_factory=SubscriptionOptions)
    by: Mapping[str, Json] = field(default_factory=dict)
    at: datetime = datetime(1970, 1, 1, tzinfo=UTC)

    def alive(self, now: datetime) -> bool:
        """Return whether it has not ended."""
        return self.options.until is None or now < self.options.until

    def means(self, ident: str, hostname: str) -> bool:
        """Return whether it is about this server, by the policy's rule for names and patterns."""
        return bool(_servers(self.servers).hold(ident.lower(), hostname.lower().rstrip(".")))

    def wants(self, events: Iterable[SubscriptionEvent], now: datetime) -> bool:
        """Return whether it is about any of these events, and has not ended."""
        return self.alive(now) and not self.events.isdisjoint(events)

    @property
    def needs_polls(self) -> bool:
        """Return whether it needs the provider polled while no change is in progress."""
        return not self.events.isdisjoint(
            {SubscriptionEvent.DRIFT, SubscriptionEvent.PROVIDER, SubscriptionEvent.USAGE}
        )


@lru_cache(maxsize=1000)
def _servers(words: tuple[str, ...]) -> ServerPatterns:
    return ServerPatterns.of(words)


def subscription_id(key: str) -> str:
    """Return the id of the subscription that one delivery makes: the same on every redelivery."""
    return f"sub_{hashlib.sha256(key.encode()).hexdigest()[:12]}"


def check(subscription: Subscription) -> Subscription:
    """Return it as it is stored; raises `InvalidInputError` if it is invalid."""
    servers = tuple(
        dict.fromkeys(server.strip().lower().rstrip(".") for server in subscription.servers if server.strip())
    )
    if not subscription.events:
        raise InvalidInputError("There is no event in it.", hint=f"The events are {', '.join(SubscriptionEvent)}.")
    if not servers or len(servers) > PATTERNS or any(len(server) > PATTERN for server in servers):
        raise InvalidInputError(f"Name one to {PATTERNS} servers or patterns.", hint="For example: on web* db01")
    usage = subscription.options.usage
    if (SubscriptionEvent.USAGE in subscription.events) != bool(usage):
        raise InvalidInputError(
            "Usage needs a threshold, and a threshold is about usage.", hint="For example: cpu>90 for 10m"
        )
    if len(usage) > THRESHOLDS or not all(_is_sound(threshold) for threshold in usage):
        raise InvalidInputError(
            "A threshold is a percentage below 100, for up to a day.", hint="For example: cpu>90 for 10m"
        )
    return replace(subscription, servers=servers)


def _is_sound(threshold: Threshold) -> bool:
    return threshold.metric in METRICS and 0 < threshold.above < 100 and 1 <= threshold.minutes <= 1440  # noqa: PLR2004 - percent, a day


class Subscriptions:
    """The store. Adding and removing is audited in the same transaction."""

    __slots__ = ("_clock", "_database")

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    async def add(self, subscription: Subscription, by: Actor) -> Subscription:
        """Store a subscription; one with a known id is returned as it is.

        A watch takes the place of an earlier one of the same server in the same channel. Raises
        `InvalidInputError` for one that is none or one too many, and `StorageError`.
        """
        now = self._clock.now()
        ready = replace(check(subscription), by=_person(by), at=now)
        return await self._database.transact(lambda connection: _add(connection, ready, now))

    async def remove(self, team: str, channel: str, ident: str, by: Actor) -> Subscription:
        """Remove one of a channel's subscriptions; raises `InvalidInputError` where it has none by that id."""

        def work(connection: Connection) -> Subscription:
            match = next(
                (subscription for subscription in _of_channel(connection, team, channel) if subscription.id == ident),
                None,
            )
            if match is None:
                raise InvalidInputError(
                    "This channel has no such subscription.", hint="/vps notify shows those it has."
                )
            _remove(connection, match, self._clock.now().timestamp(), _person(by))
            return match

        return await self._database.transact(work)

    async def of_channel(self, team: str, channel: str) -> list[Subscription]:
        """Return a channel's subscriptions that have not ended, oldest first."""
        now = self._clock.now()
        subscriptions = await self._database.read(partial(_of_channel, team=team, channel=channel))
        return [subscription for subscription in subscriptions if subscription.alive(now)]

    async def all(self) -> list[Subscription]:
        """Return every subscription that has not ended, oldest first."""
        now = self._clock.now()
        return [
            subscription for subscription in await self._database.read(all_subscriptions) if subscription.alive(now)
        ]


def all_subscriptions(connection: Connection) -> list[Subscription]:
    """Return every stored subscription, oldest first."""
    return _select(connection, sa.true())


def needs_polling(connection: Connection, now: datetime) -> bool:
    """Return whether a subscription needs the provider polled while no change is in progress."""
    return any(subscription.needs_polls and subscription.alive(now) for subscription in all_subscriptions(connection))


def forget_ended(connection: Connection, now: float) -> int:
    """Remove the subscriptions that have ended, and return how many; `now` in seconds since 1970."""
    until = [(subscription, subscription.options.until) for subscription in all_subscriptions(connection)]
    ended = [expired for expired, end in until if end is not None and end.timestamp() <= now]
    for expired in ended:
        _remove(connection, expired, now, {"kind": "time"})
    return len(ended)


def _add(connection: Connection, new: Subscription, now: datetime) -> Subscription:
    there = _of_channel(connection, new.team, new.channel)
    known = next((subscription for subscription in there if subscription.id == new.id), None)
    if known is not None:
        return known
    for existing in there:
        again = new.options.watch and existing.options.watch and existing.servers == new.servers
        if again or not existing.alive(now):
            _remove(connection, existing, now.timestamp(), new.by)
    if len(_of_channel(connection, new.team, new.channel)) >= PER_CHANNEL:
        hint = "Remove one first: /vps notify shows them."
        raise InvalidInputError(f"This channel has {PER_CHANNEL} subscriptions already.", hint=hint)
    connection.execute(sa.insert(SUBSCRIPTIONS).values(**_values(new)))
    chain.append(connection, now.timestamp(), "subscribed", None, _body(new, new.by))
    return new


def _remove(connection: Connection, subscription: Subscription, now: float, by: Mapping[str, Json]) -> None:
    gone = connection.execute(sa.delete(SUBSCRIPTIONS).where(SUBSCRIPTIONS.c.id == subscription.id))
    if gone.rowcount:
        chain.append(connection, now, "unsubscribed", None, _body(subscription, by))


def _of_channel(connection: Connection, team: str, channel: str) -> list[Subscription]:
    return _select(connection, (SUBSCRIPTIONS.c.team == team) & (SUBSCRIPTIONS.c.channel == channel))


def _select(connection: Connection, where: sa.ColumnElement[bool]) -> list[Subscription]:
    query = sa.select(SUBSCRIPTIONS).where(where).order_by(SUBSCRIPTIONS.c.at, SUBSCRIPTIONS.c.id)
    return rows.read(connection, query, SUBSCRIPTIONS.c.id, subscription_of).rows


def _values(subscription: Subscription) -> dict[str, Json]:
    return {
        "id": subscription.id,
        "team": subscription.team,
        "channel": subscription.channel,
        "events": sorted(subscription.events),
        "servers": list(subscription.servers),
        "options": subscription.options.value,
        "by": dict(subscription.by),
        "at": subscription.at.timestamp(),
    }


def subscription_of(row: sa.RowMapping) -> Subscription:
    """Return the subscription a row holds; raises `InvalidInputError` and the errors of reading a foreign row."""
    known = {event.value for event in SubscriptionEvent}  # a newer version's event means nothing here
    return Subscription(
        id=row["id"],
        team=row["team"],
        channel=row["channel"],
        events=frozenset(SubscriptionEvent(event) for event in row["events"] if event in known),
        servers=tuple(row["servers"]),
        options=SubscriptionOptions.of(row["options"]),
        by=row["by"],
        at=datetime.fromtimestamp(row["at"], UTC),
    )


def _body(subscription: Subscription, by: Mapping[str, Json]) -> dict[str, Json]:
    kept: Sequence[str] = ("id", "team", "channel", "events", "servers", "options")
    return {**{name: value for name, value in _values(subscription).items() if name in kept}, "by": dict(by)}


def _person(actor: Actor) -> dict[str, Json]:
    return {"kind": actor.kind.value, "id": actor.id, "name": actor.name}
