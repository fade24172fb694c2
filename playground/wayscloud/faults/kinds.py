"""Every kind of fault as a row: the phase of a request in which it strikes, its effect, and the options it reads.

The page docs/reference/simulator-faults.md is generated from this table.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Literal

Kind = Literal[
    "status",
    "slow",
    "drop_before",
    "drop_after",
    "malformed",
    "oversized",
    "redirect",
    "fail_provision",
    "fail_boot",
    "repeat",
    "normalise",
    "stale",
    "pages",
    "fields",
    "word",
    "uptime",
    "wrong_server",
    "ghost",
    "duplicate",
    "shuffle",
    "readdress",
    "reprice",
    "skew",
    "encode",
]
PageForm = Literal["total", "silent", "next", "link", "pagination", "has_more"]
NameForm = Literal["lower", "upper", "short"]
EncodingForm = Literal["gzip", "members", "twice", "br", "bom", "latin-1", "utf-16", "nan"]
Target = Literal["elsewhere", "slash", "http", "host", "self", "loop"]


class FaultPhase(StrEnum):
    """The phase of a request in which a fault strikes, in this order."""

    WAIT = "wait"  # the answer comes later; beside everything else
    ANSWER = "answer"  # another answer than the honest one; the first rule that strikes wins
    WORLD = "world"  # what becomes of the effect; beside everything but a refusal
    VIEW = "view"  # what a read shows; all that strike, one after the other
    WIRE = "wire"  # how the answer is carried; all that strike


@dataclass(frozen=True, slots=True)
class FaultRow:
    """One kind: its phase, what the client gets, whether the effect happens, and the options it reads."""

    phase: FaultPhase
    gets: str
    effect: str = "yes"
    options: tuple[str, ...] = ()


ERROR = ("status", "retry_after", "retry_after_date", "body", "content_type", "detail", "after_effect")
KINDS: Mapping[Kind, FaultRow] = {
    "status": FaultRow(
        FaultPhase.ANSWER, "this status, as JSON, as HTML (502, 504) or with `body`", "no; `after_effect`", ERROR
    ),
    "slow": FaultRow(
        FaultPhase.WAIT,
        "the answer after `seconds` of real time",
        "after it; `after_effect`: before it",
        ("seconds", "after_effect"),
    ),
    "drop_before": FaultRow(
        FaultPhase.ANSWER, "the connection closes without a byte (`reset`: TCP reset)", "no", ("reset",)
    ),
    "drop_after": FaultRow(
        FaultPhase.ANSWER, "the connection closes without a byte (`reset`: TCP reset)", "yes", ("reset",)
    ),
    "malformed": FaultRow(FaultPhase.ANSWER, "200 with half a document, or `body`", "yes", ("body",)),
    "oversized": FaultRow(FaultPhase.ANSWER, "200 with `size` bytes", "yes", ("size",)),
    "redirect": FaultRow(
        FaultPhase.ANSWER,
        "`status` (307 unless a 3xx) to `location`, to the other slash form, to http without the port, to an internal "
        "host, to itself, or round in a circle, as `to` says; path and query kept",
        "no; `after_effect`",
        ("status", "to", "location", "after_effect"),
    ),
    "fail_provision": FaultRow(FaultPhase.WORLD, "nothing unusual; the new server ends in `error`"),
    "fail_boot": FaultRow(FaultPhase.WORLD, "nothing unusual; the start or reboot ends in `error`"),
    "repeat": FaultRow(
        FaultPhase.WORLD, "the answer to the last of `copies` sendings: a proxy repeated it", "each time", ("copies",)
    ),
    "normalise": FaultRow(FaultPhase.WORLD, "the new server has its hostname in another `form`", options=("form",)),
    "stale": FaultRow(
        FaultPhase.VIEW, "what was there `seconds` of the world ago: servers, states and absences", options=("seconds",)
    ),
    "pages": FaultRow(
        FaultPhase.VIEW,
        "the list `size` servers at a time, reported by `form`: `total` and `silent` are caps, the others lead on with "
        "`?page=N`",
        options=("form", "size"),
    ),
    "fields": FaultRow(
        FaultPhase.VIEW,
        "each server, plan or usage with `only` these fields, `without` those, or with `null` in them",
        options=("only", "without", "null", "hosts"),
    ),
    "word": FaultRow(
        FaultPhase.VIEW, "another `status`; with `probability` or `nth` a server that flaps", options=("word", "hosts")
    ),
    "uptime": FaultRow(FaultPhase.VIEW, "an uptime `seconds` lower, as a second node counts it", options=("seconds",)),
    "wrong_server": FaultRow(FaultPhase.VIEW, "another server's answer, or `word` as the id", options=("word",)),
    "ghost": FaultRow(
        FaultPhase.VIEW, "a server in the list, called `word`, that can be neither read nor changed", options=("word",)
    ),
    "duplicate": FaultRow(FaultPhase.VIEW, "each server twice in the list"),
    "shuffle": FaultRow(FaultPhase.VIEW, "the list in another order each time"),
    "readdress": FaultRow(FaultPhase.VIEW, "another IPv4 address each time", options=("hosts",)),
    "reprice": FaultRow(
        FaultPhase.VIEW, "prices `factor` times as high, or in another `currency`", options=("factor", "currency")
    ),
    "skew": FaultRow(
        FaultPhase.VIEW, "a `Date` and creation times `seconds` ahead (below zero: behind)", options=("seconds",)
    ),
    "encode": FaultRow(FaultPhase.WIRE, "the body in another encoding: `form`", options=("form",)),
}
COMPANIONS = frozenset(kind for kind, row in KINDS.items() if row.phase is not FaultPhase.ANSWER)
