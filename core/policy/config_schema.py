"""A rule as `vpsops.toml` has it: its keys and words, checked one by one. How they fit together is for `fit`."""

import re
from collections.abc import Sequence
from difflib import get_close_matches
from fnmatch import translate
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field
from pydantic_core import PydanticCustomError

from vpsops.core.operations import OPERATIONS
from vpsops.core.operations.registry import Risk

SERVER = re.compile(r"(?![.-])(?:[A-Za-z0-9._*?-]|\[!?[A-Za-z0-9._-]+\])+")
LONGEST_NAME = 253
EMPTY = "(?!)"  # what fnmatch makes of [z-a]
WORD = re.compile(r"\S{1,120}")
APPROVERS = {
    "groups": (re.compile(r"S[A-Z0-9_]+"), "the id of a Slack user group, such as S0ONCALL"),
    "people": (re.compile(r"[UW][A-Z0-9_]+|[^@\s]+@[^@\s]+"), "a Slack user's id, such as U0ALICE, or an e-mail"),
    "channels": (re.compile(r"[CG][A-Z0-9_]+"), "the id of a Slack channel, such as C0APPROVALS"),
}


def near(word: str, known: Sequence[str]) -> str:
    """Return a hint: the nearest word there is, or all of them."""
    found = get_close_matches(word.lower(), known, n=1)
    return f"Did you mean {found[0]}?" if found else f"There are {', '.join(known)}."


def shown(word: str) -> str:
    """Return a word of the file fit for a message."""
    return word if word.isprintable() and 0 < len(word) <= 60 else f"{word[:60]!r}"  # noqa: PLR2004 - a line's worth


def wrong(message: str, hint: str = "") -> PydanticCustomError:
    """Return an error that pydantic carries to its place, with a hint."""
    return PydanticCustomError("policy", "{text}", {"text": message, "hint": hint})


def _listed(value: object) -> object:
    listed = [value] if isinstance(value, str) else value
    if not isinstance(listed, list) or not all(isinstance(one, str) for one in listed):
        raise wrong("it takes a text or a list of texts")
    if not listed:
        raise wrong("an empty list matches nothing", "Leave the key out to match everything.")
    twice = next((one for index, one in enumerate(listed) if one in listed[:index]), None)
    if twice is not None:
        raise wrong(f"{shown(twice)} stands there twice")
    return tuple(listed)


def _plain(words: tuple[str, ...]) -> tuple[str, ...]:
    for word in words:
        if not (WORD.fullmatch(word) and word.isprintable()):
            raise wrong(f"{shown(word)} is not an id", "An id has no spaces.")
    return words


def _servers(words: tuple[str, ...]) -> tuple[str, ...]:
    for word in words:
        if len(word) > LONGEST_NAME or not SERVER.fullmatch(word):
            raise wrong(
                f"{shown(word)} is not a hostname, a pattern or an id", "For example web01, db*, *.example.com."
            )
        if EMPTY in translate(word.lower()):
            raise wrong(f"{shown(word)} has a range that runs backwards, so it never matches")
    return words


def _sentence(text: str) -> str:
    plain = " ".join(text.split())
    if not plain.isprintable():
        raise wrong("it has signs that cannot be shown")
    return plain


def one_of(name: str, known: Sequence[str]) -> AfterValidator:
    """Let only known words through."""

    def check(words: tuple[str, ...]) -> tuple[str, ...]:
        for word in words:
            if word not in known:
                raise wrong(f"unknown {name} {shown(word)}", near(word, known))
        return words

    return AfterValidator(check)


def ids(kind: str) -> AfterValidator:
    """Let only ids of this kind of approver through: a name would be looked up in vain at every vote."""
    form, described = APPROVERS[kind]

    def check(words: tuple[str, ...]) -> tuple[str, ...]:
        for word in words:
            if not form.fullmatch(word):
                raise wrong(f"{shown(word)} is not {described}")
        return words

    return AfterValidator(check)


Words = Annotated[tuple[str, ...], BeforeValidator(_listed)]
Servers = Annotated[Words, AfterValidator(_servers)]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)


class WrittenApprovers(_Strict):
    """Who may vote, as written."""

    groups: Annotated[Words, ids("groups")] = ()
    people: Annotated[Words, ids("people")] = ()
    channels: Annotated[Words, ids("channels")] = ()


class WrittenRule(_Strict):
    """A rule as written."""

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
    cost_above: Annotated[float, Field(ge=0)] | None = None
    hours: Words = ()
    outside_hours: Words = ()
    time_zone: str | None = None
    votes: Annotated[int, Field(ge=1, le=20)] | None = None
    approvers: WrittenApprovers | None = None
    expires: str | None = None
    reason: Annotated[str, Field(max_length=300), AfterValidator(_sentence)] = ""

    def given(self, key: str) -> bool:
        """Say whether a key was written."""
        return key in self.model_fields_set


def said(error: dict[str, Any]) -> tuple[tuple[str, ...], str, str]:
    """Return one of pydantic's errors as the key it is about, a message and a hint."""
    path = tuple(part for part in error["loc"] if isinstance(part, str))
    name = ".".join(shown(part) for part in path) or "rule"
    if error["type"] == "extra_forbidden":
        known = tuple((WrittenApprovers if len(path) > 1 else WrittenRule).model_fields)
        return path, f"unknown key {name}.", near(path[-1], known)
    if error["type"] == "missing":
        return path, f"{name} is missing.", MISSING[name]
    if error["type"] == "literal_error":
        return path, f"unknown {name} {shown(str(error['input']))}.", near(str(error["input"]), DECISIONS)
    if error["type"] == "policy":
        return path, f"{name}: {error['ctx']['text']}.", str(error["ctx"]["hint"])
    if error["type"] in PLAIN:
        return path, f"{name}: {PLAIN[error['type']]}.", ""
    return path, f"{name}: {error['msg'][:1].lower()}{error['msg'][1:]}.", ""


DECISIONS = ("allow", "confirm", "approve", "deny")
MISSING = {
    "id": 'For example id = "databases-need-two".',
    "decision": f"There are {', '.join(DECISIONS)}.",
}
PLAIN = {
    "model_type": "it takes a table of keys",
    "string_type": "it takes a text, in quotes",
    "string_pattern_mismatch": "it takes lower-case letters, digits and hyphens, at most 64",
    "int_type": "it takes a whole number",
    "float_type": "it takes a number",
}
