"""The start-up front of `vpsops mcp` on stdio: answers every host's first requests before anything heavy is loaded.

Hosts start all their servers and ask for the tools; the first call comes seconds later, or never. The
answers are the real server's own bytes, kept in `early.json` and, for other configurations, in the
state directory (`mcp_server/fast_start/snapshot.py` makes them, tests hold them equal). The first message that is
not among them loads the SDK, which receives what was answered and takes over. VPSOPS_MCP_FRONT=off
turns this off. Only light modules of the standard library are imported here: each costs start-up time.
"""

from __future__ import annotations

import json
import os
import re
import signal
import sys
import zlib

from vpsops.mcp_server.protocol import frames

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Any

SWITCH = "VPSOPS_MCP_FRONT"
NAMES = ("VPSOPS_CONFIG", "VPSOPS_CHANNEL", "VPSOPS_APPROVAL_CHANNEL")
"""The settings that may change how the server describes itself."""

META = "io.modelcontextprotocol/"
ENVELOPE = {f"{META}protocolVersion": str, f"{META}clientInfo": dict, f"{META}clientCapabilities": dict}
CHUNK = 65536
LONGEST = 1024 * 1024  # a longer line is left to the SDK
SHIPPED = "early.json"
FILE_RULE = "file"  # in place of a pattern: the setting names a file
LONGEST_SECRET = 60_000
PERSON = b"vpsops mcp: an MCP host starts this, and speaks JSON on standard input; see docs/mcp.md. Ctrl-C ends it.\n"


class Handover:
    """The hand-over to the SDK: lines to read first, and the ids that are already answered."""

    def __init__(self) -> None:
        self.answered: list[bytes] = []
        self.ids: list[int | str] = []
        self.unread = b""
        self.spoke = False


def serve(words: Sequence[str]) -> Handover | None:
    """Answer on descriptors 0 and 1 for as long as the snapshot knows the answer.

    Returns what to hand over to the SDK, which may be nothing at all; None when the client has gone.
    """
    handover = Handover()
    snapshot = find_snapshot(words, os.environ)
    if snapshot is None:
        return handover
    return _serve(snapshot, handover)


def _serve(snapshot: Mapping[str, Any], handover: Handover) -> Handover | None:
    while True:
        line, newline, rest = handover.unread.partition(b"\n")
        if not newline:
            if len(line) > LONGEST:
                return handover
            chunk = os.read(0, CHUNK)
            if not chunk:  # end of input; a client that sent no request gets the whole start, with its errors
                return None if handover.spoke and not line.strip() else handover
            handover.unread += chunk
            continue
        response = answer_message(snapshot, line, handover)
        if response is None:
            response = refuse_line(line)
        if response is None:
            return handover
        handover.unread = rest
        if response:
            handover.spoke = True
            _write(response)


def _write(data: bytes) -> None:
    while data:
        data = data[os.write(1, data) :]


def answer_message(snapshot: Mapping[str, Any], line: bytes, handover: Handover) -> bytes | None:
    """Return the bytes to answer a message with, none for a notification; None when the SDK must see it."""
    try:
        message = json.loads(line)
    except (ValueError, RecursionError):
        return None
    if not isinstance(message, dict) or message.get("jsonrpc") != "2.0":
        return None
    method, params = message.get("method"), message.get("params")
    if method == "notifications/initialized" and set(message) <= {"jsonrpc", "method"} and handover.ids:
        handover.answered.append(line)
        return b""
    ident = message.get("id")
    if (
        isinstance(ident, bool)
        or not isinstance(ident, int | str)
        or not set(message) <= {"jsonrpc", "id", "method", "params"}
    ):
        return None
    result = _modern(snapshot, method, params) or _legacy(snapshot, method, params, handover)
    if result is None:
        return None
    if method == "initialize":
        handover.answered.append(line)
        handover.ids.append(ident)
    return f'{{"jsonrpc":"2.0","id":{json.dumps(ident, ensure_ascii=False)},"result":{result}}}\n'.encode()


def refuse_line(line: bytes) -> bytes | None:
    """Return the error answers to an unreadable line, empty for a blank one; None for a valid message."""
    frame = frames.read_frame(line.decode("utf-8", "replace"))
    if frame.line:
        return None
    return "".join(f"{answer_message}\n" for answer_message in frame.answers).encode()


def _modern(snapshot: Mapping[str, Any], method: Any, params: Any) -> str | None:
    """Answer a request that carries its own version, as the revision of 2026-07-28 has it."""
    if method not in snapshot["modern"] or not isinstance(params, dict) or set(params) != {"_meta"}:
        return None
    meta = params["_meta"]
    if not isinstance(meta, dict) or set(meta) != set(ENVELOPE):
        return None
    if any(type(meta[name]) is not kind for name, kind in ENVELOPE.items()):
        return None
    client = meta[f"{META}clientInfo"]
    if meta[f"{META}protocolVersion"] != snapshot["modern_version"] or not _is_plain_client(client):
        return None
    return str(snapshot["modern"][method])


def _legacy(snapshot: Mapping[str, Any], method: Any, params: Any, handover: Handover) -> str | None:
    """Answer a handshake, and the lists after it."""
    if method == "initialize":
        return None if handover.ids else _handshake(snapshot, params)
    shaken = len(handover.answered) > 1  # initialize and initialized
    if not shaken or method not in snapshot["legacy"] or params not in (None, {}):
        return None
    return str(snapshot["legacy"][method])


