"""The words about firewall rules, and what cannot be read with certainty."""

from typing import Any

import pytest

from vpsops.bot.commands.parser import OpenForm, RunOperation, UnclearCommand, parse_command

OPEN = {"server": "web01", "port": "443", "protocol": "tcp", "source": "10.0.0.0/8"}


@pytest.mark.parametrize(
    ("text", "operation", "arguments"),
    [
        ("firewall web01", "firewall", {"server": "web01"}),
        ("firewall web01 allow 443/tcp from 10.0.0.0/8", "firewall_allow", OPEN),
        ("firewall web01 allow 443/TCP 10.0.0.0/8 because the shop", "firewall_allow", OPEN),
        ("firewall-allow web01 port=443 from=10.0.0.0/8 protocol=tcp", "firewall_allow", OPEN),
        (
            "firewall web01 open 53 from 2001:db8::/32",
            "firewall_allow",
            {"server": "web01", "port": "53", "source": "2001:db8::/32"},
        ),
        (
            "firewall web01 remove 443/tcp from 10.0.0.0/8",
            "firewall_remove",
            {"server": "web01", "rule": "443/tcp from 10.0.0.0/8"},
        ),
        ("firewall-remove web01 7d6c5b4a", "firewall_remove", {"server": "web01", "rule": "7d6c5b4a"}),
    ],
)
@pytest.mark.requirement("firewall-words")
def test_the_words_about_rules(text: str, operation: str, arguments: dict[str, Any]) -> None:
    """The verb after the server says which operation is meant."""
    command = parse_command(text)
    assert isinstance(command, RunOperation)
    assert (command.operation, dict(command.arguments)) == (operation, arguments)


@pytest.mark.parametrize(
    "text",
    [
        "firewall",
        "firewall web01 allow 443/tcp from 10.0.0.0/8 now",
        "firewall web01 web02",
        "firewall web01 block 443/tcp",
    ],
)
@pytest.mark.requirement("firewall-words")
def test_what_cannot_be_read_runs_nothing(text: str) -> None:
    """The usage says how."""
    command = parse_command(text)
    assert isinstance(command, UnclearCommand)
    assert "/vps firewall SERVER" in command.hint


@pytest.mark.parametrize(
    ("text", "operation", "values"),
    [
        ("firewall web01 allow", "firewall_allow", {"server": "web01"}),
        (
            "firewall web01 allow 443/tcp because shop",
            "firewall_allow",
            {"server": "web01", "port": "443", "protocol": "tcp"},
        ),
        ("firewall-remove web01", "firewall_remove", {"server": "web01"}),
    ],
)
def test_what_is_missing_is_asked_for_in_a_form(text: str, operation: str, values: dict[str, Any]) -> None:
    """A source that was not said is not everyone."""
    command = parse_command(text)
    assert isinstance(command, OpenForm)
    assert (command.operation, dict(command.arguments)) == (operation, values)
