"""The words about a firewall, as they are typed in Slack and at the terminal."""

from typing import Any

import pytest

from vpsops.bot.commands.argument_parser import ArgumentsError
from vpsops.bot.commands.firewall_parser import parse_words, with_verb
from vpsops.core.operations import OPERATIONS

RULE = {"server": "web01", "port": "443", "protocol": "tcp", "source": "10.0.0.0/8"}


@pytest.mark.parametrize(
    ("words", "meant"),
    [
        ("firewall web01 allow 443/tcp from 10.0.0.0/8", "firewall-allow web01 443/tcp from 10.0.0.0/8"),
        ("firewall web01 remove 7", "firewall-remove web01 7"),
        ("firewall web01 OPEN 80", "firewall-allow web01 80"),
        ("firewall web01", "firewall web01"),
        ("firewall web01 deny 80", "firewall web01 deny 80"),
        ("firewall-allow web01 allow", "firewall-allow web01 allow"),
        ("list allow allow", "list allow allow"),
        ("", ""),
    ],
)
def test_the_verb_behind_the_server_is_part_of_the_command(words: str, meant: str) -> None:
    """Of the word `firewall` alone; other words stay."""
    assert " ".join(with_verb(words.split())) == meant


@pytest.mark.parametrize(
    "words",
    [
        "web01 443/tcp from 10.0.0.0/8",
        "web01 443/TCP 10.0.0.0/8",
        "from=10.0.0.0/8 web01 443/tcp",
        "web01 443 10.0.0.0/8 protocol=tcp",
    ],
)
def test_a_rule_is_read_from_its_words(words: str) -> None:
    """A port with its protocol, in whichever place, and a source with or without its word."""
    assert parse_words(OPERATIONS["firewall_allow"], words.split()) == RULE


@pytest.mark.parametrize("words", ["web01", "web01 443/tcp", "web01 443/tcp from"])
def test_a_rule_without_a_source_is_none(words: str) -> None:
    """Whom to let in is never guessed."""
    operation: Any = OPERATIONS["firewall_allow"]
    if words.endswith("from"):
        assert parse_words(operation, words.split())["source"] == "from"
    else:
        with pytest.raises(ArgumentsError):
            parse_words(operation, words.split())
