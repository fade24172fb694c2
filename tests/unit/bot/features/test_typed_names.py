"""The name that is typed to decide about what destroys: a hostname in any case, what follows it exactly."""

import pytest

from vpsops.bot.features.validation import name_errors, same_name

SNAPSHOT = "web01.example.com Monday"


@pytest.mark.parametrize(
    "typed", ["web01.example.com Monday", " WEB01.Example.COM  Monday ", "Web01.example.com\tMonday"]
)
@pytest.mark.requirement("typed-names")
def test_a_hostname_has_no_case_and_spaces_around_do_not_count(typed: str) -> None:
    """Hostnames are the same in any case."""
    assert same_name(typed, SNAPSHOT)
    assert name_errors(typed, SNAPSHOT) == {}


@pytest.mark.parametrize(
    "typed",
    [
        "web01.example.com monday",
        "web01.example.com MONDAY",
        "web01.example.com",
        "Monday",
        "web01 Monday",
        "web01.example.com Monday extra",
        "web02.example.com Monday",
        "web01.\uff45xample.com Monday",
        "",
        " ",
    ],
)
def test_a_snapshot_is_named_exactly(typed: str) -> None:
    """The provider's `Monday` and `monday` are two snapshots: the name of one does not agree to the other's end."""
    assert not same_name(typed, SNAPSHOT)
    assert SNAPSHOT in name_errors(typed, SNAPSHOT)["name"]


def test_no_name_agrees_to_nothing() -> None:
    """What has no name cannot be agreed to."""
    assert not same_name("", "")
    assert not same_name(" ", " ")


@pytest.mark.parametrize(
    ("typed", "name"),
    [("\u017fite01", "site01"), ("web0\u212a", "web0k"), ("\ufb01les", "files"), ("strasse", "stra\u00dfe")],
)
def test_letters_that_look_like_a_name_are_not_it(typed: str, name: str) -> None:
    """Hostnames have no case in ASCII alone (RFC 4343)."""
    assert not same_name(typed, name)
