"""A file of tokens that becomes wrong under a running server, in every way we could think of: no caller gets in."""

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.fakes.clock import FakeClock
from vpsops.core.common.errors import ConfigurationError
from vpsops.core.config.settings import load_settings
from vpsops.mcp_server.auth import static_tokens as module
from vpsops.mcp_server.auth.static_tokens import AGAIN_SECONDS, StaticTokens, read_tokens

TOKEN = "0123456789abcdef0123456789abcdef-secret"
RIGHT = f'[[token]]\ntoken = "{TOKEN}"\nsubject = "ann-laptop"\nhuman = "ann@example.com"\nscopes = ["vps:read"]\n'
NESTED = "x = " + "[" * 5_000 + "]" * 5_000 + "\n"
Spoil = Callable[[Path], object]


def written(text: str | bytes) -> Spoil:
    return lambda path: path.write_bytes(text.encode() if isinstance(text, str) else text)


def replaced(text: str) -> Spoil:
    """Put another file in its place, as an editor or a secret's mount does."""

    def spoil(path: Path) -> None:
        new = path.with_suffix(".new")
        new.write_text(text, encoding="utf-8")
        new.replace(path)

    return spoil


def a_folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


def a_loop(path: Path) -> None:
    path.unlink()
    path.symlink_to(path)


def no_folder(path: Path) -> None:
    path.unlink()
    path.parent.rmdir()


WAYS: dict[str, Spoil] = {
    "nested": written(NESTED),
    "nested, in its place": replaced(NESTED),
    "nested in an entry": written(RIGHT + "aliases = " + "[" * 3_000 + "]" * 3_000),
    "not TOML": written("[[token]]\nsubject = "),
    "not UTF-8": written(b"\xff\xfe" + RIGHT.encode()),
    "empty": written(""),
    "truncated": written(RIGHT[:60]),
    "too large": written(RIGHT + "#" * module.MAX_BYTES),
    "another table": written(RIGHT + "[other]\n"),
    "an unknown scope": written(RIGHT.replace("vps:read", "vps:all")),
    "twice the same": written(RIGHT + RIGHT),
    "a number for a list": written("token = 1"),
    "an expiry without a zone": written(RIGHT + "expires = 2027-01-01T00:00:00\n"),
    "an expiry that is none": written(RIGHT + "expires = 2027-13-01\n"),
    "a huge number": written(RIGHT + f"expires = {'9' * 6_000}\n"),
    "writable by all": lambda path: path.chmod(0o606),
    "removed": lambda path: path.unlink(),
    "a folder": a_folder,
    "a link to itself": a_loop,
    "without its folder": no_folder,
}


def right_file(folder: Path) -> Path:
    folder.mkdir(exist_ok=True)
    path = folder / "tokens.toml"
    path.write_text(RIGHT, encoding="utf-8")
    path.chmod(0o600)
    return path


@pytest.mark.requirement("mcp-tokens-fail-closed")
@pytest.mark.parametrize("way", WAYS)
def test_a_file_that_becomes_wrong_admits_nobody_until_it_is_right(tmp_path: Path, way: str) -> None:
    """No request is admitted while it is wrong; once it is right again its tokens are accepted."""
    path, clock = right_file(tmp_path / "etc"), FakeClock()
    tokens = StaticTokens(path, clock)
    assert tokens.find(TOKEN) is not None
    WAYS[way](path)
    for _ in range(5):
        assert tokens.find(TOKEN) is None
        clock.advance(AGAIN_SECONDS)
    if path.is_dir():
        path.rmdir()
    elif path.is_symlink() or path.exists():
        path.unlink()
    right_file(tmp_path / "etc")
    assert tokens.find(TOKEN) is not None


@pytest.mark.requirement("mcp-tokens-fail-closed")
@pytest.mark.parametrize("error", [RecursionError, MemoryError, OSError, RuntimeError, ConfigurationError])
def test_an_error_of_any_kind_while_reading_admits_nobody(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: type[Exception]
) -> None:
    """An intact file that could not be read for a moment is read again although it did not change."""
    path, clock = right_file(tmp_path), FakeClock()
    tokens = StaticTokens(path, clock)
    path.touch()
    with monkeypatch.context() as patched:

        def broken(_path: Path) -> None:
            raise error("hunter2")

        patched.setattr(module, "read_tokens", broken)
        assert tokens.find(TOKEN) is None
        clock.advance(AGAIN_SECONDS)
        assert tokens.find(TOKEN) is None
    assert tokens.find(TOKEN) is None
    clock.advance(AGAIN_SECONDS)
    assert tokens.find(TOKEN) is not None


@pytest.mark.requirement("mcp-tokens-fail-closed")
@pytest.mark.parametrize("way", WAYS)
def test_a_file_that_is_wrong_at_the_start_is_named(tmp_path: Path, way: str) -> None:
    """It is reported as a configuration error, and its content is not repeated."""
    path = right_file(tmp_path / "etc")
    WAYS[way](path)
    with pytest.raises(ConfigurationError) as refused:
        read_tokens(path)
    assert str(path) in str(refused.value)
    assert TOKEN not in str(refused.value)


@pytest.mark.parametrize("text", [NESTED, "[limits]\nx = " + "{a = " * 2_000 + "1" + "}" * 2_000])
def test_settings_that_are_nested_too_deeply_are_named(tmp_path: Path, text: str) -> None:
    """`vpsops.toml` is the operator's own, and so is the mistake: not a fault of vpsops."""
    path = tmp_path / "vpsops.toml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(ConfigurationError, match="nested too deeply") as refused:
        load_settings({"VPSOPS_CONFIG": str(path)})
    assert str(path) in str(refused.value)
