"""The limits that hold for everyone, and their meaning for a change.

Unknown facts count against a change: a server of unknown price may cost anything, and a list that is
not complete may hide any number of servers.
"""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from vpsops.core.changes.scope import ServerFilter
from vpsops.core.identity.actors import Actor, ActorKind
from vpsops.core.limits.access import EVERYTHING, AccessScope
from vpsops.core.operations.families.lifetimes import lifetime_text, lifetime_word
from vpsops.core.operations.target import Target
from vpsops.core.plans.model import DEFAULT_MOST
from vpsops.core.policy.context import ServerPatterns, known_name
from vpsops.core.wayscloud.answers.labels import has_term, label_terms
from vpsops.core.wayscloud.answers.models import Plan, Server
from vpsops.core.wayscloud.answers.states import is_gone

HOUR = 3600.0
PLAN_LIFE = "plan:"
"""How an entry of `max_life` begins that is about a plan."""


@dataclass(frozen=True, slots=True)
class Limits:
    """The limits of a team; None and empty mean no limit. Money is a month's, in the account's currency."""

    protected: frozenset[str] = frozenset()
    protected_from_agents: frozenset[str] = frozenset()
    max_monthly_spend: float | None = None
    currency: str = ""
    max_servers: int | None = None
    max_changes_per_hour: int | None = None
    calls_per_minute: int | None = None
    mcp: AccessScope = EVERYTHING
    protected_labels: frozenset[str] = frozenset()
    protected_labels_from_agents: frozenset[str] = frozenset()
    undocumented: bool = True  # whether operations may run that the provider does not document
    max_many: int = DEFAULT_MOST  # servers of one plan
    max_unavailable: tuple[tuple[str, int], ...] = ()  # by a label's key: servers of one value that may be down
    max_life: tuple[
        tuple[str, int], ...
    ] = ()  # by a server pattern, or plan:CODE: seconds until the end of a new server
    deletion_at_end: bool = True  # whether a server that was stopped at its end asks for its deletion
    _protected: ServerPatterns = field(init=False, repr=False, compare=False)
    _from_agents: ServerPatterns = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_protected", ServerPatterns.of(self.protected))
        object.__setattr__(self, "_from_agents", ServerPatterns.of(self.protected_from_agents))

    @property
    def about_creates(self) -> bool:
        """Return whether a create has to be counted."""
        return self.max_servers is not None or self.max_monthly_spend is not None

    @property
    def has_labels(self) -> bool:
        """Return whether a limit is about the labels of servers."""
        return bool(self.protected_labels or self.protected_labels_from_agents or self.max_unavailable)

    def protects(self, target: Target, actor: Actor) -> "Exceeded | None":
        """Return the refusal of any change on a protected server; one of unknown name counts as protected."""
        if self.protected and _means(self._protected, target):
            return _protected("protected", self.protected, target, "No one changes it through vpsops.")
        if self.protected_from_agents and actor.kind is ActorKind.AGENT and _means(self._from_agents, target):
            return _protected("protected_from_agents", self.protected_from_agents, target, "Agents may not change it.")
        by_label = _protected_by_label("protected_labels", self.protected_labels, target, "No one changes it.")
        if by_label is None and actor.kind is ActorKind.AGENT:
            words, what = self.protected_labels_from_agents, "Agents may not change it."
            return _protected_by_label("protected_labels_from_agents", words, target, what)
        return by_label

    def forbids(self, operation: str, *, documented: bool) -> "Exceeded | None":
        """Return the refusal of an operation that the provider does not document, where these are switched off."""
        if documented or self.undocumented:
            return None
        why = f"the provider does not document what {operation.replace('_', ' ')} calls."
        return Exceeded("undocumented", "false", why, "The operator can allow such operations in [limits].")

    def longest_life(self, target: Target) -> tuple[str, int] | None:
        """Return the shortest of the lifetimes that a server may have, as it is written and in seconds; None if any."""
        held = [(seconds, name) for name, seconds in self.max_life if _is_named(name, target)]
        return (f"{min(held)[1]}={lifetime_word(min(held)[0])}", min(held)[0]) if held else None

    def outlives(self, target: Target, seconds: float | None) -> "Exceeded | None":
        """Return the refusal of a server that would be there for longer than it may; `seconds` is None for no end."""
        longest = self.longest_life(target)
        if longest is None or (seconds is not None and seconds <= longest[1]):
            return None
        most = lifetime_word(longest[1])
        why = f"{target.hostname} may be there for {lifetime_text(longest[1])} at most"
        asked = "and it was given no end" if seconds is None else f"and not for {lifetime_text(int(seconds))}"
        hint = f"Ask for it with an end: for {most}, or a shorter time." if seconds is None else f"{most} is the most."
        return Exceeded("max_life", longest[0], f"{why}, {asked}.", hint)

    def described(self) -> tuple[str, ...]:
        """Return each limit that is set, as `name value`."""
        named: tuple[tuple[str, object], ...] = (
            ("protected", ", ".join(sorted(self.protected))),
            ("protected_from_agents", ", ".join(sorted(self.protected_from_agents))),
            ("protected_labels", ", ".join(sorted(self.protected_labels))),
            ("protected_labels_from_agents", ", ".join(sorted(self.protected_labels_from_agents))),
            ("max_monthly_spend", _spend(self) if self.max_monthly_spend is not None else ""),
            ("max_servers", self.max_servers),
            ("max_changes_per_hour", self.max_changes_per_hour),
            ("calls_per_minute", self.calls_per_minute),
            ("undocumented", "" if self.undocumented else "false"),
            ("max_many", self.max_many if self.max_many != DEFAULT_MOST else ""),
            ("max_unavailable", ", ".join(f"{key} {most}" for key, most in self.max_unavailable)),
            ("max_life", ", ".join(f"{name} {lifetime_word(seconds)}" for name, seconds in self.max_life)),
            ("deletion_at_end", "" if self.deletion_at_end else "false"),
            *(
                (f"{narrowing.where} {limit}", value)
                for narrowing in self.mcp.narrowings
                for limit, value in narrowing.described()
            ),
        )
        return tuple(f"{name} {value}" for name, value in named if value not in (None, ""))


