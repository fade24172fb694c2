"""Tokens at rest: sealed, bound to their workspace, and openable after a change of keys."""

import base64

import pytest

from bot.sealing import Sealer

OLD, NEW = "o" * 32, "n" * 32
TOKEN = "xoxb-1-2-abcdef"


def test_what_is_sealed_opens_again_and_shows_nothing() -> None:
    """The token comes back whole, is not in what is stored, and is never stored the same way twice."""
    sealer = Sealer([NEW])
    first, second = sealer.seal(TOKEN, "app/T1"), sealer.seal(TOKEN, "app/T1")
    assert sealer.open(first, "app/T1") == sealer.open(second, "app/T1") == TOKEN
    assert first != second
    assert TOKEN not in first
    assert TOKEN.encode() not in base64.urlsafe_b64decode(first.removeprefix("v1."))


def test_a_sealed_token_is_worth_nothing_in_another_workspaces_row() -> None:
    """Moved in the database, it does not open."""
    sealer = Sealer([NEW])
    assert sealer.open(sealer.seal(TOKEN, "app/T1"), "app/T2") is None
    assert sealer.open(sealer.seal(TOKEN, "app/T1"), "other/T1") is None


def test_keys_are_changed_by_putting_the_new_one_first() -> None:
    """What the old key sealed opens while it is still named; the new one seals."""
    sealed = Sealer([OLD]).seal(TOKEN, "app/T1")
    both = Sealer([NEW, OLD])
    assert both.open(sealed, "app/T1") == TOKEN
    assert Sealer([NEW]).open(both.seal(TOKEN, "app/T1"), "app/T1") == TOKEN
    assert Sealer([NEW]).open(sealed, "app/T1") is None


@pytest.mark.parametrize("stored", ["", "v1.", "v1.AAAA", TOKEN, "v2.AAAA", "v1.!!!", "v1." + "A" * 80, "v1.é"])
def test_what_was_never_sealed_does_not_open(stored: str) -> None:
    """A damaged or plain text value is no token."""
    assert Sealer([NEW]).open(stored, "app/T1") is None


def test_sealing_without_a_key_is_impossible() -> None:
    """There is no silent default key."""
    with pytest.raises(ValueError, match="no key"):
        Sealer([])
