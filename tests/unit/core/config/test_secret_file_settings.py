"""Secrets that `vpsops.toml` names by their files: read as the environment's are, and never instead of them."""

from pathlib import Path

import pytest

from vpsops.core.common.errors import ConfigurationError
from vpsops.core.config.settings import load_settings
from vpsops.core.console.secret_files import protected_files


def written(folder: Path, text: str) -> dict[str, str]:
    """Write a configuration and return the environment that names it."""
    path = folder / "vpsops.toml"
    path.write_text(f"[settings]\n{text}\n")
    return {"VPSOPS_CONFIG": str(path)}


@pytest.mark.requirement("secret-files-in-config")
@pytest.mark.parametrize("absolute", [True, False])
def test_a_secret_is_read_from_the_file_that_the_configuration_names(tmp_path: Path, absolute: bool) -> None:
    """A path that is not absolute begins in the configuration's folder, wherever the process was started."""
    (tmp_path / "key").write_text("wayscloud_vps_x\n")
    env = written(tmp_path, f'WAYSCLOUD_API_KEY_FILE = "{tmp_path / "key" if absolute else "key"}"')
    settings = load_settings(env)
    assert settings.api_key is not None
    assert settings.api_key.get_secret_value() == "wayscloud_vps_x"
    kept = {file.what: (file.path, file.secret) for file in protected_files(settings, {})}
    assert kept["WAYSCLOUD_API_KEY_FILE"] == (tmp_path / "key", True)


@pytest.mark.requirement("secret-files-in-config")
def test_the_environment_wins(tmp_path: Path) -> None:
    """By value or by file; the configuration's file is not even opened."""
    env = written(tmp_path, 'WAYSCLOUD_API_KEY_FILE = "nowhere"')
    (tmp_path / "other").write_text("of-a-file")
    for more, value in (
        ({"WAYSCLOUD_API_KEY": "of-a-variable"}, "of-a-variable"),
        ({"WAYSCLOUD_API_KEY_FILE": str(tmp_path / "other")}, "of-a-file"),
    ):
        key = load_settings({**env, **more}).api_key
        assert key is not None
        assert key.get_secret_value() == value


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ('SLACK_BOT_TOKEN_FILE = "nowhere"', "SLACK_BOT_TOKEN_FILE: .*/nowhere cannot be read"),
        ("SLACK_BOT_TOKEN_FILE = 7", ":2: SLACK_BOT_TOKEN_FILE takes the path of a file"),
        ('SLACK_BOT_TOKEN_FILE = ""', ":2: SLACK_BOT_TOKEN_FILE takes the path of a file"),
        (
            'SLACK_BOT_TOKEN = "a"\nSLACK_BOT_TOKEN_FILE = "b"',
            ":3: SLACK_BOT_TOKEN and SLACK_BOT_TOKEN_FILE are both set",
        ),
        ('VPSOPS_ACTOR_FILE = "a"', "unknown setting VPSOPS_ACTOR_FILE"),
    ],
)
def test_what_cannot_be_read_is_named(tmp_path: Path, text: str, says: str) -> None:
    """The name, the line, the path; fail closed."""
    with pytest.raises(ConfigurationError, match=says):
        load_settings(written(tmp_path, text))