UNLIMITED = Limits()


@dataclass(frozen=True, slots=True)
class Exceeded:
    """A limit that refuses: its name and value, its meaning here, and the next step."""

    limit: str
    value: str
    why: str
    hint: str

    @property
    def text(self) -> str:
        """Return it in one or two sentences."""
        return f"The limit {self.limit} ({self.value}) forbids it: {self.why}"


def _means(servers: ServerPatterns, target: Target) -> bool:
    return servers.hold(target.id.lower(), known_name(target.id, target.hostname)) is not False


def _is_named(name: str, target: Target) -> bool:
    if name.startswith(PLAN_LIFE):
        return not target.plan or target.plan.lower() == name.removeprefix(PLAN_LIFE)
    return _means(ServerPatterns.of([name]), target)


def _protected(limit: str, words: frozenset[str], target: Target, what: str) -> Exceeded:
    name = target.hostname or target.id
    hint = "Choose another server, or have the operator remove it from [limits]."
    meant = sorted(word for word in words if _means(ServerPatterns.of([word]), target))  # the others name other servers
    return Exceeded(limit, ", ".join(meant), f"{name} is a protected server. {what}", hint)


def _protected_by_label(limit: str, words: frozenset[str], target: Target, what: str) -> Exceeded | None:
    """Return the refusal of a change on a server with such a label; labels that are not known count as such."""
    terms = label_terms(target.labels)
    if not words or has_term(terms, words) is False:
        return None
    name = target.hostname or target.id
    why = f"the labels of {name} are not known, so it may be protected" if terms is None else f"{name} is protected"
    hint = "Choose another server, or have the operator remove the label from [limits]."
    return Exceeded(limit, ", ".join(sorted(words & terms if terms is not None else words)), f"{why}. {what}", hint)


