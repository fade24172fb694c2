"""A rule as `vpsops.toml` has it: its keys and values, each checked by itself. `lint` checks them together."""

import re
from collections.abc import Mapping
from fnmatch import translate
from typing import Annotated, ClassVar, Literal

from pydantic import AfterValidator, Field

from vpsops.core.config.schema import Words, WrittenTable, one_of, safe_word, schema_error
from vpsops.core.operations import OPERATIONS
from vpsops.core.operations.families.labels import KEY, VALUE
from vpsops.core.operations.registry import Risk

SERVER = re.compile(r"(?![.-])(?:[A-Za-z0-9._*?-]|\[!?[A-Za-z0-9._-]+\])+")
LONGEST_NAME = 253
EMPTY = "(?!)"  # fnmatch's translation of [z-a]
DECISIONS = ("allow", "confirm", "approve", "deny")
CONFIRM_PLACES = ("client", "slack")
MOST_USES = 100
WORD = re.compile(r"\S{1,120}")
APPROVERS = {
    "groups": (re.compile(r"S[A-Z0-9_]+"), "the id of a Slack user group, such as S0ONCALL"),
    "people": (re.compile(r"[UW][A-Z0-9_]+|[^@\s]+@[^@\s]+"), "a Slack user's id, such as U0ALICE, or an e-mail"),
    "channels": (re.compile(r"[CG][A-Z0-9_]+"), "the id of a Slack channel, such as C0APPROVALS"),
}


def _plain(words: tuple[str, ...]) -> tuple[str, ...]:
    for word in words:
        if not (WORD.fullmatch(word) and word.isprintable()):
            raise schema_error(f"{safe_word(word)} is not an id", "An id has no spaces.")
    return words


def _servers(words: tuple[str, ...]) -> tuple[str, ...]:
    for word in words:
        if len(word) > LONGEST_NAME or not SERVER.fullmatch(word):
            raise schema_error(
                f"{safe_word(word)} is not a hostname, a pattern or an id", "For example web01, db*, *.example.com."
            )
        if EMPTY in translate(word.lower()):
            raise schema_error(f"{safe_word(word)} has a range that runs backwards, so it never matches")
    return words


def plain_sentence(text: str) -> str:
    """Return words of the file in one line; raises an error of the schema for signs that cannot be shown."""
    plain = " ".join(text.split())
    if not plain.isprintable():
        raise schema_error("it has signs that cannot be shown")
    return plain


def ids(kind: str) -> AfterValidator:
    """Let only ids of this kind of approver through: a name would be queried in vain at every vote."""
    form, described = APPROVERS[kind]

    def check(words: tuple[str, ...]) -> tuple[str, ...]:
        for word in words:
            if not form.fullmatch(word):
                raise schema_error(f"{safe_word(word)} is not {described}")
        return words

    return AfterValidator(check)


def _labels(words: tuple[str, ...]) -> tuple[str, ...]:
    for word in words:
        key, sign, value = word.partition("=")
        if not KEY.fullmatch(key) or (sign and not VALUE.fullmatch(value)):
            raise schema_error(f"{safe_word(word)} is no label", "For example env=prod, or env for any value of it.")
    return words


def _overriders(words: tuple[str, ...]) -> tuple[str, ...]:
    """Let ids of user groups and people through: a channel may be open to anyone who joins it."""
    for word in words:
        if not any(APPROVERS[kind][0].fullmatch(word) for kind in ("groups", "people")):
            raise schema_error(
                f"{safe_word(word)} is neither a Slack user group's id nor a person",
                'For example override = ["S0ONCALL", "U0ALICE", "alice@example.com"].',
            )
    return words


Labels = Annotated[Words, AfterValidator(_labels)]
Servers = Annotated[Words, AfterValidator(_servers)]


class WrittenApprovers(WrittenTable):
    """Who may vote, as written."""

    groups: Annotated[Words, ids("groups")] = ()
    people: Annotated[Words, ids("people")] = ()
    channels: Annotated[Words, ids("channels")] = ()


class WrittenGrant(WrittenTable):
    """What approvers may grant, as written."""

    EXAMPLES: ClassVar[Mapping[str, str]] = {
        "max": 'For example grant = { max = "2h", uses = 20 }.',
        "uses": 'For example grant = { max = "2h", uses = 20 }.',
    }

    max: str
    uses: Annotated[int, Field(ge=1, le=MOST_USES)]
    states: Annotated[Words, AfterValidator(_plain)] = ()


class WrittenRule(WrittenTable):
    """A rule as written."""

    EXAMPLES: ClassVar[Mapping[str, str]] = {
        "id": 'For example id = "databases-need-two".',
        "decision": f"There are {', '.join(DECISIONS)}.",
    }
    FORMS: ClassVar[Mapping[str, str]] = {"id": "lower-case letters, digits and hyphens, at most 64"}

    id: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]{0,63}$")]
    decision: Literal["allow", "confirm", "approve", "deny"]
    operation: Annotated[Words, one_of("operation", tuple(OPERATIONS))] = ()
    risk: Annotated[Words, one_of("risk", tuple(Risk))] = ()
    server: Servers = ()
    actor: Annotated[Words, one_of("actor", ("person", "agent"))] = ()
    group: Annotated[Words, AfterValidator(_plain)] = ()
    person: Annotated[Words, AfterValidator(_plain)] = ()
    origin: Annotated[Words, one_of("origin", ("slack", "mcp", "cli"))] = ()
    region: Annotated[Words, AfterValidator(_plain)] = ()
    label: Labels = ()
    cost_above: Annotated[float, Field(ge=0)] | None = None
    hours: Words = ()
    outside_hours: Words = ()
    time_zone: str | None = None
    votes: Annotated[int, Field(ge=1, le=20)] | None = None
    approvers: WrittenApprovers | None = None
    expires: str | None = None
    confirm_in: Annotated[Words, one_of("place to confirm in", CONFIRM_PLACES)] = ()
    destructive_without_approval: bool = False
    override: Annotated[Words, AfterValidator(_overriders)] = ()
    during_freeze: Annotated[Words, AfterValidator(_plain)] = ()
    grant: WrittenGrant | None = None
    reason: Annotated[str, Field(max_length=300), AfterValidator(plain_sentence)] = ""

    def is_set(self, key: str) -> bool:
        """Return whether a key was written."""
        return key in self.model_fields_set
