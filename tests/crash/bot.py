"""The Slack bot as it is, but with the short waits of a crash run: it watches and keeps like the others."""

import sys
from dataclasses import replace

from tests.crash.actor import TIMING
from tests.crash.names import resolve_slowly
from tests.crash.server_ends import shorten_lifetimes
from vpsops.cli import main as console
from vpsops.core.app import open_core

if __name__ == "__main__":
    timing = replace(TIMING, confirm_seconds=float(sys.argv[1]))
    open_core.__wrapped__.__kwdefaults__["timing"] = timing  # type: ignore[attr-defined] # contextlib's wrapper has it
    resolve_slowly()
    shorten_lifetimes()
    sys.exit(console.main(["bot", *sys.argv[2:]]))
