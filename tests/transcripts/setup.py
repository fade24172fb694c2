"""`vpsops init` at a terminal, with simulators in place of accounts: every question, answer and check."""

import os
import re
from pathlib import Path
from typing import Final

import anyio.to_thread

from tests.fakes.screen import VPSOPS, Screen
from vpsops.bot.diagnostics.workspace import SCOPES
from vpsops.playground.slack.serve import running_workspace
from vpsops.playground.slack.workspace.config import WorkspaceConfig
from vpsops.playground.wayscloud.faults.config import SimulatorConfig
from vpsops.playground.wayscloud.serve import running_simulator

KEY: Final = "wayscloud_vps_ann1_MADE-UP"
ABOUT: Final = (
    "`vpsops init` as a person sees it, with the simulated provider and the simulated workspace in place of accounts."
    " A wrong key and a bot token in the app token's place are asked for again. Keys and tokens are not shown when they"
    " are typed. `tests/e2e/processes/test_init.py` plays the same and asserts it."
)


def answers(config: WorkspaceConfig) -> tuple[tuple[str, str], ...]:
    """Return what is typed, each behind the words that it answers."""
    return (
        ("Key:", "wayscloud_vps_ann1_MISTYPED"),
        ("Key:", KEY),
        ("approve there? [y/N]", "y"),
        ("Bot token", config.bot_token),
        ("App token", config.bot_token),
        ("App token", config.app_token),
        ("for approvals (C", "C0APPROVALS"),
        ("for notices", "C0OPS"),
        ("You (", "bob@acme.example"),
        *([("Which? [1]", "")] * 3),
        ("How many", ""),
        ("no one may change", "vpn*"),
        ("the file", ""),
    )


async def setup_page(home: Path) -> str:
    """Play it, and return the page; addresses, paths and the policy's version are fixed ones."""
    config = WorkspaceConfig(scopes=frozenset(SCOPES))
    async with (
        running_simulator(SimulatorConfig(keys=(KEY,))) as provider,
        running_workspace(config) as slack,
    ):
        env = {"PATH": os.environ["PATH"], "HOME": str(home), "TERM": "xterm"}
        words = ("init", "--api-url", provider.url, "--slack-api-url", slack.api_url)
        screen = Screen(env, *words)
        for question, answer in answers(config):
            await anyio.to_thread.run_sync(screen.wait_for_next, question)
            screen.type(f"{answer}\n")
        code = await anyio.to_thread.run_sync(screen.end)
        text = screen.text.replace("\r", "")
        assert code == 0, text
        assert not [secret for secret in (KEY, config.bot_token, config.app_token) if secret in text]
        fixed = {str(home): "/home/ann", provider.url: "http://127.0.0.1:8440", slack.base_url: "http://127.0.0.1:8441"}
        fixed |= {str(Path(VPSOPS[0]).with_name("vpsops")): "vpsops"}
        for value, stands in fixed.items():
            text = text.replace(value, stands)
        text = re.sub(r"\bpol_[0-9a-f]+", "pol_1234abcd", text)
        text = re.sub(r"\berr_[0-9a-f]+", "err_1234abcd", text)
        return f"# Setting up at a terminal\n\n{ABOUT}\n\n```\n$ vpsops init\n{text.strip()}\n```\n"
