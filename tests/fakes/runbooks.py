"""A runbook of tests, and how one is applied to a core's database."""

import re
from functools import partial
from typing import Final

from tests.harness.internals import database_of
from tests.harness.repository import ROOT
from vpsops.core.app import Core
from vpsops.core.runbooks import register
from vpsops.core.runbooks.loader import load_runbook
from vpsops.core.runbooks.register import RegisteredRunbook, RunbookApplication, RunbookText

CYCLE: Final = """
name = "cycle"
description = "Reboot servers, stop and start them."
[arguments.servers]
kind = "servers"
[[step]]
operation = "reboot"
servers = "{servers}"
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


def registered_runbooks() -> list[RegisteredRunbook]:
    """Return the runbook of the guide, one of tests, and one that was altered."""
    page = (ROOT / "docs" / "runbooks.md").read_text(encoding="utf-8")
    (grow,) = re.findall(r"^```toml\n(name = .*?)^```$", page, re.MULTILINE | re.DOTALL)
    texts = {"cycle": CYCLE, "grow": grow, "patch": ""}
    return [
        RegisteredRunbook(name, 1, "rbk_1", text, "x.toml", {}, 1.0, 1, problem="" if text else "was altered")
        for name, text in texts.items()
    ]
