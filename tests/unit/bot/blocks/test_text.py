"""Text from outside is bounded by characters, on one line, and means nothing to Slack."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vpsops.bot.blocks.text import channel_link, escape_untrusted, is_user_id, user_mention
from vpsops.core.common.text import bound, one_line


@given(st.text(max_size=500), st.integers(min_value=1, max_value=200))
def test_outside_text_is_bounded_flat_and_escaped(text: str, limit: int) -> None:
    """No limit is passed, no line broken, no control character left, no entity cut in half."""
    escaped = escape_untrusted(text, limit)
    assert len(escaped) <= limit
    assert not set(escaped) & set("\n\r\t`*~<>")
    assert "&" not in escaped.replace("&amp;", "").replace("&lt;", "").replace("&gt;", "")


@given(st.text(max_size=100), st.integers(min_value=1, max_value=50))
def test_a_cut_is_shown(text: str, limit: int) -> None:
    """A text that was cut ends on an ellipsis; one that fits is left as it is."""
    cut = bound(text, limit)
    assert cut == text if len(text) <= limit else cut.endswith("…")
    assert len(cut) <= limit


@pytest.mark.parametrize("letter", ["e\u0301", "👍🏽", "👩\u200d💻"])
def test_a_cut_falls_between_characters(letter: str) -> None:
    """An accent, a skin tone or a joined picture is kept whole or left out whole."""
    for limit in range(1, 12):
        kept = bound(letter * 5, limit).removesuffix("…")
        assert kept == letter * (len(kept) // len(letter))


@pytest.mark.parametrize(
    ("text", "view"),
    [
        ("a\nb\r\nc\td", "a b c d"),
        ("a\u2028b\u2029c\x0bd", "a b c d"),
        ("a\u202eb\u2066c\u200bd", "abcd"),
        ("a\x00b\x1b[31mc", "ab[31mc"),
        ("  a   b  ", "a b"),
    ],
)
def test_lines_and_hidden_characters_are_taken_out(text: str, view: str) -> None:
    """Line breaks of every kind become spaces; control and direction characters go."""
    assert one_line(text, 100) == view


def test_only_slacks_own_ids_become_mentions() -> None:
    """A name in the form of a mention stays a name."""
    assert user_mention("U0ALICE") == "<@U0ALICE>"
    assert user_mention("local:bob") == "local:bob"
    assert user_mention("U0BOB> <!channel") == "U0BOB&gt; &lt;!channel"
    assert not is_user_id("u0alice")
    assert channel_link("C0OPS") == "<#C0OPS>"
    assert channel_link("D0X") == channel_link("C0> <!here") == "your messages with me"