@dataclass(frozen=True, slots=True)
class AccountSnapshot:
    """The servers as they were just read, and the price of each plan; `named` are those a refusal may name."""

    servers: Sequence[Server]
    complete: bool = True
    plans: Sequence[Plan] = ()
    named: ServerFilter | None = None  # None: people who see no server at all may read the texts

    def name(self, ident: str, hostname: str) -> str:
        """Return the name of a server in a refusal; empty for one that its reader may not know of."""
        return hostname if self.named is not None and self.named.sees(ident, hostname) else ""

    def has(self, create: "PlannedCreate") -> bool:
        """Return whether the server of a create is among them."""
        name = create.hostname.lower()
        return any(server.id == create.server or server.hostname.lower() == name for server in self.servers)


@dataclass(frozen=True, slots=True)
class PlannedCreate:
    """A create, or a move to a larger plan, that is requested, in progress or just done.

    `server` is the id of its server, once that is known; `enlarges` says that the server is there already.
    """

    hostname: str
    plan: str
    server: str = ""
    enlarges: bool = False


def too_many(limits: Limits, account: AccountSnapshot, creates: Iterable[PlannedCreate]) -> Exceeded | None:
    """Return the limit that the existing servers, with those creates that are not among them, exceed in number."""
    if limits.max_servers is None:
        return None
    value = str(limits.max_servers)
    if not account.complete:
        return Exceeded("max_servers", value, "the provider's list is not complete, so they cannot be counted.", WAIT)
    live = sum(not is_gone(server.status) for server in account.servers)
    coming = sum(not account.has(create) for create in creates if not create.enlarges)
    if live + coming <= limits.max_servers:
        return None
    why = f"there are {live} servers, and {coming} would be made."
    return Exceeded("max_servers", value, why, "Wait for open creates to end, or remove a server at the provider.")


def too_dear(limits: Limits, account: AccountSnapshot, creates: Iterable[PlannedCreate]) -> Exceeded | None:
    """Return the limit that the monthly price of the servers, with all that `creates` add, exceeds, or None."""
    if limits.max_monthly_spend is None:
        return None
    value = _spend(limits)
    if not account.complete:
        return Exceeded("max_monthly_spend", value, "the provider's list is not complete, so the sum is unknown.", WAIT)
    live = [server for server in account.servers if not is_gone(server.status)]
    planned = list(creates)
    prices = [(account.name(server.id, server.hostname), *_dearest(server, account.plans, planned)) for server in live]
    missing = [create for create in planned if not create.enlarges and not account.has(create)]
    prices += [
        (account.name(planned_server.server, planned_server.hostname), *_plan_price(planned_server.plan, account.plans))
        for planned_server in missing
    ]
    doubt = _doubt(limits, prices)
    if doubt:
        return Exceeded("max_monthly_spend", value, doubt, "Ask the operator, or try again later.")
    total = math.fsum(price for _, price, _ in prices if price is not None)
    if total <= limits.max_monthly_spend:
        return None
    why = f"with it the servers would cost {total:.2f} a month."
    return Exceeded("max_monthly_spend", value, why, "Choose a smaller plan, or remove a server at the provider.")


def over_budget(limits: Limits, price: float) -> Exceeded | None:
    """Return the limit that one server's monthly price alone exceeds, or None."""
    if limits.max_monthly_spend is None or price <= limits.max_monthly_spend:
        return None
    return Exceeded(
        "max_monthly_spend", _spend(limits), f"it alone costs {price:.2f} a month.", "Choose a smaller plan."
    )


WAIT = "Try again in a few minutes."


def _spend(limits: Limits) -> str:
    return f"{limits.max_monthly_spend:g} {limits.currency}".strip() + " a month"


