"""`vpsops config show` and `check`: values, sources, masked secrets, unknown names."""

import json
from pathlib import Path

import pytest

from vpsops.cli import main as console
from vpsops.core.config.reload_table import reloadability
from vpsops.core.config.secret_values import SECRETS
from vpsops.core.config.settings import Settings

NAMES = {str(field.alias) for field in Settings.model_fields.values()}
SECRET = "secret-0123456789-abcdef-ghijkl"


@pytest.fixture(autouse=True)
def file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    for name in NAMES:
        monkeypatch.delenv(name, raising=False)
    path = tmp_path / "vpsops.toml"
    path.write_text('[settings]\n\nVPSOPS_LOG_LEVEL = "debug"\nVPSOPS_STATE_KEY = "%s"\n' % SECRET)  # noqa: UP031 - TOML
    monkeypatch.setenv("VPSOPS_CONFIG", str(path))
    return path


def shown(capsys: pytest.CaptureFixture[str], *words: str, code: int = 0) -> str:
    """Run `vpsops config` and return all that it printed."""
    assert console.main(["config", *words]) == code
    return "".join(capsys.readouterr())


def entries(capsys: pytest.CaptureFixture[str], *words: str) -> dict[str, dict[str, str]]:
    """Return the settings of `config show --json` by name."""
    listed = json.loads(shown(capsys, "show", "--json", *words))["settings"]
    return {entry["name"]: entry for entry in listed}


@pytest.mark.requirement("config-show")
def test_every_setting_is_shown_with_its_source(
    file: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Default, file and line, environment, secret file and option; and what another value needs."""
    (tmp_path / "key").write_text("wayscloud_api_0123456789")
    monkeypatch.setenv("WAYSCLOUD_API_KEY_FILE", str(tmp_path / "key"))
    monkeypatch.setenv("VPSOPS_CHANNEL", "C0OPS")
    seen = entries(capsys)
    assert set(seen) == NAMES
    assert {name: entry["reload"] for name, entry in seen.items()} == {name: reloadability(name) for name in NAMES}
    places = {name: (entry["value"], entry["source"]) for name, entry in seen.items()}
    assert places["VPSOPS_LOG_LEVEL"] == ("debug", f"{file}:3")
    assert places["VPSOPS_CHANNEL"] == ("C0OPS", "environment")
    assert places["VPSOPS_LOG_FORMAT"] == ("console", "default")
    assert places["WAYSCLOUD_API_KEY"] == ("set", f"secret file {tmp_path / 'key'}")
    assert places["VPSOPS_STATE_KEY"] == ("set", f"{file}:4")
    assert places["VPSOPS_CONFIG"] == (str(file), "environment")
    assert entries(capsys, "--config", str(file))["VPSOPS_CONFIG"]["source"] == "option --config"


@pytest.mark.requirement("config-show")
def test_a_secret_file_that_the_configuration_names_is_its_source(
    file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "key").write_text("wayscloud_api_0123456789")
    file.write_text('[settings]\nWAYSCLOUD_API_KEY_FILE = "key"\n')
    entry = entries(capsys)["WAYSCLOUD_API_KEY"]
    assert (entry["value"], entry["source"]) == ("set", f"secret file {tmp_path / 'key'}")
    assert "Unknown setting" not in shown(capsys, "show")


@pytest.mark.requirement("config-show")
@pytest.mark.parametrize("name", sorted(SECRETS))
@pytest.mark.parametrize("place", ["environment", "file", "secret file"])
def test_of_a_secret_only_that_it_is_set(
    name: str, place: str, file: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Neither its length nor a part, wherever it is from and whether it is right or not."""
    file.write_text("")
    outputs = []
    for secret in (f"https://user:{SECRET}@host/{SECRET}", SECRET * 2):
        if place == "environment":
            monkeypatch.setenv(name, secret)
        elif place == "file":
            file.write_text(f'[settings]\n{name} = "{secret}"\n')
        else:
            (file.parent / "one").write_text(secret)
            monkeypatch.setenv(f"{name}_FILE", str(file.parent / "one"))
        for form in ([], ["--json"]):
            console.main(["config", "show", *form])
            out, err = capsys.readouterr()
            outputs.append(out)
            assert "secret-01" not in out + err
            assert "ghijkl" not in out + err
    lines = {line for out in outputs for line in out.splitlines() if line.startswith(name)}
    assert len(lines) == 1
    assert lines.pop().split()[1] == "set"


@pytest.mark.requirement("config-show")
def test_unknown_names_are_named_with_the_nearest(
    file: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """All of them, of the file and the environment; their values are not shown."""
    file.write_text(f'[settings]\nVPSOPS_LOG_LEVL = "{SECRET}"\n')
    monkeypatch.setenv("VPSOPS_CHANEL", SECRET)
    said = shown(capsys, "show", code=2)
    assert "Unknown setting VPSOPS_CHANEL (environment). Did you mean VPSOPS_CHANNEL?" in said
    assert f"Unknown setting VPSOPS_LOG_LEVL ({file}:2). Did you mean VPSOPS_LOG_LEVEL?" in said
    assert "A start would refuse them: Unknown setting VPSOPS_CHANEL." in said
    checked = shown(capsys, "check", code=2)
    assert "VPSOPS_CHANEL" in checked
    assert "VPSOPS_LOG_LEVL" in checked
    assert SECRET not in said + checked


@pytest.mark.requirement("config-show")
def test_check_reads_as_a_start_does(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Settings, rules and limits; what is wrong is said with file and line."""
    assert str(file) in shown(capsys, "check")
    file.write_text('[settings]\nVPSOPS_LOG_LEVEL = "loud"\n')
    assert f"{file}:2: VPSOPS_LOG_LEVEL: must be debug or info" in shown(capsys, "check", code=2)
    file.write_text('[[rule]]\nid = "a"\nrisk = "read"\ndecision = "alow"\n')
    assert f"{file}:4" in shown(capsys, "check", code=2)
