"""Secrets among the settings, and the files that they may be read from."""

from collections.abc import Mapping
from pathlib import Path

from vpsops.core.common.errors import ConfigurationError
from vpsops.core.config.config_file import ConfigFile

SECRETS = frozenset(
    {
        "WAYSCLOUD_API_KEY",
        "WAYSCLOUD_TOKEN",
        "SLACK_BOT_TOKEN",
        "SLACK_SIGNING_SECRET",
        "SLACK_APP_TOKEN",
        "SLACK_CLIENT_SECRET",
        "VPSOPS_STATE_KEY",
        "VPSOPS_DATABASE_URL",  # it may hold a password
        "VPSOPS_DATABASE_LISTEN_URL",  # likewise
        "VPSOPS_AUDIT_ANCHOR_WEBHOOK",  # likewise
        "VPSOPS_AUDIT_ANCHOR_SECRET",
        "VPSOPS_AUDIT_SHIP_URL",  # likewise
        "VPSOPS_AUDIT_SHIP_SECRET",
    }
)
MAX_SECRET_BYTES = 65_536


def read_secret_files(env: Mapping[str, str]) -> dict[str, str]:
    """Return the secrets that `NAME_FILE` variables point at; raises `ConfigurationError`."""
    named = [name for name in sorted(SECRETS) if env.get(f"{name}_FILE")]
    both = [name for name in named if env.get(name)]
    if both:
        raise ConfigurationError(f"{both[0]} and {both[0]}_FILE are both set.", hint="Set one of them.")
    return {name: _secret_file(name, env[f"{name}_FILE"]) for name in named}


def _secret_file(name: str, path: str) -> str:
    try:
        with Path(path).open("rb") as file:
            secret = file.read(MAX_SECRET_BYTES).decode().strip()
    except OSError as error:
        hint = "Check the path, and that the user who runs vpsops may read the file."
        raise ConfigurationError(f"{name}_FILE: {path} cannot be read: {error.strerror}.", hint=hint) from None
    except UnicodeDecodeError:
        raise ConfigurationError(f"{name}_FILE: {path} is not text.", hint=f"Put only {name} into it.") from None
    if not secret:
        raise ConfigurationError(f"{name}_FILE: {path} is empty.", hint=f"Put {name} into it.")
    return secret


def secret_files_in(file: ConfigFile, section: str) -> dict[str, str]:
    """Return the `NAME_FILE` settings of a file; a path that is not absolute begins in the file's folder.

    Raises `ConfigurationError` where a name has no path, or its secret stands beside it.
    """
    table = file.data.get(section, {})
    paths: dict[str, str] = {}
    for name in sorted(SECRETS):
        key = f"{name}_FILE"
        if not isinstance(table, dict) or key not in table:
            continue
        if not isinstance(table[key], str) or not table[key]:
            raise file.error(file.line(section, key), f"{key} takes the path of a file.", "Write it in quotes.")
        if name in table:
            raise file.error(file.line(section, key), f"{name} and {key} are both set.", "Set one of them.")
        paths[key] = str(Path(file.path).parent / Path(table[key]).expanduser())
    return paths


def is_secret_set(file_name: str, env: Mapping[str, str]) -> bool:
    """Return whether the environment has a secret, or names a file for it: then the configuration's is not read."""
    return bool(env.get(file_name) or env.get(file_name.removesuffix("_FILE")))
