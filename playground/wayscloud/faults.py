"""Faults by rule: which requests go wrong, how, and how often; equal seeds give equal faults."""

import json
import tomllib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from random import Random
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from core.errors import ConfigurationError

OperationName = Literal[
    "list",
    "create",
    "get",
    "status",
    "start",
    "stop",
    "reboot",
    "plans",
    "os_templates",
    "regions",
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
    "backup_usage",
]
Kind = Literal["status", "slow", "drop_before", "drop_after", "malformed", "oversized", "redirect", "fail_provision"]
BEFORE_THE_EFFECT: frozenset[str] = frozenset({"drop_before"})
COMPANIONS: frozenset[str] = frozenset({"slow", "fail_provision"})
AFTER_THE_EFFECT: frozenset[str] = frozenset({"drop_after", "malformed", "oversized"})


class Match(BaseModel):
    """Which requests a rule is about; whatever is left out matches everything. Patterns take `*`, `?` and `[...]`."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    method: str | None = Field(default=None, description="GET, POST, PUT or DELETE")
    path: str | None = Field(default=None, description="pattern over the path")
    operation: OperationName | None = Field(default=None, description="name of the operation")
    server: str | None = Field(default=None, description="id of the server")
    hostname: str | None = Field(default=None, description="pattern over the server's hostname, asked for or existing")


class Fault(BaseModel):
    """One rule."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    kind: Kind = Field(description="what goes wrong")
    match: Match = Field(default=Match(), description="which requests it is about")
    probability: float = Field(default=1.0, gt=0, le=1, description="how likely a matching request is struck")
    after: int = Field(default=0, ge=0, description="let so many matching requests pass first")
    nth: int | None = Field(default=None, ge=1, description="strike only this one of the matching requests after that")
    times: int | None = Field(default=None, ge=1, description="strike so often, then never again")
    after_effect: bool = Field(default=False, description="status, slow, redirect: let the effect happen first")
    status: int = Field(default=503, ge=300, le=599, description="status, redirect (307 unless a 3xx): the code")
    retry_after: float | None = Field(default=None, ge=0, description="status: seconds for a Retry-After header")
    retry_after_date: bool = Field(default=False, description="send Retry-After as an HTTP date")
    body: str | None = Field(default=None, description="status, malformed: send this text as it is")
    seconds: float = Field(default=5.0, ge=0, description="slow: real seconds to wait, whatever the speed")
    reset: bool = Field(default=False, description="drops: reset the connection instead of closing it")
    size: int = Field(default=32 << 20, ge=1, le=1 << 30, description="oversized: bytes")
    location: str = Field(default="http://elsewhere.invalid", description="redirect: origin to send the client to")


@dataclass(frozen=True, slots=True)
class Asked:
    """What a rule can look at."""

    method: str
    path: str
    operation: str
    server: str
    hostname: str


@dataclass(slots=True)
class Armed:
    """A rule with its own luck and its counts."""

    fault: Fault
    luck: Random
    matched: int = 0
    fired: int = 0

    def fires(self, asked: Asked, winner: Fault | None) -> bool:
        """Count a matching request and say whether the rule strikes it; one that gives way to `winner` is not spent."""
        if not applies(self.fault, asked):
            return False
        self.matched += 1
        lucky = self.luck.random() < self.fault.probability
        if not (lucky and self._due()) or gives_way(self.fault, winner):
            return False
        self.fired += 1
        return True

    def _due(self) -> bool:
        rule = self.fault
        spent = rule.times is not None and self.fired >= rule.times
        return self.matched > rule.after and rule.nth in (None, self.matched - rule.after) and not spent


@dataclass(frozen=True, slots=True)
class Drawn:
    """What goes wrong with one request: waits, and at most one other thing before or after the effect."""

    struck: tuple[str, ...] = ()
    wait_before: float = 0.0
    wait_after: float = 0.0
    before: Fault | None = None
    after: Fault | None = None
    doomed: bool = False


