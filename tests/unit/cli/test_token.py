"""`vpsops token`: the file it writes, its refusals to overwrite, and that a server accepts the token."""

import stat
import tomllib
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.fakes.clock import FakeClock
from vpsops.cli import main as console
from vpsops.core.console.exit_codes import GOOD, USAGE
from vpsops.mcp_server.auth.static_tokens import StaticTokens, read_tokens
from vpsops.mcp_server.auth.tokens_file import NewToken, add_token, new_secret, remove_tokens

WRITTEN = """# kept by hand

[[token]]           # the old laptop
sha256 = "0000000000000000000000000000000000000000000000000000000000000000"
subject = "bob-reports"
human = "bob@example.com"
scopes = ["vps:read"]  # no more

# the last line of all
"""
ANN = ("--human", "ann@example.com")


@pytest.fixture
def path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = tmp_path / "tokens.toml"
    monkeypatch.setenv("VPSOPS_HTTP_TOKENS_FILE", str(path))
    return path


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


@pytest.mark.requirement("token-command")
def test_a_new_token_is_admitted_and_kept_from_others(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The first one makes the file; the token is on standard output alone, and in the file is its hash."""
    assert console.main(["token", "new", "ann-laptop", *ANN, "--scope", "vps:write"]) == GOOD
    output = capsys.readouterr()
    secret = output.out.removesuffix("\n")
    assert len(secret) >= 48
    assert secret not in output.err + path.read_text(encoding="utf-8")
    assert mode(path) == 0o600
    caller = StaticTokens(path, FakeClock()).find(secret)
    assert caller is not None
    assert (caller.subject, caller.human) == ("ann-laptop", "ann@example.com")
    assert caller.scopes == {"vps:read", "vps:write"}


@pytest.mark.requirement("token-command")
def test_a_human_is_named_by_slack_user_too(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """By an id that is declared as one; both ways at once, and a word that is no id, are refused."""
    assert console.main(["token", "new", "ann-laptop", "--slack-user", "U0ANN00"]) == GOOD
    (entry,) = tomllib.loads(path.read_text(encoding="utf-8"))["token"]
    assert entry["slack_user"] == "U0ANN00"
    assert "human" not in entry
    assert console.main(["token", "new", "ann-tablet", "--slack-user", "ann"]) == USAGE
    assert "a Slack user id begins with U or W" in capsys.readouterr().err
    with pytest.raises(SystemExit) as both:
        console.main(["token", "new", "ann-tablet", *ANN, "--slack-user", "U0ANN00"])
    assert both.value.code == USAGE


def test_all_that_can_be_said_of_a_token_is_written(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """And shown by `list`, which shows no hash."""
    options = ("--scope", "vps:read", "--server", "web*", "--toolset", "servers", "--group", "ops", "--days", "30")
    assert console.main(["token", "new", "ann-laptop", *ANN, *options]) == GOOD
    (entry,) = tomllib.loads(path.read_text(encoding="utf-8"))["token"]
    assert (entry["groups"], entry["toolsets"], entry["servers"]) == (["ops"], ["servers"], ["web*"])
    assert entry["expires"].utcoffset() is not None
    capsys.readouterr()
    assert console.main(["token", "list"]) == GOOD
    listed = capsys.readouterr().out
    assert "ann-laptop" in listed
    assert "ann@example.com" in listed
    assert "web*" in listed
    assert entry["sha256"] not in listed


@pytest.mark.requirement("token-command")
def test_a_token_goes_into_a_file_of_its_own(path: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """With mode 0600, and never over another one; then nothing was changed."""
    to = tmp_path / "ann.token"
    assert console.main(["token", "new", "ann-laptop", *ANN, "--to", str(to)]) == GOOD
    assert capsys.readouterr().out == ""
    secret, before = to.read_text(encoding="ascii"), path.read_bytes()
    assert mode(to) == 0o600
    assert StaticTokens(path, FakeClock()).find(secret) is not None
    assert console.main(["token", "new", "ann-tablet", *ANN, "--to", str(to)]) == USAGE
    assert (to.read_text(encoding="ascii"), path.read_bytes()) == (secret, before)


@pytest.mark.requirement("token-command")
@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("ann laptop", *ANN), "subject"),
        (("ann-laptop", "--human", "ann"), "human is an e-mail"),
        (("ann-laptop", *ANN, "--server", ""), "servers"),
        (('ann"\nscopes = ["vps:write"]', *ANN), "subject"),
        (("x" * 300, *ANN), "subject"),
    ],
)
def test_what_does_not_fit_changes_nothing(
    path: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], arguments: tuple[str, ...], words: str
) -> None:
    """Neither the file nor a file for the token; the fault is reported."""
    path.write_text(WRITTEN, encoding="utf-8")
    assert console.main(["token", "new", *arguments, "--to", str(tmp_path / "secret")]) == USAGE
    assert words in capsys.readouterr().err
    assert path.read_text(encoding="utf-8") == WRITTEN
    assert [item.name for item in tmp_path.iterdir()] == ["tokens.toml"]


def test_a_file_that_is_wrong_is_not_made_worse(path: Path) -> None:
    """It is refused as a server refuses it."""
    path.write_text(WRITTEN + "[settings]\n", encoding="utf-8")
    assert console.main(["token", "new", "ann-laptop", *ANN]) == USAGE
    assert console.main(["token", "revoke", "bob-reports"]) == USAGE
    assert path.read_text(encoding="utf-8") == WRITTEN + "[settings]\n"


@pytest.mark.requirement("token-command")
def test_what_people_wrote_stays(path: Path) -> None:
    """Comments, order and mode; and after the token is revoked the file is as before."""
    path.write_text(WRITTEN, encoding="utf-8")
    path.chmod(0o644)
    assert console.main(["token", "new", "ann-laptop", *ANN]) == GOOD
    text = path.read_text(encoding="utf-8")
    assert text.startswith(WRITTEN.rstrip())
    assert mode(path) == 0o640  # others may not read it any more
    assert console.main(["token", "revoke", "ann-laptop"]) == GOOD
    assert path.read_text(encoding="utf-8").rstrip() == WRITTEN.rstrip()
    assert [token.caller.subject for token in read_tokens(path)] == ["bob-reports"]


@pytest.mark.requirement("token-command")
def test_a_token_is_replaced_by_a_second_one(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Both are admitted until the older one is taken back."""
    secrets = []
    for _ in range(2):
        assert console.main(["token", "new", "ann-laptop", *ANN]) == GOOD
        output = capsys.readouterr()
        secrets.append(output.out.strip())
    assert "--older" in output.err
    tokens = StaticTokens(path, FakeClock())
    assert all(tokens.find(secret) for secret in secrets)
    assert console.main(["token", "revoke", "ann-laptop", "--older"]) == GOOD
    assert [tokens.find(secret) is not None for secret in secrets] == [False, True]
    assert console.main(["token", "revoke", "ann-laptop", "--older"]) == USAGE
    assert console.main(["token", "revoke", "ann-laptop"]) == GOOD
    assert tokens.find(secrets[1]) is None
    assert "a server does not start" in capsys.readouterr().err
    assert console.main(["token", "new", "ann-laptop", *ANN]) == GOOD
    assert tokens.find(capsys.readouterr().out.strip()) is not None


@pytest.mark.parametrize(
    "text",
    [
        'token = [{subject = "a", human = "a@b.c", scopes = ["vps:read"], sha256 = "' + "0" * 64 + '"}]\n',
        WRITTEN.replace('"bob-reports"', '"""\\\n[[token]]\\\n"""'),
    ],
    ids=["one inline", "a header within a text"],
)
def test_what_cannot_be_changed_safely_is_left_to_an_editor(path: Path, text: str) -> None:
    """The outcome is read before it is written."""
    path.write_text(text, encoding="utf-8")
    subject = read_tokens(path)[0].caller.subject
    assert console.main(["token", "revoke", subject]) == USAGE
    assert path.read_text(encoding="utf-8") == text


def test_a_link_stays_one(path: Path, tmp_path: Path) -> None:
    """Its target is written."""
    (tmp_path / "etc").mkdir()
    real = tmp_path / "etc" / "real.toml"
    real.write_text(WRITTEN, encoding="utf-8")
    path.symlink_to(real)
    assert console.main(["token", "new", "ann-laptop", *ANN]) == GOOD
    assert path.is_symlink()
    assert len(read_tokens(real)) == 2


def test_several_at_once_lose_nothing(tmp_path: Path) -> None:
    """Two people who make tokens at the same moment get both; one who takes others back meanwhile, too."""
    path = tmp_path / "tokens.toml"

    def make(number: int) -> None:
        add_token(path, NewToken(f"agent-{number}", "ann@example.com", ("vps:read",)), new_secret())
        if number % 3 == 0:
            remove_tokens(path, f"agent-{number}", older=False)

    with ThreadPoolExecutor(6) as pool:
        list(pool.map(make, range(24)))
    assert {token.caller.subject for token in read_tokens(path)} == {f"agent-{n}" for n in range(24) if n % 3}
    assert [item.name for item in tmp_path.iterdir()] == ["tokens.toml"]


def test_without_a_file_it_says_how_to_name_one(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Or takes the one that is given."""
    monkeypatch.delenv("VPSOPS_HTTP_TOKENS_FILE", raising=False)
    assert console.main(["token", "list"]) == USAGE
    assert "--file tokens.toml" in capsys.readouterr().err
    assert console.main(["token", "list", "--file", str(tmp_path / "none.toml")]) == GOOD
    assert capsys.readouterr().out == "There are no tokens.\n"
    assert console.main(["token", "new", "a", *ANN, "--file", str(tmp_path / "none" / "t.toml")]) == USAGE