def _handshake(snapshot: Mapping[str, Any], params: Any) -> str | None:
    if not isinstance(params, dict) or set(params) != {"protocolVersion", "capabilities", "clientInfo"}:
        return None
    version = params["protocolVersion"]
    if not isinstance(params["capabilities"], dict) or not _is_plain_client(params["clientInfo"]):
        return None
    known = snapshot["handshake"]
    return str(known[version]) if isinstance(version, str) and version in known else None


def _is_plain_client(client: Any) -> bool:
    """Return whether the SDK accepts a client's name and version without further validation."""
    names = {"name", "version", "title"}
    return (
        isinstance(client, dict)
        and {"name", "version"} <= set(client) <= names
        and all(isinstance(value, str) for value in client.values())
    )


def find_snapshot(words: Sequence[str], environ: Mapping[str, str]) -> Mapping[str, Any] | None:
    """Return the snapshot of this configuration, or None when none fits."""
    if environ.get(SWITCH, "on").lower() != "on":
        return None
    described = describe_configuration(words, environ)
    if described is None:
        return None
    shipped = _load(os.path.join(os.path.dirname(__file__), SHIPPED))  # noqa: PTH118, PTH120 - pathlib costs 5 ms
    if shipped is None or not _surely_load(environ, shipped["settings"]):
        return None  # a wrong setting must be refused before anything is answered
    if described == shipped["configuration"]:
        return shipped
    cached = _load(cache_path(described, environ))
    fits = cached is not None and cached["configuration"] == described and cached["program"] == shipped["program"]
    return cached if fits else None


def _surely_load(environ: Mapping[str, str], known: Mapping[str, str]) -> bool:
    """Return whether the settings load, as far as that is certain without loading them: by patterns of good values."""
    for name, value in environ.items():
        if name not in known:
            if name.startswith("VPSOPS_"):
                return False
            continue
        if name.endswith("_FILE") and known[name] == FILE_RULE:
            if value and (environ.get(name.removesuffix("_FILE")) or not _is_text(value)):
                return False
        elif value and re.fullmatch(known[name], value, re.DOTALL) is None:
            return False
    return True


def _is_text(path: str) -> bool:
    """Return whether a file of a secret can be read."""
    try:
        with open(path, encoding="utf-8") as file:  # noqa: PTH123
            return 0 < len(file.read(LONGEST_SECRET)) < LONGEST_SECRET
    except (OSError, ValueError):
        return False


def describe_configuration(words: Sequence[str], environ: Mapping[str, str]) -> str | None:
    """Describe a configuration in a text: equal texts mean equal answers. None when a file cannot be read."""
    path = environ.get("VPSOPS_CONFIG", "")
    content = ""
    if path:
        try:
            with open(path, encoding="utf-8") as file:  # noqa: PTH123 - pathlib costs 5 ms
                content = file.read()
        except (OSError, UnicodeDecodeError):
            return None
    values = {name: environ.get(name, "") for name in NAMES if name != "VPSOPS_CONFIG"} if content or words else {}
    return json.dumps([list(words), content, values], sort_keys=True)


def cache_path(described: str, environ: Mapping[str, str]) -> str:
    """Return the path of the snapshot of a configuration other than the default."""
    base = environ.get("XDG_STATE_HOME") or os.path.join(environ.get("HOME", ""), ".local", "state")  # noqa: PTH118
    return os.path.join(base, "vpsops", f"early-{zlib.crc32(described.encode()):08x}.json")  # noqa: PTH118


def _load(path: str) -> Mapping[str, Any] | None:
    try:
        with open(path, encoding="utf-8") as file:  # noqa: PTH123
            loaded = json.load(file)
    except (OSError, ValueError, RecursionError):
        return None
    return loaded if isinstance(loaded, dict) else None


def answer_pending(handover: Handover, why: str) -> None:
    """Answer the requests so far with an error, when the rest cannot start: the client shows why, and does not wait."""
    lines = handover.unread or _first_lines()
    for line in lines.split(b"\n"):
        message = frames.read_frame(line.decode("utf-8", "replace")).message
        if isinstance(message, dict) and "id" in message and "method" in message:
            error = {"code": -32603, "message": f"vpsops cannot serve. {why}"}
            try:
                _write(json.dumps({"jsonrpc": "2.0", "id": message["id"], "error": error}).encode() + b"\n")
            except OSError:  # the client has gone
                return


def _first_lines() -> bytes:
    """Return the input that a host has sent by now or sends soon; a person at a terminal has read it already."""
    import select  # noqa: PLC0415 - both for this end alone

    from vpsops.core.common.timings import FIRST_LINE_SECONDS  # noqa: PLC0415

    lines = b""
    while not (lines.endswith(b"\n") or len(lines) > LONGEST or os.isatty(0)):
        ready = select.select([0], [], [], FIRST_LINE_SECONDS)[0]
        chunk = os.read(0, CHUNK) if ready else b""
        if not chunk:
            break
        lines += chunk
    return lines


def _leave(*_: object) -> None:
    os._exit(0)


def main(words: Sequence[str]) -> Handover | None:
    """Serve early; a signal, or a client that disconnects meanwhile, ends the process quietly."""
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, _leave)
    signal.signal(signal.SIGINT, _leave)
    if not words and os.isatty(0):  # a person typed it and would see nothing
        os.write(2, PERSON)
    try:
        handover = serve(words)
    except BrokenPipeError:
        sys.exit(0)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    return handover
