"""A request for a plan, checked, and the facts that are shown of it."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from vpsops.core.changes.preview import Preview
from vpsops.core.changes.requests import Request
from vpsops.core.common.errors import InvalidInputError
from vpsops.core.common.text import bound, count_text, duration, one_line, whole_number
from vpsops.core.common.timings import PLAN_PAUSE_MOST_SECONDS, PROBE_SECONDS
from vpsops.core.operations import OPERATIONS, Operation
from vpsops.core.operations.facts import Fact
from vpsops.core.operations.target import ServerName, Target
from vpsops.core.operations.traits import plan_of
from vpsops.core.plans.model import PlanMember, PlanOptions, digest_of_members
from vpsops.core.plans.names import SHOWN, listed_names
from vpsops.core.plans.selection import Selection

LONGEST_FACT: Final = 1800
MOST_AT_ONCE: Final = 10
LARGEST_PORT: Final = 65_535
PROBE: Final = re.compile(r"(tcp|http):([0-9]{1,5})(/[!-~]{0,200})?")


@dataclass(frozen=True, slots=True)
class PlanRequest:
    """A request about many servers: `request` names the operation of each, with its arguments but the server."""

    request: Request
    selection: Selection
    options: PlanOptions = field(default_factory=PlanOptions)


@dataclass(frozen=True, slots=True)
class LeftOut:
    """A server that was meant and is not in the plan, and why."""

    hostname: str
    why: str

    @property
    def words(self) -> str:
        """The server and the reason, which may begin with its name."""
        if self.why.startswith(f"{self.hostname} "):
            return self.why.rstrip(".")
        return f"{self.hostname}: {self.why}"


@dataclass(frozen=True, slots=True)
class ProbeSpec:
    """What is asked of a server at its own address: whether a port opens, or a path answers."""

    kind: str
    port: int
    path: str = "/"


def probe_from(text: str) -> ProbeSpec | None:
    """Return what a probe asks, None for an empty text; raises `InvalidInputError`."""
    if not text:
        return None
    match = PROBE.fullmatch(text)
    port = whole_number(match[2], 1, LARGEST_PORT) if match else None
    if match is None or port is None or (match[1] == "tcp" and match[3]):
        raise InvalidInputError(
            f"{one_line(text, 60)} is no probe.",
            hint="Write tcp:22, or http:80/health; it goes to the server's own address.",
        )
    return ProbeSpec(match[1], port, match[3] or "/")


def plannable(name: str) -> Operation:
    """Return an operation that one question may be about many servers of; raises `InvalidInputError`."""
    operation = OPERATIONS.get(name)
    if operation is None or not operation.plannable:
        words = ", ".join(entry.word for entry in OPERATIONS.values() if entry.plannable)
        what = operation.word if operation is not None else one_line(name, 40)
        raise InvalidInputError(f"{what} takes one server at a time.", hint=f"About many servers at once: {words}.")
    return operation


def check_options(options: PlanOptions, most: int) -> None:
    """Raise `InvalidInputError` for options out of bounds; `most` is the largest plan."""
    bounds = (
        ("at_once", options.at_once, 1, MOST_AT_ONCE),
        ("stop_after", options.stop_after, 1, most),
        ("pause", options.pause, 0, PLAN_PAUSE_MOST_SECONDS),
    )
    for name, value, least, largest in bounds:
        if not least <= value <= largest:
            raise InvalidInputError(f"{name} is a number from {least} to {largest:g}.")
    probe_from(options.probe)


def plan_preview(
    operation: Operation, members: Sequence[PlanMember], options: PlanOptions, facts: Sequence[Fact]
) -> Preview:
    """Return what a plan would do: its arguments hold a digest over all members, so that its own covers them."""
    arguments = {**options.stored, "count": len(members), "members": digest_of_members(members)}
    names = tuple(ServerName(member.target.id, member.target.hostname) for member in members)
    target = Target("", count_text(len(members), "server"), labels=(), members=names)
    return Preview(plan_of(operation).name, arguments, target, facts=tuple(facts))


def plan_facts(
    members: Sequence[PlanMember],
    left_out: Sequence[LeftOut],
    options: PlanOptions,
    shown: Mapping[str, Sequence[Fact]],
    lack: str,
) -> list[Fact]:
    """Return all that people see of a plan; `shown` holds each member's own facts by the id of its server."""
    names = [member.target.hostname for member in members]
    facts = [Fact("Servers", listed_names(names))]
    own = [tuple(shown.get(member.target.id, ())) for member in members]
    if own and own[0] and all(each == own[0] for each in own):
        facts += own[0]
    else:
        lines = [
            f"{name}: {'; '.join(fact.line for fact in each)}" for name, each in zip(names, own, strict=True) if each
        ]
        facts += [Fact("Of each", _listed(lines))] if lines else []
    facts += [Fact("Left out", _listed([server.words for server in left_out]))] if left_out else []
    facts.append(Fact("Order", order_words(options, len(members))))
    if options.probe:
        facts.append(Fact("Health", f"after each one {options.probe} has to answer within {duration(PROBE_SECONDS)}"))
    return [*facts, *([Fact("Not known", bound(lack, LONGEST_FACT))] if lack else [])]


def order_words(options: PlanOptions, count: int) -> str:
    """Return in which order members run, and what stops them."""
    at_once = "one after another" if options.at_once == 1 else f"{options.at_once} at a time"
    pause = f", {duration(options.pause)} between them" if options.pause else ""
    if options.stop_after >= count:
        return f"{at_once}{pause}; failures stop nothing"
    if options.stop_after == 1:
        return f"{at_once}{pause}; the first failure or unknown outcome stops the rest"
    return f"{at_once}{pause}; {options.stop_after} failures or unknown outcomes stop the rest"


def _listed(words: Sequence[str]) -> str:
    more = len(words) - SHOWN
    text = "; ".join(one_line(word, 200) for word in words[:SHOWN])
    return bound(f"{text} and {more} more" if more > 0 else text, LONGEST_FACT)
