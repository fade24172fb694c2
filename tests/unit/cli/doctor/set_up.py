"""A whole set-up on simulators, which a test breaks in one place before `vpsops doctor` looks at it."""

import importlib
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import pytest

from tests.harness.virtual_time import VirtualClock
from vpsops.bot.diagnostics.workspace import SCOPES
from vpsops.cli import main as console
from vpsops.cli.doctor import diagnose
from vpsops.core.common.clock import Clock
from vpsops.core.config.settings import Settings, load_settings
from vpsops.playground.slack.people.model import SimulatedWorkspace
from vpsops.playground.slack.serve import running_workspace
from vpsops.playground.slack.workspace.config import WorkspaceConfig
from vpsops.playground.wayscloud.faults.config import SimulatorConfig
from vpsops.playground.wayscloud.serve import running_simulator

KEY: Final = "wayscloud_vps_test1_SECRET"
POLICY: Final = """
[[rule]]
id = "reads"
risk = "read"
decision = "allow"

[[rule]]
id = "people"
actor = "person"
risk = ["change", "disruptive"]
decision = "confirm"

[[rule]]
id = "agents"
actor = "agent"
risk = ["change", "disruptive"]
decision = "approve"
"""


@dataclass(slots=True)
class SetUp:
    """The environment of a set-up, its folder, and the simulators behind it."""

    path: Path
    slack: SimulatedWorkspace
    env: dict[str, str]
    clock: Clock = field(default_factory=VirtualClock)
    http: str | None = None
    sockets: list[socket.socket] = field(default_factory=list)

    def write_policy(self, text: str = POLICY, name: str = "vpsops.toml") -> Path:
        """Write the configuration for its owner alone, and have the set-up read it."""
        file = self.path / name
        file.write_text(text)
        file.chmod(0o600)
        self.env["VPSOPS_CONFIG"] = str(file)
        return file

    def drop_slack(self) -> None:
        """Take away what a set-up without Slack does not have."""
        for name in [name for name in self.env if name.startswith("SLACK") or name.endswith("CHANNEL")]:
            del self.env[name]

    @property
    def settings(self) -> Settings:
        """The settings as a process reads them."""
        return load_settings(self.env)

    @property
    def database(self) -> Path:
        """The file of the database."""
        return Path(self.env["VPSOPS_DATABASE_URL"].removeprefix("sqlite:///"))


@asynccontextmanager
async def whole_set_up(path: Path, lacking: str = "") -> AsyncIterator[SetUp]:
    """Run both simulators, and yield a set-up in which all works; the app may lack a scope."""
    config, clock = WorkspaceConfig(scopes=frozenset(SCOPES) - {lacking}), VirtualClock()
    async with (
        running_simulator(SimulatorConfig(seed=7, keys=(KEY,)), clock=clock) as provider,
        running_workspace(config, clock=clock, wall=clock) as slack,
    ):
        made = SetUp(
            path,
            slack,
            {
                "WAYSCLOUD_API_URL": provider.url,
                "WAYSCLOUD_API_KEY": KEY,
                "SLACK_API_URL": slack.api_url,
                "SLACK_BOT_TOKEN": config.bot_token,
                "SLACK_APP_TOKEN": config.app_token,
                "VPSOPS_CHANNEL": "C0OPS",
                "VPSOPS_APPROVAL_CHANNEL": "C0APPROVALS",
                "VPSOPS_DATABASE_URL": f"sqlite:///{path / 'vpsops.sqlite3'}",
                "XDG_STATE_HOME": str(path / "state"),
            },
        )
        made.write_policy()
        yield made
        for taken in made.sockets:
            taken.close()


async def doctor_of(
    made: SetUp, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> tuple[int, list[str]]:
    """Return the exit code and the lines of `vpsops doctor` in a set-up; no line shows a secret."""
    for name, value in made.env.items():
        monkeypatch.setenv(name, value)
    checks = [check for name in console.CHECKS for check in importlib.import_module(name).CHECKS]
    capsys.readouterr()
    code = await diagnose(made.env, checks, made.clock, made.http)
    lines = capsys.readouterr().out.splitlines()
    secrets = [value for name, value in made.env.items() if name.endswith(("_TOKEN", "_KEY", "_SECRET")) and value]
    assert not [line for line in lines for secret in secrets if secret in line]
    return code, lines
