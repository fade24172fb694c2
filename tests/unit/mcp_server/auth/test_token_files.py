"""Files of static tokens: their size, entries and expiry."""

from pathlib import Path

import pytest

from tests.fakes.clock import FakeClock
from vpsops.core.common.errors import ConfigurationError
from vpsops.mcp_server.auth.static_tokens import StaticTokens, digest_of, read_tokens

TOKEN = "ann-" + "a" * 40


ENTRY = (
    f'[[token]]\nsha256 = "{digest_of(TOKEN)}"\nsubject = "ann"\nhuman = "ann@example.com"\nscopes = ["vps:write"]\n'
)


def written(folder: Path, text: str) -> Path:
    path = folder / "tokens.toml"
    path.write_text(text, encoding="utf-8")
    path.chmod(0o600)
    return path


@pytest.mark.parametrize(("size", "fits"), [(1_000_000, True), (1_000_001, False), (1_500_000, False)])
def test_a_file_of_tokens_holds_a_million_bytes_at_most(tmp_path: Path, size: int, *, fits: bool) -> None:
    """A larger one is refused, and not read further."""
    path = written(tmp_path, ENTRY + "#" * (size - len(ENTRY)))
    if fits:
        assert len(read_tokens(path)) == 1
    else:
        with pytest.raises(ConfigurationError, match="over a megabyte"):
            read_tokens(path)


@pytest.mark.parametrize(
    ("entry", "why"),
    [
        (ENTRY.replace("sha256", "digest"), "digest"),
        (ENTRY + f'token = "{"t" * 32}"\n', "and not both"),
        (ENTRY.replace(digest_of(TOKEN), digest_of(TOKEN)[1:]), "sha256"),
        ('[[token]]\ntoken = "' + "t" * 31 + '"\nsubject = "a"\nhuman = "a@b.c"\nscopes = ["vps:read"]\n', "token"),
        (ENTRY.replace("ann@example.com", "ann"), "human is an e-mail"),
        (ENTRY.replace('["vps:write"]', "[]"), "scopes"),
        (ENTRY.replace("vps:write", "vps:admin"), "scopes"),
        (ENTRY.replace('"ann"', f'"{"a" * 201}"'), "subject"),
        (ENTRY.replace('"ann"', '"an n"'), "subject"),
        (ENTRY.replace('"ann"', '""'), "subject"),
        (ENTRY + ENTRY, "stands there twice"),
        (ENTRY + "[other]\n", "nothing else"),
        (ENTRY + "expires = 2030-01-01T00:00:00\n", "expires"),
        ("token = 1\n", r"\[\[token\]\] tables"),
        ("", "nothing else"),
    ],
)
def test_an_entry_that_is_not_right_is_refused_and_not_quoted(tmp_path: Path, entry: str, why: str) -> None:
    """The file and the place are named, and never a secret."""
    with pytest.raises(ConfigurationError, match=why) as refused:
        read_tokens(written(tmp_path, entry))
    assert digest_of(TOKEN)[1:] not in str(refused.value)
    assert "tttt" not in str(refused.value)


def test_a_token_is_accepted_until_the_second_it_expires(tmp_path: Path) -> None:
    """At that second it is over; one without an end continues."""
    clock = FakeClock()
    tokens = StaticTokens(written(tmp_path, ENTRY + "expires = 2027-01-04T09:01:00Z\n"), clock)
    clock.advance(59)
    assert tokens.find(TOKEN) is not None
    assert tokens.find(TOKEN.upper()) is None
    clock.advance(1)
    assert tokens.find(TOKEN) is None
    for_ever = StaticTokens(written(tmp_path, ENTRY), clock)
    clock.advance(9e6)
    assert for_ever.find(TOKEN) is not None
