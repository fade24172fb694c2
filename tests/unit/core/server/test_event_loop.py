"""A server's loop: the fast one where it is installed, and the usual one where it is not."""

import asyncio
import gc
import sys

import anyio
import pytest

from vpsops.core.server import event_loop

SWITCH = sys.getswitchinterval()


@pytest.mark.parametrize(("there", "module"), [(True, "uvloop"), (False, "asyncio")])
def test_a_server_runs_on_the_loop_there_is(monkeypatch: pytest.MonkeyPatch, there: bool, module: str) -> None:
    """With uvloop its loop is used; without it the interpreter's own."""
    monkeypatch.setattr(event_loop, "fast", lambda: there)
    monkeypatch.setitem(sys.modules, "sniffio", None)
    results: list[str] = []

    async def main(word: str) -> None:
        await anyio.lowlevel.checkpoint()
        results.extend((word, type(asyncio.get_running_loop()).__module__.partition(".")[0]))

    try:
        event_loop.run_server(main, "served")
    finally:
        sys.setswitchinterval(SWITCH)
        gc.unfreeze()
    assert results == ["served", module]
