"""Secrets among the settings, and the files that they may be read from."""

from collections.abc import Mapping
from pathlib import Path

from vpsops.core.common.errors import ConfigurationError

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
