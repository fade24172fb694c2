"""Settings: from where each comes, what wins, and what refuses to start; never with a secret in the message."""

import traceback
from collections.abc import Mapping
from pathlib import Path

import pytest

from vpsops.core.common.errors import ConfigurationError
from vpsops.core.config.config_file import read_config
from vpsops.core.config.secret_values import SECRETS
from vpsops.core.config.settings import Settings, load_settings, state_directory

SECRET = "s3cret-Value-0123456789"


def config(folder: Path, text: str) -> dict[str, str]:
    """Write a configuration file and return the environment that names it."""
    path = folder / "vpsops.toml"
    path.write_text(text, encoding="utf-8")
    return {"VPSOPS_CONFIG": str(path)}


def refused(environ: Mapping[str, str]) -> ConfigurationError:
    """Return the error that these settings are refused with."""
    with pytest.raises(ConfigurationError) as caught:
        load_settings(environ)
    assert SECRET not in "".join(traceback.format_exception(caught.value))
    return caught.value


def test_nothing_set_is_a_whole_set_of_defaults() -> None:
    """A process starts without any setting, and reports later what it lacks."""
    settings = load_settings({})
    assert (settings.api_key, settings.token, settings.slack_bot_token) == (None, None, None)
    assert settings.api_url == "https://api.wayscloud.services"
    assert (settings.log_level, settings.log_format, settings.slack_configured) == ("info", "console", False)


def test_the_environment_wins_over_the_file(tmp_path: Path) -> None:
    """The environment overrides the file; an empty variable counts as absent."""
    environ = config(
        tmp_path, '[settings]\nVPSOPS_CHANNEL = "C1"\nVPSOPS_ACTOR = "slack:U0ANN"\nVPSOPS_LOG_LEVEL = "debug"\n'
    )
    settings = load_settings({**environ, "VPSOPS_CHANNEL": "C2", "VPSOPS_ACTOR": ""})
    assert (settings.channel, settings.actor, settings.log_level) == ("C2", "slack:U0ANN", "debug")


@pytest.mark.parametrize("name", sorted(SECRETS))
@pytest.mark.requirement("secrets-from-files")
def test_every_secret_may_come_from_a_file(tmp_path: Path, name: str) -> None:
    """A mounted secret is read without the line feed that editors and tools put at its end."""
    value = "postgresql://me:pw@db/vpsops" if name == "VPSOPS_DATABASE_URL" else SECRET
    (tmp_path / "secret").write_text(f"{value}\n", encoding="utf-8")
    settings = load_settings({f"{name}_FILE": str(tmp_path / "secret")})
    assert values(settings)[name] == value


@pytest.mark.parametrize("name", sorted(SECRETS))
def test_a_secret_from_the_environment_loses_its_blanks(name: str) -> None:
    """A copied secret with a line feed is the secret."""
    assert values(load_settings({name: f" {SECRET}\n"}))[name] == SECRET


def values(settings: Settings) -> dict[str, str]:
    """Return the settings as texts by the names of their variables."""
    results = {}
    for name, field in Settings.model_fields.items():
        value = getattr(settings, name)
        results[str(field.alias)] = value.get_secret_value() if hasattr(value, "get_secret_value") else str(value)
    return results


def test_a_secret_file_wins_over_the_configuration_file(tmp_path: Path) -> None:
    """A value from the environment overrides the file's."""
    (tmp_path / "key").write_text(SECRET, encoding="utf-8")
    environ = config(tmp_path, '[settings]\nWAYSCLOUD_API_KEY = "other-key"\n')
    assert (
        values(load_settings({**environ, "WAYSCLOUD_API_KEY_FILE": str(tmp_path / "key")}))["WAYSCLOUD_API_KEY"]
        == SECRET
    )


def test_a_secret_given_twice_is_refused(tmp_path: Path) -> None:
    """It is ambiguous which of the two was meant."""
    (tmp_path / "key").write_text("other", encoding="utf-8")
    error = refused({"WAYSCLOUD_TOKEN": SECRET, "WAYSCLOUD_TOKEN_FILE": str(tmp_path / "key")})
    assert error.message == "WAYSCLOUD_TOKEN and WAYSCLOUD_TOKEN_FILE are both set."


def test_a_secret_file_that_is_no_secret_is_refused(tmp_path: Path) -> None:
    """Absent, empty, a folder, no text: each error names the variable and the path, not the content."""
    (tmp_path / "empty").write_text("\n", encoding="utf-8")
    (tmp_path / "bytes").write_bytes(b"\xff" + SECRET.encode())
    words = {"absent": "cannot be read", "empty": "is empty", ".": "cannot be read", "bytes": "is not text"}
    for name, word in words.items():
        error = refused({"SLACK_BOT_TOKEN_FILE": str(tmp_path / name)})
        assert error.message.startswith("SLACK_BOT_TOKEN_FILE: ")
        assert word in error.message
        assert error.hint


