"""Which requests a rule strikes, and what strikes one request together."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from random import Random
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from vpsops.playground.wayscloud.faults.kinds import (
    COMPANIONS,
    KINDS,
    EncodingForm,
    FaultPhase,
    Kind,
    NameForm,
    PageForm,
    Target,
)

OperationName = Literal[
    "list",
    "create",
    "get",
    "status",
    "start",
    "stop",
    "reboot",
    "delete",
    "update",
    "upgrade",
    "plans",
    "plans_of_region",
    "addons",
    "os_templates",
    "regions",
    "all_regions",
    "snapshots",
    "create_snapshot",
    "delete_snapshot",
    "rollback_snapshot",
    "backups",
    "create_backup",
    "delete_backup",
    "restore_backup",
    "download_backup",
    "backup_policy",
    "set_backup_policy",
    "delete_backup_policy",
    "backup_usage",
    "firewall",
    "add_firewall_rule",
    "remove_firewall_rule",
]
BEFORE_THE_EFFECT: frozenset[str] = frozenset({"drop_before"})
ONLY_ABOUT: Mapping[str, str] = {"fail_provision": "create", "normalise": "create"}
AFTER_THE_EFFECT: frozenset[str] = frozenset({"drop_after", "malformed", "oversized"})


WHEN = ("probability", "after", "nth", "times", "begins", "ends")


class Match(BaseModel):
    """Which requests a rule applies to; an omitted attribute matches everything. Patterns take `*`, `?` and `[...]`."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    method: str | None = Field(default=None, description="GET, POST, PUT or DELETE")
    path: str | None = Field(default=None, description="pattern over the path")
    operation: OperationName | None = Field(default=None, description="name of the operation")
    server: str | None = Field(default=None, description="id of the server")
    hostname: str | None = Field(default=None, description="pattern over the server's hostname, asked for or existing")
    region: str | None = Field(default=None, description="country code of the server's place, asked for or existing")
    plan: str | None = Field(default=None, description="pattern over the server's plan, asked for or existing")


class Fault(BaseModel):
    """One rule."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    kind: Kind = Field(description="what goes wrong")
    match: Match = Field(default=Match(), description="which requests it is about")
    probability: float = Field(default=1.0, gt=0, le=1, description="how likely a matching request is struck")
    after: int = Field(default=0, ge=0, description="let so many matching requests pass first")
    nth: int | None = Field(default=None, ge=1, description="strike only this one of the matching requests after that")
    times: int | None = Field(default=None, ge=1, description="strike so often, then never again")
    begins: float = Field(
        default=0.0, ge=0, description="world's seconds after the rule was put in force until it acts"
    )
    ends: float | None = Field(default=None, ge=0, description="world's seconds after which it acts no more")
    after_effect: bool = Field(default=False, description="let the effect happen first")
    status: int = Field(default=503, ge=200, le=599, description="the code; a redirect is 307 unless this is a 3xx")
    retry_after: float | None = Field(default=None, ge=0, description="seconds for a Retry-After header")
    retry_after_date: bool = Field(default=False, description="send Retry-After as an HTTP date")
    detail: str | None = Field(default=None, description='the provider\'s own words, as `{"detail": …}`')
    body: str | None = Field(default=None, description="send this text as it is")
    content_type: str = Field(default="text/plain", description="of `body`")
    seconds: float = Field(default=5.0, description="how long, late or behind")
    reset: bool = Field(default=False, description="reset the connection instead of closing it")
    size: int = Field(default=32 << 20, ge=1, le=1 << 30, description="bytes, or servers on a page")
    to: Target = Field(
        default="elsewhere", description="where a redirect leads: elsewhere, slash, http, host, self, loop"
    )
    location: str = Field(default="http://elsewhere.invalid", description="origin that `elsewhere` is")
    form: PageForm | NameForm | EncodingForm | None = Field(default=None, description="how, where a kind has forms")
    only: tuple[str, ...] = Field(default=(), description="the fields that are left")
    without: tuple[str, ...] = Field(default=(), description="the fields that are missing")
    null: tuple[str, ...] = Field(default=(), description="the fields that are null")
    hosts: str = Field(default="*", description="pattern over the hostnames within an answer that it is about")
    word: str = Field(default="", description="the status, id or hostname to show")
    copies: int = Field(default=2, ge=2, le=5, description="how often a proxy sends it")
    factor: float = Field(default=1.0, gt=0, description="of a price")
    currency: str = Field(default="", description="of a price")

    @model_validator(mode="after")
    def _reads_what_is_set(self) -> "Fault":
        strange = self.model_fields_set - {"kind", "match", *WHEN, *KINDS[self.kind].options}
        if strange:
            raise ValueError(f"{self.kind} has no option {min(strange)}")
        return self

    @property
    def late(self) -> bool:
        """Whether the effect happens in spite of the fault."""
        return self.kind in AFTER_THE_EFFECT or (self.after_effect and self.kind not in BEFORE_THE_EFFECT)


@dataclass(frozen=True, slots=True)
class Asked:
    """The attributes of a request that a rule can match."""

    method: str
    path: str
    operation: str
    server: str
    hostname: str
    region: str = ""
    plan: str = ""
    at: float = 0.0


@dataclass(slots=True)
class Armed:
    """A rule with its own luck and its counts; `since` is when it was put in force, in the world's seconds."""

    fault: Fault
    luck: Random
    since: float = 0.0
    matched: int = 0
    fired: int = 0

    def fires(self, asked: Asked, winner: Fault | None) -> bool:
        """Count a matching request and return whether the rule strikes; one that gives way to `winner` is not spent."""
        if not applies(self.fault, asked) or not self._is_in_force(asked.at - self.since):
            return False
        self.matched += 1
        lucky = self.luck.random() < self.fault.probability
        if not (lucky and self._is_due()) or gives_way(self.fault, winner):
            return False
        self.fired += 1
        return True

    def _is_in_force(self, age: float) -> bool:
        return self.fault.begins <= age and (self.fault.ends is None or age < self.fault.ends)

    def _is_due(self) -> bool:
        rule = self.fault
        spent = rule.times is not None and self.fired >= rule.times
        return self.matched > rule.after and rule.nth in (None, self.matched - rule.after) and not spent


