"""What may be meant by a command on one server with more words than it takes. Nothing of it runs by itself."""

import html
from collections.abc import Sequence
from typing import Final

POLITE: Final = frozenset({"please", "pls", "now", "quickly", "asap", "immediately"})
FILLERS: Final = POLITE | {"a", "at", "for", "machine", "my", "of", "on", "our", "server", "the", "this", "to", "vm"}
"""Words that change nothing."""
CONNECTIVES: Final = frozenset({"since", "as", "cause", "bc", "coz", "due", "-", "--", "for", "to", "reason"})
"""Words that begin a reason, besides those that the parser knows."""
MOST_NAMES: Final = 4


def corrected_texts(word: str, words: Sequence[str], reason: str, *, reads: bool) -> tuple[str, ...]:
    """Return the commands that may be meant, for buttons: without fillers, on each server, or with the rest as reason.

    A read takes no reason, so that only its first name is offered.
    """
    kept = [other for other in words if not _is_filler(other)]
    if not kept:
        return ()
    given = f" because {_escaped(reason)}" if reason else ""
    if len(kept) == 1:
        return (f"{word} {kept[0]}{given}",)
    if all(is_like_name(other) for other in kept):
        return tuple(f"{word} {name}{given}" for name in kept[:MOST_NAMES])
    if reads:
        return (f"{word} {kept[0]}",)
    rest = list(words[words.index(kept[0]) + 1 :])
    while rest and rest[0].lower() in CONNECTIVES:
        rest = rest[1:]
    why = ", ".join(filter(None, (" ".join(rest), reason)))
    return (f"{word} {kept[0]} because {_escaped(why)}",) if rest else ()


def _is_filler(word: str) -> bool:
    """Return whether a word can be left out: also options, which no command on one server has."""
    return word.lower().strip(".,!?") in FILLERS or word.startswith("--")


def is_like_name(word: str) -> bool:
    """Return whether a word looks like a server's name, and not like one of a sentence."""
    return any(letter.isdigit() for letter in word) or "." in word.strip(".,!?")


def _escaped(text: str) -> str:
    """Return a text as Slack would hand it over, since a button's text is read as typed text."""
    return html.escape(text, quote=False)
