"""What both sides of the wire share: JSON, Slack's refusals, the request signature."""

import hashlib
import hmac
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class ApiProblem:
    """One reason why Slack refuses a payload: where (a JSON pointer) and what."""

    pointer: str
    message: str

    def __str__(self) -> str:
        """Return it as Slack writes it in `response_metadata.messages`."""
        return f"[ERROR] {self.message} [json-pointer:{self.pointer}]"


@dataclass(slots=True)
class ApiError(Exception):
    """An answer `{"ok": false, "error": code}` of the Web API."""

    code: str
    extra: Mapping[str, Any] = field(default_factory=dict)
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    problems: tuple[ApiProblem, ...] = ()

    def body(self) -> Json:
        """Return the JSON body of the answer."""
        return {"ok": False, "error": self.code, **self.extra}


def refusal(code: str, problems: list[ApiProblem]) -> ApiError:
    """Return the error for blocks or views over a limit, with the messages Slack adds."""
    messages = [str(each) for each in problems]
    return ApiError(code, {"response_metadata": {"messages": messages}}, problems=tuple(problems))


def signature(secret: str, timestamp: str, body: bytes) -> str:
    """Return Slack's `v0` signature over the timestamp and the raw body."""
    digest = hmac.new(secret.encode(), b"v0:" + timestamp.encode() + b":" + body, hashlib.sha256)
    return "v0=" + digest.hexdigest()
