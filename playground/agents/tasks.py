"""Tasks in simple words, as the scripted agent reads them: what is to be done, to which server, and why."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final, Literal

from vpsops.core.common.text import one_line

Kind = Literal["reboot", "stop", "start", "create", "delete", "list", "changes", "show", "unclear"]

LONGEST_TASK: Final = 500
SAMPLES: Final = (
    "Restart web01, it hangs",
    "Stop db01, unused at night",
    "Make a small server in Oslo",
    "What runs in Frankfurt?",
    "Restart web03, it hangs",
    "Delete mail06",
)
"""Offered as buttons."""

PHRASES: Final = (
    (re.compile(r"\b(?:turn|switch|power)\b(.*?)\boff\b|\bshut\b(.*?)\bdown\b"), r"stop \1 \2"),
    (re.compile(r"\b(?:turn|switch|power)\b(.*?)\bon\b"), r"start \1"),
    (re.compile(r"\bset\b(.*?)\bup\b"), r"create \1"),
    (re.compile(r"\bhow many\b"), "list"),
)
"""Verbs of two words, and what each is read as."""
VERBS: Final[dict[Kind, frozenset[str]]] = {
    "delete": frozenset({"delete", "destroy", "remove"}),
    "reboot": frozenset({"restart", "reboot"}),
    "stop": frozenset({"stop", "shutdown", "halt"}),
    "start": frozenset({"start", "boot"}),
    "create": frozenset({"create", "make", "add", "provision"}),
    "changes": frozenset({"changes", "pending", "approvals"}),
    "show": frozenset({"show", "status", "how", "why", "check", "slow", "down", "describe"}),
    "list": frozenset({"list", "which", "servers", "what"}),
}
"""By what cannot be undone first: a task with two verbs is read as the one that is refused or asked about."""
REASON: Final = re.compile(r"\s*(?:,|;|:|\bbecause(?: of)?\b|\bsince\b)\s*", re.IGNORECASE)
NEGATION: Final = re.compile(r"\b(?:not|never|don.?t|no need to)\b")
WORD: Final = re.compile(r"[a-z0-9](?:[a-z0-9.-]*[a-z0-9])?")


@dataclass(frozen=True, slots=True)
class AgentTask:
    """A task that was read; `words` are all its words in lower case."""

    kind: Kind
    words: tuple[str, ...]
    reason: str

    @property
    def names(self) -> tuple[str, ...]:
        """The words that can only be names of servers: those with a digit or a dot in them."""
        return tuple(word for word in self.words if word[0].isalpha() and ("." in word or any(map(str.isdigit, word))))


def parse_task(text: str) -> AgentTask:
    """Read a task; one without a known verb is `unclear`."""
    line = one_line(text, LONGEST_TASK)
    reason = " ".join(REASON.split(line, maxsplit=1)[1:]).strip(" .!") or line
    plain = line.lower()
    for phrase, verb in PHRASES:
        plain = phrase.sub(verb, plain)
    words = tuple(WORD.findall(plain))
    order = REASON.split(plain, maxsplit=1)[0]
    kind = _kind_of(WORD.findall(order)) or _kind_of(words) or "unclear"
    if NEGATION.search(order):
        kind = "unclear"
    elif kind == "show" and "servers" in words:
        kind = "list"
    return AgentTask(kind, words, reason)


def _kind_of(words: Iterable[str]) -> Kind | None:
    return next((kind for kind in VERBS if VERBS[kind].intersection(words)), None)


def matching_servers(task: AgentTask, hostnames: Sequence[str]) -> list[str]:
    """Return the servers that a task may mean: by name, by the first part of one, or by what they are for (`db`)."""
    named = [name for name in hostnames if any(_is_called(name.lower(), word) for word in task.names)]
    if named or task.names:
        return named
    return [name for name in hostnames if name.lower().split(".")[0].rstrip("0123456789") in task.words]


def _is_called(hostname: str, word: str) -> bool:
    return hostname == word or hostname.startswith(f"{word}.")
