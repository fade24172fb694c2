"""Who sits at this machine: the human that is configured, else the user that the machine knows."""

import getpass
import os

from vpsops.core.config.settings import Settings
from vpsops.core.identity.actors import LOCAL


def human_of(settings: Settings) -> str:
    """Return the human of a stdio session or of a terminal: the one configured, else the user of this machine."""
    return settings.actor or terminal_user()


def terminal_user() -> str:
    """Return the user that the machine knows, whatever the settings claim."""
    return f"{LOCAL}{_local_user()}"


def known_human(settings: Settings) -> str:
    """Return the human of a terminal as `human_of` does, or "" where the machine knows no name for its user."""
    if settings.actor:
        return settings.actor
    try:
        return f"{LOCAL}{getpass.getuser()}"
    except (KeyError, OSError, ImportError):
        return ""


def _local_user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError, ImportError):  # a container may know no name for its user
        return str(os.getuid()) if hasattr(os, "getuid") else "unknown"
