"""Runs a server's main function on the fastest event loop there is: uvloop, or where that is missing asyncio's own."""

import gc
import importlib.util
import sys
from collections.abc import Awaitable, Callable
from typing import Final, TypeVarTuple

import anyio

Ts = TypeVarTuple("Ts")

SWITCH_SECONDS: Final = 0.0005
"""How long a thread that wants to go on lets the loop run: with the interpreter's 5 ms a busy loop makes every
statement of a transaction wait that long."""


def fast() -> bool:
    """Return whether uvloop can be used here."""
    return importlib.util.find_spec("uvloop") is not None


def run_server(main: Callable[[*Ts], Awaitable[None]], *args: *Ts) -> None:
    """Run `main` until it returns; raises what it raises."""
    sys.modules.setdefault("sniffio", None)  # type: ignore[arg-type]  # httpcore imports it ten times a request
    sys.setswitchinterval(SWITCH_SECONDS)
    gc.collect()
    gc.freeze()  # what was imported stays: looking through it for rubbish stops the loop for a tenth of a second
    anyio.run(main, *args, backend_options={"use_uvloop": fast()})
