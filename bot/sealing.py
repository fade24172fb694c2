"""Seals what must not be readable in the database: AES-GCM under a key made from VPSOPS_STATE_KEY."""

import base64
import secrets
from collections.abc import Sequence
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

MARK: Final = "v1."
NONCE: Final = 12
PURPOSE: Final = b"vpsops: tokens of Slack workspaces"


class Sealer:
    """Seals under the first key and opens under any, so that keys can be changed; raises ValueError on none."""

    def __init__(self, keys: Sequence[str]) -> None:
        if not keys:
            raise ValueError("no key to seal with")
        self._boxes = [AESGCM(HKDF(SHA256(), 32, None, PURPOSE).derive(key.encode())) for key in keys]

    def seal(self, text: str, about: str) -> str:
        """Seal a text so that it opens only as what it is `about`: moved to another row it is worth nothing."""
        nonce = secrets.token_bytes(NONCE)
        sealed = self._boxes[0].encrypt(nonce, text.encode(), about.encode())
        return MARK + base64.urlsafe_b64encode(nonce + sealed).decode()

    def open(self, sealed: str, about: str) -> str | None:
        """Return the text, or None where no key opens it or it was sealed about something else."""
        try:
            raw = base64.b64decode(sealed.removeprefix(MARK), altchars=b"-_", validate=True)
        except ValueError:
            return None
        if not sealed.startswith(MARK) or len(raw) <= NONCE:
            return None
        for box in self._boxes:
            try:
                return box.decrypt(raw[:NONCE], raw[NONCE:], about.encode()).decode()
            except (InvalidTag, ValueError):
                continue
        return None
