"""`vpsops init` against both simulators: at a terminal, in a script, and a second time."""

import os
import subprocess
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import anyio
import anyio.to_thread
import pytest

from tests.fakes.screen import VPSOPS, Screen
from vpsops.bot.diagnostics.workspace import SCOPES
from vpsops.playground.slack.people.model import SimulatedWorkspace
from vpsops.playground.slack.serve import running_workspace
from vpsops.playground.slack.workspace.config import WorkspaceConfig
from vpsops.playground.wayscloud.faults.config import SimulatorConfig
from vpsops.playground.wayscloud.serve import running_simulator

pytestmark = [pytest.mark.slow, pytest.mark.real_time]
KEY: Final = "wayscloud_vps_init1_SECRET"
SECRETS: Final = ("slack-app-token", "slack-bot-token", "wayscloud-api-key")


@dataclass(frozen=True, slots=True)
class InitGround:
    """Both simulators, and a user with an empty home."""

    home: Path
    provider: str
    slack: SimulatedWorkspace

    @property
    def env(self) -> dict[str, str]:
        """The environment of that user."""
        return {"PATH": os.environ["PATH"], "HOME": str(self.home), "TERM": "xterm"}

    @property
    def folder(self) -> Path:
        """Where the configuration goes."""
        return self.home / ".config" / "vpsops"

    @property
    def modes(self) -> dict[str, int]:
        """The rights of each file that is there."""
        return {path.name: path.stat().st_mode & 0o777 for path in self.folder.iterdir()}

    @property
    def flags(self) -> list[str]:
        """The addresses of the simulators."""
        return ["--api-url", self.provider, "--slack-api-url", self.slack.api_url]

    async def run(self, *words: str, **more: str) -> tuple[int, str]:
        """Run vpsops without a terminal."""
        env = {**self.env, **more}
        done = await anyio.run_process([*VPSOPS, *words], env=env, check=False, stdin=subprocess.DEVNULL)
        assert b"Traceback" not in done.stderr
        return done.returncode, done.stdout.decode() + done.stderr.decode()


@pytest.fixture
async def ground(tmp_path: Path) -> AsyncIterator[InitGround]:
    async with (
        running_simulator(SimulatorConfig(keys=(KEY,))) as provider,
        running_workspace(WorkspaceConfig(scopes=frozenset(SCOPES))) as slack,
    ):
        yield InitGround(tmp_path, provider.url, slack)


async def converse(screen: Screen, *exchange: tuple[str, str]) -> None:
    """Wait for each question in turn, and type its answer."""
    for question, answer in exchange:
        await anyio.to_thread.run_sync(screen.wait_for_next, question)
        screen.type(f"{answer}\n")


SHOWN = (
    "(401). Check",
    "SLACK_APP_TOKEN is not an app token",
    "not its name",
    "export VPSOPS_CONFIG=",
    "mcp install cursor",
)


@pytest.mark.requirement("init")
async def test_a_person_is_asked_and_each_answer_is_tried(ground: InitGround) -> None:
    """A wrong key, a bot token in the app token's place and a channel's name are asked for again, at once."""
    config = ground.slack.config
    screen = Screen(ground.env, "init", *ground.flags)
    await converse(
        screen,
        ("Key:", "wayscloud_vps_wrong1_OTHER"),
        ("Key:", KEY),
        ("approve there? [y/N]", "y"),
        ("Bot token", config.bot_token),
        ("App token", config.bot_token),
        ("App token", config.app_token),
        ("for approvals (C", "#approvals"),
        ("for approvals (C", "C0APPROVALS"),
        ("for notices", "C0OPS"),
        ("You (", "bob@acme.example"),
        ("Which? [1]", ""),
        ("Which? [1]", ""),
        ("Which? [1]", ""),
        ("How many", ""),
        ("no one may change", "vpn*"),
        ("the file", ""),
    )
    code = await anyio.to_thread.run_sync(screen.end)
    assert code == 0, screen.text
    assert not [secret for secret in (KEY, config.bot_token, config.app_token) if secret in screen.text]
    for words in SHOWN:
        assert words in screen.text
    assert ground.modes == dict.fromkeys((*SECRETS, "vpsops.toml"), 0o600)
    code, out = await ground.run("list", VPSOPS_CONFIG=str(ground.folder / "vpsops.toml"))
    assert (code, "web01.example.com" in out) == (0, True)


