"""From a typed word to the command it stands for, or to the commands it may have been. Shared by all that people type.

difflib was rejected for the likely commands: it counts letters in common, so that `resume` is like `resize`.
"""

import unicodedata
from collections.abc import Iterable, Sequence
from typing import Final

from vpsops.bot.protocol.command_catalog import CHAT_COMMANDS, COMMANDS, EXACT, LISTED, OFFERED, SLASH, operation_of
from vpsops.bot.protocol.text_normalization import split_at_reason, split_command
from vpsops.core.operations import OPERATIONS

NEAR: Final = 4
HELP: Final = frozenset({"help", "?", "--help", "-h"})
SERVER_COMMANDS: Final = frozenset(
    {"watch", *(word for word in COMMANDS if word not in CHAT_COMMANDS and OPERATIONS[operation_of(word)].takes_server)}
)
"""Commands that are about one server."""
LONGEST_WORD: Final = 40
SHORT_WORD: Final = 4
OWN_NAMES: Final = frozenset({SLASH, SLASH.lstrip("/"), "vpsops", "@vpsops"})
"""What people type before a command that needs no name before it."""


def command_words(words: Sequence[str]) -> list[str]:
    """Return typed words with the command that their first ones stand for; unknown words stay as they are."""
    rest = list(words)
    while len(rest) > 1 and _plain(rest[0]) in OWN_NAMES:
        rest = rest[1:]
    if not rest:
        return rest
    word = _plain(rest[0]).lstrip("/").rstrip(".,;:!")
    both = word + _plain(rest[1]) if len(rest) > 1 else ""
    if both in EXACT or both in OFFERED:  # `power off web01`
        return [EXACT.get(both, both), *rest[2:]]
    joined = word.replace("-", "").replace("_", "")
    return [word if word in COMMANDS else EXACT.get(word) or EXACT.get(joined, word), *rest[1:]]


def names_command(text: str) -> bool:
    """Return whether a text begins with the word of a command."""
    words = command_words(split_command(text)[0])
    return bool(words) and words[0] in {*COMMANDS, *HELP}


THREAD_WORDS: Final = frozenset({"it", "this", "that", "now", "please"})
"""What people write in a thread in place of its server; it is never the beginning of another server's name."""


def with_server(text: str, server: str) -> str | None:
    """Return a command's text with the server that it lacks; None for one that names something, or needs none."""
    head, reason = split_at_reason(text)
    typed = head.split()
    words = command_words(typed)
    if len(words) == 1 and words[0] in SERVER_COMMANDS:
        return f"{head.strip()} {server}{reason}"
    named = [word for word in words[1:] if word.lower().strip(".,!?") not in THREAD_WORDS]
    if words and words[0] in SERVER_COMMANDS and not named:
        return f"{words[0]} {server}{reason}"
    if len(words) > 1 and words[0] == "watch" and words[1].lower() in {"for", "stop"}:
        return " ".join((words[0], server, *typed[1:])) + reason
    return None


def with_change(text: str, change: str) -> str | None:
    """Return the text of a verdict with the change that it lacks; None for any other text."""
    words = command_words(text.split())
    return f"{words[0]} {change}" if words in (["approve"], ["deny"]) else None


def likely_commands(word: str) -> list[str]:
    """Return the commands that an unknown word may have been: what it may mean, else what it is a slip of."""
    offered = OFFERED.get(word) or OFFERED.get(word.replace("-", ""))
    if offered:
        return [offered]
    begun = [command for command in LISTED if command.startswith(word)]
    return begun[:NEAR] if begun else nearest_words(word, (*COMMANDS, *EXACT))


def nearest_words(word: str, known: Iterable[str]) -> list[str]:
    """Return the commands of the known words at the least distance from a word; none of another risk farther away."""
    short = word[:LONGEST_WORD]
    most = 1 if len(short) <= SHORT_WORD else 2
    near = sorted((distance(short, other), other) for other in known if abs(len(short) - len(other)) <= most)
    near = [pair for pair in near if pair[0] <= most]
    if not near:
        return []
    commands = dict.fromkeys(EXACT.get(other, other) for far, other in near if far == near[0][0])
    classes = {consequence(command) for command in commands}
    farther = [EXACT.get(other, other) for _, other in near]
    return list(dict.fromkeys([*commands, *(other for other in farther if consequence(other) in classes)]))[:NEAR]


def consequence(command: str) -> str:
    """Return what a command does to servers: the risk of its operation, or itself."""
    try:
        return OPERATIONS[operation_of(command)].risk.value
    except KeyError:
        return command


def distance(first: str, second: str) -> int:
    """Return how many slips lie between two words: a letter too many, missing, wrong, or swapped with the next."""
    before: list[int] = []
    above = list(range(len(second) + 1))
    for row, letter in enumerate(first, 1):
        line = [row]
        for column, other in enumerate(second, 1):
            least = min(above[column] + 1, line[-1] + 1, above[column - 1] + (letter != other))
            if row > 1 and column > 1 and letter == second[column - 2] and first[row - 2] == other:
                least = min(least, before[column - 2] + 1)
            line.append(least)
        before, above = above, line
    return above[-1]


def _plain(word: str) -> str:
    """Return a word as it is compared: full-width letters as plain ones, lower case, without marks of emphasis."""
    return unicodedata.normalize("NFKC", word).lower().strip("*~()[]")