@dataclass(frozen=True, slots=True)
class Strike:
    """A rule that strikes, with the randomness for its effect."""

    fault: Fault
    luck: Random


@dataclass(frozen=True, slots=True)
class Drawn:
    """The faults of one request: at most one other answer, and any number of faults of the other phases."""

    strikes: tuple[Strike, ...] = ()
    winner: Fault | None = None

    @property
    def struck(self) -> tuple[str, ...]:
        """The kinds that strike."""
        return tuple(strike.fault.kind for strike in self.strikes)

    @property
    def before(self) -> Fault | None:
        """The answer in place of the effect."""
        return self.winner if self.winner and not self.winner.late else None

    @property
    def after(self) -> Fault | None:
        """The answer in place of the true answer."""
        return self.winner if self.winner and self.winner.late else None

    def of(self, phase: FaultPhase) -> tuple[Strike, ...]:
        """Return the strikes of one phase, in the order of their rules."""
        return tuple(strike for strike in self.strikes if KINDS[strike.fault.kind].phase is phase)

    def one(self, kind: Kind) -> Fault | None:
        """Return the first strike of a kind."""
        return next((strike.fault for strike in self.strikes if strike.fault.kind == kind), None)

    def wait(self, *, after: bool) -> float:
        """Return the seconds to wait before or after the effect."""
        slow = (strike.fault for strike in self.of(FaultPhase.WAIT))
        return sum(max(0.0, fault.seconds) for fault in slow if fault.after_effect is after)


class Faults:
    """The rules in force, in order."""

    def __init__(self, faults: Iterable[Fault], seed: int) -> None:
        self._seed = seed
        self._added = 0
        self.armed: list[Armed] = []
        self.add(faults)

    def add(self, faults: Iterable[Fault], at: float = 0.0) -> None:
        """Put more rules in force from the world's second `at` on, after those there are."""
        for fault in faults:
            self.armed.append(Armed(fault, Random(f"{self._seed}/fault/{self._added}"), at))
            self._added += 1

    def clear(self) -> None:
        """Let nothing go wrong any more; rules added later draw as the first ones did."""
        self.armed.clear()
        self._added = 0

    def draw(self, asked: Asked) -> Drawn:
        """Return the faults of this request; every matching rule counts it, the first that strikes wins."""
        winner: Fault | None = None
        strikes: list[Strike] = []
        for number, armed in enumerate(self.armed):
            if armed.fires(asked, winner):
                strikes.append(Strike(armed.fault, Random(f"{self._seed}/strike/{number}/{armed.matched}")))
                winner = armed.fault if armed.fault.kind not in COMPANIONS else winner
        return Drawn(tuple(strikes), winner)


def gives_way(fault: Fault, winner: Fault | None) -> bool:
    """Return whether a rule cannot strike beside the one that already did: one answer, and no fate without effect."""
    if winner is None or KINDS[fault.kind].phase is FaultPhase.WAIT:
        return False
    return fault.kind not in COMPANIONS or not winner.late


def applies(fault: Fault, asked: Asked) -> bool:
    """Return whether a request is one that a rule is about; only a create can fail to provision."""
    match = fault.match
    exact = (
        (ONLY_ABOUT.get(fault.kind), asked.operation),
        (match.method and match.method.upper(), asked.method),
        (match.operation, asked.operation),
        (match.server, asked.server),
        (match.region, asked.region),
    )
    patterns = ((match.path, asked.path), (match.hostname, asked.hostname), (match.plan, asked.plan))
    if fault.kind == "fail_boot" and asked.operation not in ("start", "reboot"):
        return False
    return all(want in (None, have) for want, have in exact) and all(
        want is None or fnmatchcase(have, want) for want, have in patterns
    )
