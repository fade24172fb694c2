"""Encrypts tokens in the database: Fernet with keys derived from VPSOPS_STATE_KEY."""

import base64
import json
from collections.abc import Sequence
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

PURPOSE: Final = b"vpsops: tokens of Slack workspaces, Fernet"
FIRST_FORMAT: Final = "v1."
"""AES-GCM, written up to schema 0009; only decrypted now."""
FIRST_PURPOSE: Final = b"vpsops: tokens of Slack workspaces"
NONCE_BYTES: Final = 12


class TokenCipher:
    """Encrypts with the first key and decrypts with any, so that keys can be rotated; ValueError without keys."""

    def __init__(self, keys: Sequence[str]) -> None:
        if not keys:
            raise ValueError("no key to encrypt with")
        fernets = [Fernet(base64.urlsafe_b64encode(_derived(key, PURPOSE))) for key in keys]
        self._newest, self._every = fernets[0], MultiFernet(fernets)
        self._first_format = [AESGCM(_derived(key, FIRST_PURPOSE)) for key in keys]

    def encrypt(self, text: str, about: str) -> str:
        """Encrypt a text, bound to the row it is `about`: it does not decrypt in another row."""
        return self._every.encrypt(json.dumps([about, text]).encode()).decode()

    def decrypt(self, stored: str, about: str) -> str | None:
        """Return the text, or None if no key decrypts it or it is bound to another row."""
        if stored.startswith(FIRST_FORMAT):
            return self._decrypt_first_format(stored.removeprefix(FIRST_FORMAT), about)
        try:
            payload = json.loads(self._every.decrypt(stored))
        except (InvalidToken, ValueError):
            return None
        match payload:
            case [str(subject), str(text)] if subject == about:
                return text
        return None

    def is_current(self, stored: str) -> bool:
        """Return whether `stored` uses the first key and the current format."""
        try:
            self._newest.decrypt(stored)
        except (InvalidToken, ValueError):
            return False
        return True

    def _decrypt_first_format(self, stored: str, about: str) -> str | None:
        try:
            raw = base64.b64decode(stored, altchars=b"-_", validate=True)
        except ValueError:
            return None
        if len(raw) <= NONCE_BYTES:
            return None
        for key in self._first_format:
            try:
                return key.decrypt(raw[:NONCE_BYTES], raw[NONCE_BYTES:], about.encode()).decode()
            except (InvalidTag, ValueError):
                continue
        return None


def _derived(key: str, purpose: bytes) -> bytes:
    return HKDF(SHA256(), 32, None, purpose).derive(key.encode())
