"""`vpsops mcp install` and `uninstall`: shown first, asked, written once, undone to the letter."""

import json
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from vpsops.cli.hosts.catalogue import HOSTS, NAME, Host, Syntax, file_of
from vpsops.cli.hosts.command import host_lines, run
from vpsops.cli.main import parser_of
from vpsops.core.common.errors import ConfigurationError
from vpsops.core.console import exit_codes

Install = Callable[..., int]
KEY = "wayscloud_vps_" + "a" * 32 + "_SECRETSECRET"
BEFORE = {
    Syntax.JSON: '{\n    "theme": "dark",\n    "SECTION": {"other": {"env": {"TOKEN": "hunter2"}}}\n}\n',
    Syntax.JSONC: '{\n\t// mine\n\t"SECTION": {\n\t\t"other": {"command": "x"}, // last\n\t},\n}\n',
    Syntax.TOML: 'model = "x" # mine\n[SECTION.other]\ncommand = "x"\n',
}


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A user's home with a configuration, and nothing else in the environment."""
    for name in ("XDG_CONFIG_HOME", "CODEX_HOME", "VPSOPS_CONFIG"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("VPSOPS_SOCKET", "off")
    config = tmp_path / ".config" / "vpsops" / "vpsops.toml"
    config.parent.mkdir(parents=True)
    config.write_text("")
    return tmp_path


def play(*words: str, answer: str | None = None) -> int:
    """Run a subcommand; a question that has no answer is an error."""

    def ask(_: str) -> str:
        assert answer is not None
        return answer

    words = ("mcp", *words)
    return run(parser_of(words).parse_args(words), ask)


def place(host: Host, home: Path) -> Path:
    """Return the host's file on this platform."""
    return file_of(host, {}, "linux", home)


def written(host: Host, home: Path) -> dict[str, Any]:
    """Return the servers that the host's file names, read by other means than ours where there are no comments."""
    text = place(host, home).read_text()
    values = tomllib.loads(text) if host.syntax is Syntax.TOML else json.loads(text)
    return dict(values[host.section])


@pytest.mark.parametrize("host", HOSTS.values(), ids=HOSTS)
def test_a_host_without_a_file_gets_one_and_loses_it_again(host: Host, home: Path) -> None:
    assert play("install", host.id, "--yes") == exit_codes.GOOD
    entry = written(host, home)[NAME]
    assert entry["args"][-1] == "mcp"
    assert Path(entry["command"]).is_absolute()
    assert entry["env"] == {"VPSOPS_CONFIG": str(home / ".config/vpsops/vpsops.toml")}
    assert play("uninstall", host.id, "--yes") == exit_codes.GOOD
    assert not place(host, home).exists()


@pytest.mark.requirement("host-entry")
@pytest.mark.parametrize("host", HOSTS.values(), ids=HOSTS)
def test_a_file_that_is_there_is_as_before_afterwards(
    host: Host, home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """To the letter, and what others have in it is not shown."""
    path = place(host, home)
    path.parent.mkdir(parents=True, exist_ok=True)
    before = BEFORE[host.syntax].replace("SECTION", host.section)
    path.write_text(before)
    assert play("install", host.id, "--yes") == exit_codes.GOOD
    assert path.read_text() != before
    assert (home / f"{path}.vpsops-backup").read_text() == before
    assert play("install", host.id) == exit_codes.GOOD, "a second time there is nothing to ask"
    assert play("uninstall", host.id, "--yes") == exit_codes.GOOD
    assert path.read_text() == before
    assert not (home / f"{path}.vpsops-backup").exists()
    assert "hunter2" not in capsys.readouterr().out


def test_what_was_changed_after_an_installation_stays(home: Path) -> None:
    """Then only our entry goes, and the backup is the one before that."""
    host = HOSTS["cursor"]
    path = place(host, home)
    path.parent.mkdir()
    path.write_text('{"mcpServers": {"a": {}}}')
    play("install", host.id, "--yes")
    path.write_text(path.read_text().replace('"a"', '"b"'))
    play("uninstall", host.id, "--yes")
    assert path.read_text() == '{"mcpServers": {"b": {}}}'


@pytest.mark.parametrize("action", ["install", "uninstall"])
def test_a_dry_run_and_a_no_write_nothing(
    action: str, home: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    path = place(HOSTS["cursor"], home)
    if action == "uninstall":
        play("install", "cursor", "--yes")
    before = path.read_text() if path.exists() else None
    capsys.readouterr()
    assert play(action, "cursor", "--dry-run") == exit_codes.GOOD
    assert '"command"' in capsys.readouterr().out
    monkeypatch.setattr("sys.stdin.isatty", lambda: True)
    assert play(action, "cursor", answer="") == exit_codes.OTHER
    assert (path.read_text() if path.exists() else None) == before
    assert play(action, "cursor", answer="y") == exit_codes.GOOD
    assert path.exists() is (action == "install")


def test_without_a_terminal_it_does_not_write_unasked(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin.isatty", lambda: False)
    with pytest.raises(ConfigurationError, match="no terminal"):
        play("install", "cursor")
    assert not place(HOSTS["cursor"], home).exists()


@pytest.mark.parametrize("host", HOSTS.values(), ids=HOSTS)
@pytest.mark.parametrize("action", ["install", "uninstall"])
def test_a_file_that_is_wrong_stays(host: Host, action: str, home: Path) -> None:
    path = place(host, home)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text('{"mcpServers": {')
    with pytest.raises(ConfigurationError, match="Nothing was changed"):
        play(action, host.id, "--yes")
    assert (path.read_text(), len(list(path.parent.glob("*.vpsops-backup")))) == ('{"mcpServers": {', 0)


def test_a_key_of_an_earlier_entry_goes_and_is_not_shown(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A key that was pasted into the host's file is out of there."""
    path = place(HOSTS["claude-code"], home)
    environ = {"WAYSCLOUD_API_KEY": KEY, "OTHER": "hunter2"}
    path.write_text(json.dumps({"mcpServers": {NAME: {"command": "v", "env": environ}}}))
    play("install", "claude-code", "--yes")
    assert KEY not in path.read_text()
    printed = capsys.readouterr().out
    assert "WAYSCLOUD_API_KEY" in printed
    assert "hunter2" not in printed
    assert KEY not in printed


@pytest.mark.requirement("host-entry")
def test_an_earlier_entry_shows_nothing_that_may_be_a_secret(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """One for a remote server holds a token in a header, an address or an argument."""
    path = place(HOSTS["cursor"], home)
    path.parent.mkdir()
    before = {
        "command": "npx",
        "args": ["mcp-remote", "https://ops.example.com/mcp", "--header", "Authorization: Bearer hunter2"],
        "url": "https://ann:hunter2@ops.example.com/mcp",
        "headers": {"Authorization": "Bearer hunter2"},
    }
    path.write_text(json.dumps({"mcpServers": {NAME: before}}))
    assert play("install", "cursor", "--dry-run") == exit_codes.GOOD
    assert play("uninstall", "cursor", "--dry-run") == exit_codes.GOOD
    printed = capsys.readouterr().out
    assert "headers" in printed
    assert "hunter2" not in printed


def test_beside_a_service_an_entry_names_no_configuration(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The pipe finds the service at its place; another place is named."""
    socket = home / "mcp.sock"
    socket.touch()
    monkeypatch.setenv("VPSOPS_SOCKET", str(socket))
    play("install", "cursor", "--yes")
    assert written(HOSTS["cursor"], home)[NAME]["env"] == {"VPSOPS_SOCKET": str(socket)}
    monkeypatch.delenv("VPSOPS_SOCKET")
    monkeypatch.setattr("vpsops.mcp_server.pipe.address.WELL_KNOWN", str(socket))
    play("install", "cursor", "--yes")
    assert "env" not in written(HOSTS["cursor"], home)[NAME]


@pytest.mark.requirement("host-entry")
def test_secrets_of_the_environment_stay_out(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("WAYSCLOUD_API_KEY", "SLACK_BOT_TOKEN", "VPSOPS_DATABASE_URL"):
        monkeypatch.setenv(name, KEY)
    play("install", "codex", "--yes")
    assert KEY not in place(HOSTS["codex"], home).read_text()


def test_without_a_configuration_nothing_is_installed(home: Path) -> None:
    """An assistant that starts a server without a key would only show errors."""
    (home / ".config/vpsops/vpsops.toml").unlink()
    with pytest.raises(ConfigurationError, match="no configuration"):
        play("install", "cursor", "--yes")
    with pytest.raises(ConfigurationError, match="is not there"):
        play("install", "cursor", "--yes", "--config", "/nowhere/vpsops.toml")


def test_another_file_can_be_named(home: Path) -> None:
    project = home / "project" / ".vscode" / "mcp.json"
    play("install", "vscode", "--yes", "--file", str(project))
    assert json.loads(project.read_text())["servers"][NAME]["type"] == "stdio"
    assert not place(HOSTS["vscode"], home).exists()


def test_hosts_are_listed_with_what_they_have(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    play("install", "cursor", "--yes")
    place(HOSTS["claude-code"], home).write_text("{}")
    place(HOSTS["codex"], home).parent.mkdir()
    place(HOSTS["codex"], home).write_text("=")
    capsys.readouterr()
    assert play("install", "--list") == exit_codes.GOOD
    lines = capsys.readouterr().out.splitlines()
    assert lines == host_lines()
    states = {line.split("  ")[0].strip(): line for line in lines[1:]}
    assert "installed" in states["cursor"]
    assert "no file" in states["windsurf"]
    assert "not readable" in states["codex"]
    assert " - " in states["claude-code"]


@pytest.mark.parametrize("host", HOSTS.values(), ids=HOSTS)
def test_what_is_printed_is_what_would_be_written(host: Host, home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    play("install", host.id, "--print")
    where, _, text = capsys.readouterr().out.partition("\n")
    assert not place(host, home).exists()
    play("install", host.id, "--yes")
    assert (where, text) == (f"{place(host, home)}:", place(host, home).read_text())


@pytest.mark.usefixtures("home")
def test_a_host_has_to_be_named() -> None:
    with pytest.raises(ConfigurationError, match="Which host"):
        play("install")
    with pytest.raises(SystemExit):
        play("install", "emacs")