@pytest.mark.parametrize(
    "name",
    ["ann", "@ann", "Ann Example", "ann@", "local:ann", "C0ANN", "U0ANN", "slack:ann", "a@b", "a@b@c.example"],
)
def test_an_actor_that_slack_cannot_know_is_refused(name: str) -> None:
    """Slack could not identify that actor, so a person could approve their own agent's request."""
    error = refused({"VPSOPS_ACTOR": name})
    assert error.message.startswith("VPSOPS_ACTOR: ")
    assert load_settings({"VPSOPS_ACTOR": " Ann@Example.com "}).actor == "ann@example.com"
    assert load_settings({"VPSOPS_ACTOR": "slack:U0ANN"}).actor == "slack:U0ANN"


def test_an_endless_secret_file_is_not_read_to_its_end() -> None:
    """A device in place of a file does not fill the memory."""
    assert len(values(load_settings({"SLACK_APP_TOKEN_FILE": "/dev/zero"}))["SLACK_APP_TOKEN"]) == 65_536


@pytest.mark.requirement("settings-strict")
def test_an_unknown_variable_is_refused_with_the_nearest() -> None:
    """A misspelt name would otherwise be a setting that silently does nothing."""
    error = refused({"VPSOPS_CHANEL": "C1", "VPSOPS_DATABASE": SECRET, "PATH": "/bin"})
    assert error.message == "Unknown setting VPSOPS_CHANEL, VPSOPS_DATABASE."
    assert error.hint == "Did you mean VPSOPS_CHANNEL?"
    assert refused({"VPSOPS_NONSENSE": "1"}).hint == "`vpsops config show` lists the settings."


def test_a_variable_of_others_is_not_ours_to_refuse() -> None:
    """Slack's and the provider's names are shared with other programs."""
    load_settings({"WAYSCLOUD_OTHER": "x", "SLACK_TEAM": "x", "VPSOPS": "x"})


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("VPSOPS_LOG_LEVEL", "loud"),
        ("VPSOPS_LOG_FORMAT", "xml"),
        ("WAYSCLOUD_API_URL", "api.wayscloud.services"),
        ("SLACK_API_URL", "ftp://slack.example.com"),
    ],
)
def test_a_bad_value_is_told_by_its_variable(tmp_path: Path, name: str, value: str) -> None:
    """The environment's variable, or file and line of the configuration, is named, and what would be right."""
    error = refused({name: value, "WAYSCLOUD_API_KEY": SECRET})
    assert error.message.startswith(name)
    assert "environment" in error.hint
    error = refused(config(tmp_path, f'\n[settings]\nWAYSCLOUD_API_KEY = "{SECRET}"\n{name} = "{value}"\n'))
    assert error.message.startswith(f"{tmp_path / 'vpsops.toml'}:4: {name}")


def test_a_choice_is_told_in_words() -> None:
    """The error lists the choices instead of a pattern."""
    error = refused({"VPSOPS_LOG_LEVEL": "loud"})
    assert error.message == "VPSOPS_LOG_LEVEL: must be debug or info or warning or error."


def test_a_secret_of_the_wrong_type_is_not_shown(tmp_path: Path) -> None:
    """The error for a number or a list in place of a secret does not repeat the value."""
    error = refused(config(tmp_path, f'[settings]\nSLACK_BOT_TOKEN = ["{SECRET}"]\n'))
    assert error.message.startswith(f"{tmp_path / 'vpsops.toml'}:2: SLACK_BOT_TOKEN: ")


def test_an_unknown_key_of_the_file_is_refused_with_its_line(tmp_path: Path) -> None:
    """An unknown key in [settings] is reported with file, line and the nearest known name."""
    error = refused(config(tmp_path, '# ours\n[settings]\nVPSOPS_CHANNEL = "C1"\nVPSOPS_CHANEL = "C2"\n'))
    assert error.message == f"{tmp_path / 'vpsops.toml'}:4: unknown setting VPSOPS_CHANEL in [settings]."
    assert error.hint == "Did you mean VPSOPS_CHANNEL?"
    assert "config show" in refused(config(tmp_path, "[settings]\nquux = 1\n")).hint


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("actor", "VPSOPS_ACTOR"),
        ("local_actor", "VPSOPS_ACTOR"),
        ("approval-channel", "VPSOPS_APPROVAL_CHANNEL"),
        ("bot_token", "SLACK_BOT_TOKEN"),
        ("api_key_file", "WAYSCLOUD_API_KEY_FILE"),
        ("vpsops_chanel", "VPSOPS_CHANNEL"),
    ],
)
def test_a_name_without_its_prefix_or_in_other_letters_is_understood(tmp_path: Path, written: str, meant: str) -> None:
    """Other sections of the file have short names in small letters, so that people write them here too."""
    assert refused(config(tmp_path, f'[settings]\n{written} = "x"\n')).hint == f"Did you mean {meant}?"


