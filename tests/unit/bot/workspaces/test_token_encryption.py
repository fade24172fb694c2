"""Tokens at rest: encrypted, bound to their workspace, readable after a change of keys and of the format."""

import base64

import pytest
from cryptography.fernet import Fernet
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.harness.profiles import examples
from vpsops.bot.workspaces.token_encryption import TokenCipher

OLD, NEW = "o" * 32, "n" * 32
TOKEN = "xoxb-1-2-abcdef"
FIRST_FORMAT = "v1.g_Lc9-OvQ_0lv2HM6BnRZ6bDWKzddRMlHdDlW7nfGoRRsR7JxcUOcqF1iQ=="
"""The token about `app/T1`, as code of schema 0009 encrypted it with the old key."""
PRESENT_FORMAT = (
    "gAAAAABrC3jU2YKg3fZwYCB-SmAsB1rHtv2_oeDHyVBekxXugqYFSog_OQBM"
    "Z6SAMbnUw42BTTG19sEivdGK-q6x3vMZraUY3lsZtHFhsSkdUhlkj3BHlfc="
)
DERIVED = "jGTveIT3I9l64vCDLk7aSPtOu7EsU19xqX7_yujKx3E="
"""The Fernet key that is derived from the old key."""


def test_what_is_encrypted_decrypts_again_and_shows_nothing() -> None:
    """The token decrypts whole, is not in the stored text, and is never stored the same way twice."""
    cipher = TokenCipher([NEW])
    first, second = cipher.encrypt(TOKEN, "app/T1"), cipher.encrypt(TOKEN, "app/T1")
    assert cipher.decrypt(first, "app/T1") == cipher.decrypt(second, "app/T1") == TOKEN
    assert first != second
    assert TOKEN not in first
    assert TOKEN.encode() not in base64.urlsafe_b64decode(first)


def test_an_encrypted_token_is_worth_nothing_in_another_workspaces_row() -> None:
    """Moved in the database, it does not decrypt."""
    cipher = TokenCipher([NEW])
    assert cipher.decrypt(cipher.encrypt(TOKEN, "app/T1"), "app/T2") is None
    assert cipher.decrypt(cipher.encrypt(TOKEN, "app/T1"), "other/T1") is None


@pytest.mark.requirement("tokens-outlive-keys")
def test_keys_are_rotated_by_putting_the_new_one_first() -> None:
    """The old key decrypts its texts while it is still named; the new one encrypts, and marks its own."""
    stored = TokenCipher([OLD]).encrypt(TOKEN, "app/T1")
    both = TokenCipher([NEW, OLD])
    assert both.decrypt(stored, "app/T1") == TOKEN
    assert TokenCipher([NEW]).decrypt(both.encrypt(TOKEN, "app/T1"), "app/T1") == TOKEN
    assert TokenCipher([NEW]).decrypt(stored, "app/T1") is None
    assert [both.is_current(item) for item in (stored, both.encrypt(TOKEN, "app/T1"))] == [False, True]


@pytest.mark.requirement("tokens-outlive-keys")
def test_the_first_format_decrypts_and_is_not_current() -> None:
    """A database of an older version keeps its tokens, bound to their workspaces as before."""
    assert TokenCipher([NEW, OLD]).decrypt(FIRST_FORMAT, "app/T1") == TOKEN
    assert TokenCipher([OLD]).decrypt(FIRST_FORMAT, "app/T2") is None
    assert TokenCipher([NEW]).decrypt(FIRST_FORMAT, "app/T1") is None
    assert not TokenCipher([OLD]).is_current(FIRST_FORMAT)


def test_the_present_format_is_fernets_own_and_stays() -> None:
    """Any Fernet decrypts it with the derived key; what this version stored decrypts in all later ones."""
    assert TokenCipher([OLD]).decrypt(PRESENT_FORMAT, "app/T1") == TOKEN
    assert Fernet(DERIVED).decrypt(TokenCipher([OLD]).encrypt(TOKEN, "app/T1")) == b'["app/T1", "xoxb-1-2-abcdef"]'


@pytest.mark.parametrize(
    "stored", ["", "v1.", "v1.AAAA", TOKEN, "v2.AAAA", "v1.!!!", "v1." + "A" * 80, "v1.é", "é", "gAAAAA", "gAAAAA" * 30]
)
def test_what_was_never_encrypted_does_not_decrypt(stored: str) -> None:
    """A damaged or plain text value is no token."""
    assert TokenCipher([NEW]).decrypt(stored, "app/T1") is None
    assert not TokenCipher([NEW]).is_current(stored)


@pytest.mark.parametrize("content", [b"xoxb-1", b"[]", b'"app/T1"', b'["app/T1", 7]', b'["app/T1", "a", "b"]', b"\xff"])
def test_another_text_under_our_key_is_no_token(content: bytes) -> None:
    """Not even what the right key encrypted, where its context is missing."""
    assert TokenCipher([OLD]).decrypt(Fernet(DERIVED).encrypt(content).decode(), "app/T1") is None


@settings(max_examples=examples(30))
@given(st.integers(0, 10_000), st.integers(1, 255), st.sampled_from([FIRST_FORMAT, PRESENT_FORMAT]))
def test_a_changed_byte_leaves_nothing_to_decrypt(place: int, change: int, stored: str) -> None:
    """Write access to the database cannot alter a token in part."""
    mark = "v1." if stored.startswith("v1.") else ""
    raw = bytearray(base64.urlsafe_b64decode(stored.removeprefix(mark)))
    raw[place % len(raw)] ^= change
    assert TokenCipher([OLD]).decrypt(mark + base64.urlsafe_b64encode(raw).decode(), "app/T1") is None


def test_encrypting_without_a_key_is_impossible() -> None:
    """There is no silent default key."""
    with pytest.raises(ValueError, match="no key"):
        TokenCipher([])