@pytest.mark.requirement("init")
async def test_a_second_run_keeps_what_is_there(ground: InitGround) -> None:
    """Enter keeps each value, rules stay, a change is shown first, and no to it leaves every file as it was."""
    await _written(ground)
    path = ground.folder / "vpsops.toml"
    path.write_text(path.read_text() + "# ours\n")
    before = {each.name: each.read_bytes() for each in ground.folder.iterdir()}
    kept = (("Key [kept by Enter]", ""), ("[Y/n]", ""), ("Bot token", ""), ("App token", ""), ("for approvals (C", ""))
    for channel, answer, code, words in (("", None, 0, "is as it was"), ("C0GENERAL", "n", 1, "Nothing was written")):
        screen = Screen(ground.env, "init")
        await converse(screen, *kept, ("for notices", channel), ("You (", ""), ("the file", ""))
        if answer is not None:
            await converse(screen, ("Replace these? [y/N]", answer))
            assert '+VPSOPS_CHANNEL = "C0GENERAL"' in screen.text
        assert await anyio.to_thread.run_sync(screen.end) == code, screen.text
        assert words in screen.text
        assert {each.name: each.read_bytes() for each in ground.folder.iterdir()} == before


@pytest.mark.requirement("init")
async def test_a_script_needs_no_terminal_and_replaces_nothing_unasked(ground: InitGround) -> None:
    """What fails its trial is not written; a difference needs --replace."""
    code, out = await ground.run("init", *ground.flags)
    assert (code, "--non-interactive" in out) == (2, True)
    code, out = await ground.run("init", "--non-interactive", *ground.flags)
    assert (code, "Set WAYSCLOUD_API_KEY or WAYSCLOUD_TOKEN" in out) == (2, True)
    code, out = await ground.run("init", "--non-interactive", *ground.flags, WAYSCLOUD_API_KEY="wayscloud_vps_no1_KEY")
    assert (code, "Nothing was written" in out, ground.folder.exists()) == (3, True, False)
    out = await _written(ground)
    assert "ok    slack      rule agents needs 1 person to approve, and enough can" in out
    before = (ground.folder / "vpsops.toml").read_bytes()
    changed = ("init", "--non-interactive", "--channel", "C0GENERAL")
    code, out = await ground.run(*changed)
    assert (code, "--replace replaces them" in out) == (1, True)
    assert (ground.folder / "vpsops.toml").read_bytes() == before
    code, out = await ground.run(*changed, "--replace")
    assert (code, 'VPSOPS_CHANNEL = "C0GENERAL"' in (ground.folder / "vpsops.toml").read_text()) == (0, True)
    assert KEY not in out


async def test_an_interrupted_conversation_leaves_nothing(ground: InitGround) -> None:
    """Ctrl-C, and the end of input: no file, no folder, no traceback."""
    for keys, code in (("\x03", 1), ("\x04", 2)):
        screen = Screen(ground.env, "init", *ground.flags)
        await anyio.to_thread.run_sync(screen.wait_for, "Key:")
        screen.type(keys)
        assert await anyio.to_thread.run_sync(screen.end) == code
        assert "Traceback" not in screen.text
        assert not ground.folder.exists()


async def _written(ground: InitGround) -> str:
    """Write a whole set-up by a script, and return what it printed."""
    config = ground.slack.config
    code, out = await ground.run(
        *("init", "--non-interactive", *ground.flags, "--actor", "bob@acme.example"),
        *("--approval-channel", "C0APPROVALS", "--channel", "C0OPS"),
        WAYSCLOUD_API_KEY=KEY,
        SLACK_BOT_TOKEN=config.bot_token,
        SLACK_APP_TOKEN=config.app_token,
    )
    assert code == 0, out
    return out
