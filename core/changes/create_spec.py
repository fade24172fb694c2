"""The specification of a new server, as its approvers read it, with everything that matters."""

import base64
import hashlib
from collections.abc import Mapping, Sequence

from vpsops.core.changes.model import Change
from vpsops.core.common.json_types import Json
from vpsops.core.operations.traits import makes_server

LONGEST = 40
SHORT = 16
"""Of a fingerprint's letters: 96 bits, which no one finds another key for."""


def system_of(change: Change) -> str:
    """Return the operating system of a create; nothing for any other change."""
    return _word(change.arguments, "os_template") if makes_server(change.operation) else ""


def label_of(change: Change) -> str:
    """Return the name beside the hostname that a create gives its server, if any."""
    return _word(change.arguments, "display_name") if makes_server(change.operation) else ""


def keys_of(change: Change) -> Sequence[str]:
    """Return the SSH keys that a create lets in, each by kind, fingerprint as `ssh-keygen -l` has it, and comment."""
    return [joined for key in _keys(change) if (joined := _described(key))]


def key_words(change: Change, *, brief: bool = False) -> str:
    """Return which SSH keys get in; nothing where none does."""
    keys = _keys(change)
    if not keys:
        return ""
    fingerprints = [fingerprint(key)[: len("SHA256:") + SHORT] for key in keys] if brief else keys_of(change)
    return f"{len(keys)} SSH key{'s' if len(keys) > 1 else ''} may log in: {'; '.join(fingerprints)}"


def fingerprint(key: str) -> str:
    """Return a public key's fingerprint; of one that cannot be read, that it cannot."""
    try:
        raw = base64.b64decode(key.split()[1], validate=True)
    except (ValueError, IndexError):
        return "a key that cannot be read"
    return f"SHA256:{base64.b64encode(hashlib.sha256(raw).digest()).decode().rstrip('=')}"


def _described(key: str) -> str:
    kind, _, rest = key.partition(" ")
    comment = rest.partition(" ")[2].strip()[:LONGEST]
    return f"{kind[:LONGEST]} {fingerprint(key)}" + (f" ({comment})" if comment else "")


def _keys(change: Change) -> list[str]:
    keys = change.arguments.get("ssh_keys") if makes_server(change.operation) else None
    return [str(key) for key in keys] if isinstance(keys, list | tuple) else []


def _word(arguments: Mapping[str, Json], name: str) -> str:
    value = arguments.get(name)
    return value if isinstance(value, str) else ""