def _doubt(limits: Limits, prices: Sequence[tuple[str, float | None, str]]) -> str:
    """Return why prices cannot be added up, or nothing; one without a currency adds up with nothing."""
    unknown = [name for name, price, _ in prices if price is None]
    if unknown:
        first = next((name for name in unknown if name), "a server")
        more = f" and of {len(unknown) - 1} more" if len(unknown) > 1 else ""
        return f"the price of {first}{more} is not known, so the sum is not either."
    nameless = [name for name, _, currency in prices if not currency]
    if nameless and (limits.currency or len(nameless) < len(prices)):
        first = next((name for name in nameless if name), "a server")
        return f"the currency of the price of {first} is not known, so it cannot be added up."
    currencies = sorted({code for _, _, code in prices if code} | ({limits.currency} if limits.currency else set()))
    if len(currencies) > 1:
        return f"the prices are in {' and '.join(currencies)}, which do not add up."
    return ""


def _dearest(server: Server, plans: Sequence[Plan], planned: Sequence[PlannedCreate]) -> tuple[float | None, str]:
    """Return the price of a server, or of the plan it moves to where that is dearer; unknown where either is."""
    price, currency = _price(server, plans)
    for move in planned:
        if move.enlarges and move.server == server.id:
            other, code = _plan_price(move.plan, plans)
            if price is None or other is None or (currency and code and code != currency):
                return None, ""
            price, currency = max(price, other), currency or code
    return price, currency


def _price(server: Server, plans: Sequence[Plan]) -> tuple[float | None, str]:
    if _is_known(server.monthly_price):
        return server.monthly_price, (server.currency or "").upper()
    return _plan_price(server.plan or "", plans)


def _plan_price(code: str, plans: Sequence[Plan]) -> tuple[float | None, str]:
    plan = next((candidate for candidate in plans if candidate.code.lower() == code.lower()), None)
    if plan is None or not _is_known(plan.monthly_price):
        return None, ""
    return plan.monthly_price, (plan.currency or "").upper()


def _is_known(price: float | None) -> bool:
    return price is not None and math.isfinite(price) and price >= 0


def too_often(limits: Limits, asked_at: Sequence[float], now: float) -> Exceeded | None:
    """Return the limit that the changes requested at these times, including the current one, exceed per hour.

    Times are UTC seconds since 1970.
    """
    if limits.max_changes_per_hour is None:
        return None
    recent = sorted(at for at in asked_at if at > now - HOUR)
    if len(recent) <= limits.max_changes_per_hour:
        return None
    left = recent[len(recent) - 1 - limits.max_changes_per_hour] + HOUR - now
    value = str(limits.max_changes_per_hour)
    why = f"{len(recent) - 1} changes were asked for within the hour."
    return Exceeded("max_changes_per_hour", value, why, f"Ask again in {worded_wait(left)}.")


def too_many_then(limits: Limits, run_at: Sequence[float], at: float) -> Exceeded | None:
    """Return the limit that changes that run at these times, one of them `at`, exceed in any hour around it.

    Times are UTC seconds since 1970.
    """
    hours = [begin for begin in run_at if begin <= at < begin + HOUR]
    count = max((sum(begin <= time < begin + HOUR for time in run_at) for begin in hours), default=0)
    if limits.max_changes_per_hour is None or count <= limits.max_changes_per_hour:
        return None
    others = count - 1
    what = "1 change is" if others == 1 else f"{others} changes are"
    why = f"{what} asked for or scheduled in the hour around that time."
    return Exceeded("max_changes_per_hour", str(limits.max_changes_per_hour), why, "Choose another time.")


def worded_wait(seconds: float) -> str:
    """Return a wait as text, rounded up."""
    if seconds <= 60:  # noqa: PLR2004 - a minute
        return f"{max(math.ceil(seconds), 1)} s"
    return f"{math.ceil(seconds / 60)} min"


def principal(actor: Actor) -> tuple[str, frozenset[str]]:
    """Return the principal that a rate counts for: a person, or all agents of one human together.

    An agent's own name is only its client's claim, so another name does not make another principal. A person's own
    changes are counted apart from their agents': these must not keep a person from acting.
    """
    return actor.kind.value, actor.humans or frozenset({actor.id.lower()})


def same_principal(first: Actor, second: Actor) -> bool:
    """Return whether a rate counts for both together."""
    (kind, ids), (other_kind, others) = principal(first), principal(second)
    return kind == other_kind and bool(ids & others)
