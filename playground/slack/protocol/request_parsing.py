"""Reading what an app sent: form, query or JSON, with the conversions Slack makes."""

import json
from collections.abc import Mapping
from typing import Any

from vpsops.playground.slack.workspace.protocol import ApiError, Json

STRUCTURED = ("blocks", "attachments", "view", "metadata")


def decoded(content_type: str, body: bytes, query: Mapping[str, str], form: Mapping[str, Any]) -> Json:
    """Return the arguments of a call. Raises `ApiError` invalid_json, invalid_post_type."""
    if content_type == "application/json":
        return {**query, **_json_object(body)}
    if content_type in {"application/x-www-form-urlencoded", "multipart/form-data", "application/octet-stream", ""}:
        return {**query, **form}
    raise ApiError("invalid_post_type")


def structured(args: Json) -> Json:
    """Return the arguments with JSON strings in `blocks`, `view` and the like turned into values."""
    turned = dict(args)
    for name in STRUCTURED:
        if isinstance(args.get(name), str):
            try:
                turned[name] = json.loads(args[name])
            except ValueError:
                code = "invalid_blocks_format" if name == "blocks" else "invalid_arguments"
                raise ApiError(code) from None
    return turned


def required(args: Json, name: str, code: str = "invalid_arguments") -> str:
    """Return a text argument. Raises `ApiError` with `code` when it is missing."""
    value = args.get(name)
    if not isinstance(value, str) or not value:
        raise ApiError(code, {"response_metadata": {"messages": [f"[ERROR] missing required field: {name}"]}})
    return value


def optional(args: Json, name: str) -> str | None:
    """Return a text argument or None."""
    value = args.get(name)
    return None if value is None or value == "" else str(value)


def flag(args: Json, name: str) -> bool:
    """Return a boolean however it was sent."""
    return args.get(name) in (True, "true", "True", "1")


def page(items: list[Json], args: Json, default: int = 100) -> tuple[list[Json], str]:
    """Return one page of a list and the cursor of the next, empty at the end."""
    try:
        start = int(str(args.get("cursor") or "c0").removeprefix("c"))
    except ValueError:
        raise ApiError("invalid_cursor") from None
    limit = int(args.get("limit") or default)
    following = f"c{start + limit}" if start + limit < len(items) else ""
    return items[start : start + limit], following


def _json_object(body: bytes) -> Json:
    try:
        value = json.loads(body or b"{}")
    except ValueError:
        raise ApiError("invalid_json") from None
    if not isinstance(value, dict):
        raise ApiError("json_not_object")
    return value
