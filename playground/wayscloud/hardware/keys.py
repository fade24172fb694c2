"""Authentication: checks a request's key, without ever keeping the secret."""

import hmac
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

LOOKS_LIKE_ONE = re.compile(r"wayscloud_([a-z0-9-]+)_\S+")
SECRET = re.compile(r"(wayscloud_[A-Za-z0-9-]+_)[^\s\"',}&]+")
REACHES_VPS = frozenset({"vps", "api", "pat"})


@dataclass(frozen=True, slots=True)
class Presented:
    """A secret as it came: the header it came in, and its kind; the secret itself never shows."""

    header: str
    kind: str
    secret: str

    def __repr__(self) -> str:
        return f"Presented({self.header}, {self.kind})"


def presented(headers: Mapping[str, str]) -> list[Presented]:
    """Return the secrets of a request; official clients send both headers."""
    results = [("x-api-key", headers.get("x-api-key", ""))]
    scheme, _, token = headers.get("authorization", "").partition(" ")
    if scheme.lower() == "bearer":
        results.append(("bearer", token.strip()))
    return [Presented(header, kind(secret), secret) for header, secret in results if secret]


def kind(secret: str) -> str:
    """Return the service in a secret, or `unknown`."""
    match = LOOKS_LIKE_ONE.fullmatch(secret)
    return match[1] if match else "unknown"


def refusal(secrets: Sequence[Presented], accepted: Sequence[str]) -> tuple[int, str] | None:
    """Return status and text of the refusal, or None.

    With `accepted` secrets, one of them must be presented. Without, any key in the form of a WAYSCloud secret
    passes, and one of another service is refused with 403: a service key reaches only its own service.
    """
    if accepted:
        known = any(hmac.compare_digest(each.secret.encode(), key.encode()) for each in secrets for key in accepted)
        return None if known else (401, "Invalid token")
    if any(each.kind in REACHES_VPS for each in secrets):
        return None
    if any(each.kind != "unknown" for each in secrets):
        return 403, "API key does not have permission for this service"
    return 401, "Invalid token"


def redact(text: str) -> str:
    """Return the text without WAYSCloud secrets."""
    return SECRET.sub(r"\1***", text)
