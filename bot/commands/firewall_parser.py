"""Reads the words about firewall rules: `web01 allow 443/tcp from 10.0.0.0/8`. Raises; it never guesses."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from vpsops.bot.commands.argument_parser import ArgumentsError, parse_arguments
from vpsops.core.common.json_types import Json
from vpsops.core.operations import OPERATIONS, Operation

LIST: Final = "firewall"
ADD: Final = "firewall_allow"
REMOVE: Final = "firewall_remove"
VERBS: Final = {"allow": ADD, "add": ADD, "open": ADD, "remove": REMOVE, "delete": REMOVE, "close": REMOVE}
PORT: Final = re.compile(r"(\d+)/(\w+)", re.ASCII)
NAMED: Final = re.compile(r"-{0,2}(?:server|rule)[=:]", re.IGNORECASE)
FROM: Final = "from"


@dataclass(frozen=True, slots=True)
class FirewallCommand:
    """The operation that words ask for, and its arguments."""

    operation: str
    arguments: Mapping[str, Json]


def firewall_operation(operation: str, words: Sequence[str]) -> str:
    """Return the operation that is asked for: of the word `firewall` the verb after the server says which."""
    return VERBS.get(words[1].lower(), operation) if operation == LIST and len(words) > 1 else operation


def with_verb(words: Sequence[str]) -> list[str]:
    """Return a command's words with the verb after its server in the command: `firewall-allow web01 443/tcp …`."""
    asked = firewall_operation(LIST, words[1:]) if words[:1] == [LIST] else LIST
    return [OPERATIONS[asked].word, words[1], *words[3:]] if asked != LIST else list(words)


def parse_words(operation: Operation, words: Sequence[str]) -> Mapping[str, Json]:
    """Return an operation's arguments, those about a firewall in the words that are read here; raises as they do."""
    own = operation.name in VERBS.values()
    return parse_firewall(operation.name, words).arguments if own else parse_arguments(operation, words)


def parse_firewall(operation: str, words: Sequence[str]) -> FirewallCommand:
    """Return what is asked for; raises `ArgumentsError`."""
    if operation == LIST and len(words) > 1:
        asked = firewall_operation(operation, words)
        if asked == LIST:
            raise ArgumentsError("A firewall can be listed, or a rule of it allowed or removed, nothing else.")
        return parse_firewall(asked, [words[0], *words[2:]])
    if operation == ADD:
        return FirewallCommand(ADD, _new_rule(words))
    if operation == REMOVE and len(words) > 1 and not any(NAMED.match(word) for word in words[:2]):
        return FirewallCommand(REMOVE, {"server": words[0], "rule": " ".join(words[1:])})
    return FirewallCommand(operation, parse_arguments(OPERATIONS[operation], words))


def _new_rule(words: Sequence[str]) -> Mapping[str, Json]:
    """Read `SERVER PORT/PROTOCOL from SOURCE`, or the arguments by their names."""
    place, rule = next(((at, match) for at, word in enumerate(words) if (match := PORT.fullmatch(word))), (0, None))
    rest = [*words[:place], rule[1], f"protocol={rule[2].lower()}", *words[place + 1 :]] if rule else list(words)
    kept = [word for place, word in enumerate(rest) if not (word.lower() == FROM and place + 1 < len(rest))]
    return parse_arguments(OPERATIONS[ADD], kept)
