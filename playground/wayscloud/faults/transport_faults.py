"""How an answer's body is encoded otherwise than a client may expect: pure functions on bytes."""

import gzip
import json
from collections.abc import Callable, Mapping
from dataclasses import replace

from vpsops.playground.wayscloud.faults.responses import Answer

GZIP = {"content-encoding": "gzip"}
Coded = tuple[bytes, Mapping[str, str]]


def _members(body: bytes) -> Coded:
    half = len(body) // 2
    return gzip.compress(body[:half]) + gzip.compress(body[half:]), GZIP


def _nan(body: bytes) -> Coded:
    parsed = json.loads(body)
    spoilt = parsed | {"load": float("nan")} if isinstance(parsed, dict) else [*parsed, float("nan")]
    return json.dumps(spoilt, ensure_ascii=False).encode(), {}


def _typed(charset: str) -> Mapping[str, str]:
    return {"content-type": f"application/json; charset={charset}"}


FORMS: Mapping[str, Callable[[bytes], Coded]] = {
    "gzip": lambda body: (gzip.compress(body), GZIP),
    "members": _members,
    "twice": lambda body: (gzip.compress(gzip.compress(body)), {"content-encoding": "gzip, gzip"}),
    "br": lambda body: (body, {"content-encoding": "br"}),
    "bom": lambda body: (b"\xef\xbb\xbf" + body, {}),
    "latin-1": lambda body: (body.decode().encode("latin-1", "replace"), _typed("latin-1")),
    "utf-16": lambda body: (body.decode().encode("utf-16"), _typed("utf-16")),
    "nan": _nan,
}


def encoded(answer: Answer, form: str) -> Answer:
    """Return an answer with its body in another encoding."""
    content, headers = FORMS[form](answer.encoded())
    return replace(answer, content=content, headers={**answer.headers, **headers})
