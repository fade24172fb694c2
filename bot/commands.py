"""What somebody typed after `/vps`, as one of a few values; pure, and never a guess.

Phones turn two hyphens into a dash and straight quotes into curly ones; Slack turns hostnames into
links and escapes three characters. All of that is undone here, before a word is looked at.
"""

import difflib
import html
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from bot.words import COMMANDS, SLASH, operation_of, usage
from core.operations import OPERATIONS

MAX_TEXT: Final = 4000
MAX_REASON: Final = 500
FILTERS: Final = frozenset({"name", "state", "region"})
CREATE: Final = {
    "hostname": "hostname",
    "plan": "plan",
    "region": "region",
    "os": "os_template",
    "os_template": "os_template",
}

_LINK: Final = re.compile(r"<(?:https?://|mailto:|tel:)([^<>|]*)(?:\|([^<>]*))?>")
_DASHES: Final = "\u2010\u2011\u2012\u2013\u2014\u2015\u2212\ufe58\ufe63\uff0d"
_LEADING: Final = re.compile(rf"(?<!\S)[{_DASHES}](?=[^\W\d_])")
_ANY_DASH: Final = re.compile(f"[{_DASHES}]")
_QUOTES: Final = "\"'`\u2018\u2019\u201a\u201b\u201c\u201d\u201e\u201f\u00ab\u00bb\u2039\u203a"
_REASON: Final = re.compile(rf"\s(?:because:?|for:|[-{_DASHES}]{{1,2}}reason(?:=|\s|$))\s*", re.IGNORECASE)
_PAIR: Final = re.compile(r"-{0,2}([A-Za-z_]+)[=:](.*)", re.DOTALL)
_CHANGE: Final = re.compile(r"chg_[0-9A-Za-z_-]{1,60}")


@dataclass(frozen=True, slots=True)
class Run:
    """Run an operation; `reason` is the asker's own words."""

    operation: str
    arguments: Mapping[str, str] = field(default_factory=dict)
    reason: str = ""


@dataclass(frozen=True, slots=True)
class OpenCreate:
    """Open the form for a new server, with what was typed already filled in."""

    given: Mapping[str, str] = field(default_factory=dict)
    reason: str = ""


@dataclass(frozen=True, slots=True)
class ShowHelp:
    """Explain everything, or one command."""

    topic: str = ""


@dataclass(frozen=True, slots=True)
class ShowChanges:
    """List the newest changes."""


@dataclass(frozen=True, slots=True)
class CancelChange:
    """Withdraw a change."""

    change: str
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Unclear:
    """Not understood: what is wrong, and what to type instead. Nothing is run."""

    message: str
    hint: str


Command = Run | OpenCreate | ShowHelp | ShowChanges | CancelChange | Unclear


def parse(text: str) -> Command:
    """Read what was typed; whatever cannot be read with certainty is `Unclear`."""
    head, reason = _split_reason(_unslack(text[:MAX_TEXT]))
    words = [word for word in (_trim(part) for part in _dashes(head).split()) if word]
    if not words:
        return ShowHelp()
    word, rest = words[0].lower().lstrip("/"), words[1:]
    if word in {"help", "?", "--help", "-h"}:
        return ShowHelp(rest[0].lower() if rest else "")
    if word not in COMMANDS:
        return _unknown(word)
    if "--help" in rest or "-h" in rest:
        return ShowHelp(word)
    return _read(word, rest, reason)


def _read(word: str, rest: list[str], reason: str) -> Command:
    if word == "changes":
        return ShowChanges() if not rest else _too_much(word)
    if word == "cancel":
        return _cancel(rest, reason)
    name = operation_of(word)
    if name == "list":
        return _list(rest)
    if name == "create":
        return _create(rest, reason)
    return _on_server(word, name, rest, reason) if OPERATIONS[name].takes_server else _alone(word, name, rest)


def _on_server(word: str, name: str, rest: list[str], reason: str) -> Command:
    if not rest:
        return Unclear(f"{SLASH} {word} needs a server.", f"For example: {SLASH} {word} web01")
    if len(rest) > 1:
        return Unclear(f"{SLASH} {word} takes one server at a time.", f"Write: {usage(word)}")
    return Run(name, {"server": rest[0]}, reason)


def _alone(word: str, name: str, rest: list[str]) -> Command:
    return Run(name) if not rest else _too_much(word)


def _list(rest: list[str]) -> Command:
    found: dict[str, str] = {}
    for word in rest:
        key, value = _pair(word, FILTERS) or ("name", word)
        if key in found or not value:
            return Unclear("That is not one filter of each kind.", f"Write: {usage('list')}")
        found[key] = value
    return Run("list", found)


def _create(rest: list[str], reason: str) -> Command:
    found: dict[str, str] = {}
    for word in rest:
        pair = _pair(word, frozenset(CREATE))
        key, value = (CREATE[pair[0]], pair[1]) if pair else ("hostname", word)
        if key in found or not value:
            return Unclear(f"I cannot place '{_quoted(word)}'.", f"Write: {usage('create')}")
        found[key] = value
    return OpenCreate(found, reason)


def _cancel(rest: list[str], reason: str) -> Command:
    if len(rest) != 1 or not _CHANGE.fullmatch(rest[0]):
        return Unclear("Which change?", f"Write: {usage('cancel')}; {SLASH} changes shows the ids.")
    return CancelChange(rest[0], reason)


def _unknown(word: str) -> Unclear:
    near = difflib.get_close_matches(word[:40], COMMANDS, n=2, cutoff=0.6)
    meant = " or ".join(f"{SLASH} {one}" for one in near)
    hint = f"Did you mean {meant}?" if near else f"{SLASH} help shows what there is."
    return Unclear(f"I do not know '{_quoted(word)}', so nothing was run.", hint)


def _too_much(word: str) -> Unclear:
    return Unclear(f"{SLASH} {word} takes nothing after it.", f"Write: {usage(word)}")


def _pair(word: str, keys: frozenset[str]) -> tuple[str, str] | None:
    match = _PAIR.fullmatch(word)
    if match is None or match[1].lower() not in keys:
        return None
    return match[1].lower(), _trim(match[2])


def _split_reason(text: str) -> tuple[str, str]:
    """Cut the reason off; its marker counts from the third word on, so no server's name is taken for one."""
    for match in _REASON.finditer(text):
        if len(text[: match.start()].split()) > 1 or text.split(maxsplit=1)[0].lower() == "create":
            return text[: match.start()], text[match.end() :].strip()[:MAX_REASON]
    return text, ""


def _unslack(text: str) -> str:
    """Undo what Slack did: links back to what was typed, the three escapes back to characters."""
    linked = _LINK.sub(lambda found: found[2] or found[1].rstrip("/"), text)
    plain = html.unescape(linked) if "&" in linked else linked
    return "".join(" " if one.isspace() else one for one in plain if one.isspace() or one.isprintable())


def _dashes(text: str) -> str:
    return _ANY_DASH.sub("-", _LEADING.sub("--", text))


def _trim(word: str) -> str:
    return word.strip(_QUOTES)


def _quoted(word: str) -> str:
    return word if len(word) <= 40 else word[:39] + "…"  # noqa: PLR2004 - enough to recognise it
