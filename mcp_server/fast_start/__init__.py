"""Answers the handshake before the server is loaded: a small second implementation of MCP, entered only through here.

An import contract keeps all other modules from importing this folder's modules. Nothing heavier than the standard
library is imported before the SDK takes over, so functions that need the SDK import it themselves.
"""

from __future__ import annotations

import os

from vpsops.mcp_server.fast_start.responder import Handover, answer_pending
from vpsops.mcp_server.fast_start.responder import main as answer_early

TYPE_CHECKING = False
if TYPE_CHECKING:
    import io
    from collections.abc import Sequence
    from typing import Any

    from mcp.server.lowlevel import Server

    from vpsops.mcp_server.fast_start.snapshot import DeduplicatedOutput

__all__ = [
    "Handover",
    "answer_early",
    "answer_pending",
    "begin_lean_imports",
    "end_lean_imports",
    "open_streams",
    "store_answers",
]


def begin_lean_imports(*, http: bool = False) -> None:
    """Make what this process imports from here on cost less; see `lean_imports`. `http` is whether it serves that."""
    from vpsops.mcp_server.fast_start import lean_imports  # noqa: PLC0415

    lean_imports.begin(http=http)


def end_lean_imports() -> None:
    """End the preparation, once all is loaded that serves the first requests."""
    from vpsops.mcp_server.fast_start import lean_imports  # noqa: PLC0415

    lean_imports.end()


def open_streams(handover: Handover) -> tuple[io.TextIOWrapper, DeduplicatedOutput]:
    """Return standard input and output for the SDK, continuing after the early answers."""
    from vpsops.mcp_server.fast_start import snapshot  # noqa: PLC0415

    return snapshot.open_streams(handover)


async def store_answers(server: Server[Any], words: Sequence[str]) -> None:
    """Store answers for the next start with these words in this environment; no-op when they exist."""
    from pathlib import Path  # noqa: PLC0415

    from vpsops.mcp_server.fast_start import responder, snapshot  # noqa: PLC0415

    described = responder.describe_configuration(words, os.environ)
    known = described is None or responder.find_snapshot(words, os.environ) is not None
    if known or described is None or os.environ.get(responder.SWITCH, "on") != "on":
        return
    answers = await snapshot.take_snapshot(server, described)
    snapshot.store_snapshot(answers, Path(responder.cache_path(described, os.environ)))
