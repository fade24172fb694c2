"""A runbook of tests, and how one is applied to a core's database."""

from functools import partial
from typing import Final

from tests.harness.internals import database_of
from vpsops.core.app import Core
from vpsops.core.runbooks import register
from vpsops.core.runbooks.loader import load_runbook
from vpsops.core.runbooks.register import RunbookApplication, RunbookText

CYCLE: Final = """
name = "cycle"
description = "Snapshot servers, stop and start them."
[arguments.servers]
kind = "servers"
[arguments.ticket]
kind = "text"
default = "ops-1"
[[step]]
operation = "snapshot"
servers = "{servers}"
arguments = { snapshot = "before-{ticket}" }
[[step]]
operation = "stop"
servers = "{servers}"
on_failure = "compensate"
[[step.compensation]]
operation = "start"
[[step]]
operation = "start"
servers = "{servers}"
"""


async def apply_runbook(core: Core, text: str = CYCLE) -> None:
    """Apply a runbook that is not there yet."""
    asked = RunbookApplication([RunbookText(load_runbook(text, "x.toml"), "x.toml")], {}, {"id": "local:ann"}, 1.0)
    await database_of(core).transact(partial(register.apply, asked=asked))