def test_the_file_cannot_name_another_file(tmp_path: Path) -> None:
    """Only the environment can name the policy file."""
    assert "unknown setting VPSOPS_CONFIG" in refused(config(tmp_path, '[settings]\nVPSOPS_CONFIG = "x"\n')).message


@pytest.mark.parametrize("text", ["settings = 1\n", "[[settings]]\n", "\nsettings = []\n"])
def test_settings_must_be_a_table(tmp_path: Path, text: str) -> None:
    """Any other shape is reported with its line."""
    assert "[settings] must be a table" in refused(config(tmp_path, text)).message


def test_a_file_that_is_no_configuration_is_refused(tmp_path: Path) -> None:
    """Absent, too large, not TOML, not UTF-8: each is reported, a syntax error with its line."""
    path = tmp_path / "vpsops.toml"
    assert "cannot be read" in refused({"VPSOPS_CONFIG": str(tmp_path / "absent")}).message
    assert "line 2" in refused(config(tmp_path, f'[settings]\nWAYSCLOUD_TOKEN = "{SECRET}\n')).message
    path.write_bytes(b"# \xff\n")
    assert "UTF-8" in refused({"VPSOPS_CONFIG": str(path)}).hint
    path.write_bytes(b"#" * 1_000_001)
    assert "over a megabyte" in refused({"VPSOPS_CONFIG": str(path)}).message


def test_no_file_is_an_empty_one() -> None:
    """Without VPSOPS_CONFIG there is nothing to read."""
    assert read_config("").data == {}


def test_no_secret_shows_in_the_settings_themselves() -> None:
    """Settings that are printed, logged or dumped by mistake hold none."""
    settings = load_settings(dict.fromkeys(SECRETS - {"VPSOPS_DATABASE_URL"}, SECRET))
    assert SECRET not in f"{settings!r} {settings} {settings.model_dump_json()} {settings.model_dump()}"


def test_the_database_address_hides_its_password() -> None:
    """The address is no secret, but its password is, so printed settings omit it too."""
    settings = load_settings({"VPSOPS_DATABASE_URL": f"postgresql://me:{SECRET}@db/vpsops"})
    assert SECRET not in f"{settings!r} {settings}"
    assert SECRET in settings.database


def test_the_state_folder_follows_the_desktop_specification(monkeypatch: pytest.MonkeyPatch) -> None:
    """An absolute XDG_STATE_HOME is used, a relative one ignored, the home folder is the default."""
    monkeypatch.setenv("HOME", "/home/ann")
    monkeypatch.setenv("XDG_STATE_HOME", "/state")
    assert state_directory() == Path("/state/vpsops")
    assert load_settings({}).database == "sqlite:////state/vpsops/vpsops.sqlite3"
    monkeypatch.setenv("XDG_STATE_HOME", "state")
    assert state_directory() == Path("/home/ann/.local/state/vpsops")
    monkeypatch.delenv("XDG_STATE_HOME")
    assert state_directory() == Path("/home/ann/.local/state/vpsops")


def test_a_user_without_a_home_is_told_what_to_set(monkeypatch: pytest.MonkeyPatch) -> None:
    """In a container a user may have none; that is wrong configuration, not a fault."""
    monkeypatch.delenv("XDG_STATE_HOME", raising=False)

    def none() -> Path:
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.setattr(Path, "home", none)
    with pytest.raises(ConfigurationError, match="no home folder") as caught:
        state_directory()
    assert caught.value.hint == "Set VPSOPS_DATABASE_URL."


@pytest.mark.parametrize(
    "name", ["VPSOPS_CHANNEL", "VPSOPS_APPROVAL_CHANNEL", "VPSOPS_ESCALATION_CHANNEL", "VPSOPS_AUDIT_ANCHOR_CHANNEL"]
)
@pytest.mark.parametrize("value", ["#approvals", "approvals", "c0ops", "U0ALICE", "D0ALICE", " C0OPS", "C0OPS\n", "C"])
def test_a_channel_is_named_by_its_id(name: str, value: str) -> None:
    """Slack posts to a name too, and then no click counts: the members of a name cannot be read."""
    with pytest.raises(ConfigurationError) as error:
        load_settings({name: value})
    assert error.value.message == f"{name}: must be the id of a channel, which begins with C or G, and not its name."
    assert error.value.hint.endswith("The id is at the end of the channel's details in Slack.")