class Faults:
    """The rules in force, in order."""

    def __init__(self, faults: Iterable[Fault], seed: int) -> None:
        self._seed = seed
        self._added = 0
        self.armed: list[Armed] = []
        self.add(faults)

    def add(self, faults: Iterable[Fault]) -> None:
        """Put more rules in force, after those there are."""
        for fault in faults:
            self.armed.append(Armed(fault, Random(f"{self._seed}/fault/{self._added}")))
            self._added += 1

    def clear(self) -> None:
        """Let nothing go wrong any more; rules added later draw as the first ones did."""
        self.armed.clear()
        self._added = 0

    def draw(self, asked: Asked) -> Drawn:
        """Return what goes wrong with this request; every matching rule counts it, the first that strikes wins."""
        winner: Fault | None = None
        struck: list[Fault] = []
        for armed in self.armed:
            if armed.fires(asked, winner):
                struck.append(armed.fault)
                winner = armed.fault if armed.fault.kind not in COMPANIONS else winner
        slow = [fault for fault in struck if fault.kind == "slow"]
        return Drawn(
            struck=tuple(fault.kind for fault in struck),
            wait_before=sum(fault.seconds for fault in slow if not fault.after_effect),
            wait_after=sum(fault.seconds for fault in slow if fault.after_effect),
            before=winner if winner and not late(winner) else None,
            after=winner if winner and late(winner) else None,
            doomed=any(fault.kind == "fail_provision" for fault in struck),
        )


def gives_way(fault: Fault, winner: Fault | None) -> bool:
    """Return whether a rule cannot strike beside the one that already did: one answer, and no fate without effect."""
    if winner is None or fault.kind == "slow":
        return False
    return fault.kind != "fail_provision" or not late(winner)


def late(fault: Fault) -> bool:
    """Return whether the effect happens in spite of the fault."""
    return fault.kind in AFTER_THE_EFFECT or (fault.after_effect and fault.kind not in BEFORE_THE_EFFECT)


def applies(fault: Fault, asked: Asked) -> bool:
    """Return whether a request is one that a rule is about; only a create can fail to provision."""
    match = fault.match
    exact = (
        ("create" if fault.kind == "fail_provision" else None, asked.operation),
        (match.method and match.method.upper(), asked.method),
        (match.operation, asked.operation),
        (match.server, asked.server),
    )
    patterns = ((match.path, asked.path), (match.hostname, asked.hostname))
    return all(want in (None, have) for want, have in exact) and all(
        want is None or fnmatchcase(have, want) for want, have in patterns
    )


RULES: TypeAdapter[list[Fault]] = TypeAdapter(list[Fault])


def parse(document: object) -> list[Fault]:
    """Return the rules of one rule, a list of rules, or `{"faults": [...]}`; raises `ValidationError`."""
    if isinstance(document, dict):
        document = document["faults"] if set(document) == {"faults"} else [document]
    return RULES.validate_python(document)


def load(path: Path) -> Sequence[Fault]:
    """Return the rules of a JSON or TOML file; raises `ConfigurationError` that says where it is wrong."""
    try:
        text = path.read_text(encoding="utf-8")
        return parse(tomllib.loads(text) if path.suffix == ".toml" else json.loads(text))
    except OSError as error:
        raise ConfigurationError(f"The fault file {path} cannot be read: {error.strerror}.") from error
    except (json.JSONDecodeError, tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"The fault file {path} is not valid: {error}.") from error
    except ValidationError as error:
        raise ConfigurationError(f"The fault file {path} is not valid: {explain(error)}.") from error


def explain(error: ValidationError) -> str:
    """Return what is wrong with a rule in one line, bounded, without repeating the input."""
    problems = [f"{'.'.join(map(str, each['loc'])) or 'file'}: {each['msg']}" for each in error.errors()]
    more = f" and {len(problems) - 3} more" if len(problems) > 3 else ""  # noqa: PLR2004
    return "; ".join(problems[:3]) + more
