"""Who asks: the client as an agent, on behalf of the human whose session it is."""

import getpass
import os

from core.changes.model import Actor, ActorKind
from core.settings import Settings
from mcp_server.text import clean

LONGEST_NAME = 60
NAMELESS = "unnamed client"


def agent_of(client_name: str, human: str) -> Actor:
    """Return the actor behind a call; a client's name is only its own claim."""
    name = clean(client_name, LONGEST_NAME) or NAMELESS
    return Actor(kind=ActorKind.AGENT, id=f"mcp:{name}", name=name, human=human)


def human_of(settings: Settings) -> str:
    """Return the human of a stdio session: the one configured, else the user of this machine."""
    return settings.actor or f"local:{_local_user()}"


def _local_user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError, ImportError):  # a container may know no name for its user
        return str(os.getuid()) if hasattr(os, "getuid") else "unknown"
