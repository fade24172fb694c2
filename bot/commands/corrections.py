"""What may be meant by a command on one server with more words than it takes. Nothing of it runs by itself."""

import html
from collections.abc import Sequence
from typing import Final

from vpsops.bot.commands.vocabulary import command_words
from vpsops.bot.protocol.command_catalog import COMMANDS, EXACT, OFFERED
from vpsops.core.operations import Operation

POLITE: Final = frozenset({"please", "pls", "now", "quickly", "asap", "immediately"})
FILLERS: Final = POLITE | {
    *("a", "at", "box", "for", "host", "instance", "machine", "me", "my", "node", "of", "on", "our", "server", "the"),
    *("this", "to", "us", "vm"),
}
"""Words that change nothing."""
JOINERS: Final = frozenset({"and", "&", "+", "or", "plus", "then"})
"""Words between the names of several servers."""
OPENINGS: Final = POLITE | {
    *("$", "#", ">", "-", "and", "are", "can", "could", "do", "force", "go", "hard", "hey", "hi", "how", "how's", "i"),
    *("is", "just", "let's", "need", "sudo", "the", "to", "want", "what", "what's", "whats", "will", "would", "you"),
}
"""Words that people write before a command, in a sentence or as in a shell."""
MOST_OPENING: Final = 5
CONNECTIVES: Final = frozenset({"since", "as", "cause", "bc", "coz", "due", "-", "--", "for", "to", "reason"})
"""Words that begin a reason, besides those that the parser knows."""
MOST_NAMES: Final = 4


def spoken_texts(text: str) -> tuple[str, ...]:
    """Return the commands that may be meant by a sentence: `can you reboot db01`, or `is web01 up?`."""
    words = text.split()
    opening = next((place for place, word in enumerate(words) if _bare(word) not in OPENINGS), len(words))
    around = "".join(map(_bare, (words[0], words[2]))) if len(words) == 3 else ""  # noqa: PLR2004 - `turn web01 off`
    if around in EXACT or around in OFFERED:
        return (f"{EXACT.get(around) or OFFERED[around]} {words[1]}",)
    rest = words[opening:]
    if not 0 < opening <= MOST_OPENING or not rest:
        return ()
    if command_words(rest)[0] in COMMANDS:
        return (" ".join(rest),)
    named = [word for word in rest if is_like_name(word)]
    return (f"show {named[0]}", f"status {named[0]}") if len(named) == 1 and named[0] == rest[0] else ()


def names_in_bold(words: Sequence[str]) -> tuple[str, ...]:
    """Return names without the asterisks around all of them: emphasis, where it may be two patterns; else none."""
    first, last = (words[0], words[-1]) if len(words) > 1 else ("", "")
    is_open, is_closed = first.startswith("*") and not first.endswith("*"), last.endswith("*") and last[0] != "*"
    return (first[1:], *words[1:-1], last[:-1]) if is_open and is_closed else ()


def command_behind(words: Sequence[str]) -> str:
    """Return the one command that stands behind a server's name, fillers aside: `web01 reboot please`; else ""."""
    kept = command_words([word for word in words if not _is_filler(word)])
    return kept[0] if len(kept) == 1 and kept[0] in COMMANDS else ""


def corrected_texts(word: str, words: Sequence[str], reason: str, operation: Operation) -> tuple[str, ...]:
    """Return the commands that may be meant, for buttons: without fillers, on each server, or with the rest as reason.

    A read takes no reason, so that only its first name is offered.
    """
    kept = [other for other in words if not _is_filler(other)]
    named = [other for other in kept if _bare(other) not in JOINERS]
    joined = len(kept) > len(named) > 1 and all(is_like_name(other) for other in named)
    kept = named if joined else kept
    if not kept:
        return ()
    given = f" because {_escaped(reason)}" if reason else ""
    if len(kept) == 1:
        return (f"{word} {kept[0]}{given}",)
    if joined and operation.plannable and "or" not in map(_bare, words):
        return (f"{word} {' '.join(kept)}{given}",)
    if all(is_like_name(other) for other in kept):
        return tuple(f"{word} {name}{given}" for name in kept[:MOST_NAMES])
    if operation.reads:
        return (f"{word} {kept[0]}",)
    rest = list(words[words.index(kept[0]) + 1 :])
    while rest and rest[0].lower() in CONNECTIVES:
        rest = rest[1:]
    why = ", ".join(filter(None, (" ".join(rest), reason)))
    return (f"{word} {kept[0]} because {_escaped(why)}",) if rest else ()


def _is_filler(word: str) -> bool:
    """Return whether a word can be left out: also options, which no command on one server has."""
    return _bare(word) in FILLERS or (word.startswith("-") and word.strip("-") != "")


def _bare(word: str) -> str:
    """Return a word as Slack showed it, without punctuation around it."""
    return html.unescape(word).lower().rstrip(".,!?:")


def is_like_name(word: str) -> bool:
    """Return whether a word looks like a server's name, and not like one of a sentence."""
    return any(letter.isdigit() for letter in word) or "." in word.strip(".,!?")


def _escaped(text: str) -> str:
    """Return a text as Slack would hand it over, since a button's text is read as typed text."""
    return html.escape(text, quote=False)
