"""The errors of a first hour, on real processes: one line with the remedy, where the person who meets it reads."""

import json
import os
import sqlite3
import subprocess
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import anyio
import anyio.to_thread
import pytest

from tests.fakes.provider import refused_port
from tests.fakes.screen import VPSOPS
from tests.harness.patience import PATIENCE_SECONDS
from vpsops.bot.diagnostics.workspace import SCOPES
from vpsops.playground.processes import running_command
from vpsops.playground.slack.serve import running_workspace
from vpsops.playground.slack.workspace.config import WorkspaceConfig
from vpsops.playground.wayscloud.faults.config import SimulatorConfig
from vpsops.playground.wayscloud.serve import running_simulator

pytestmark = [pytest.mark.slow, pytest.mark.real_time]
KEY: Final = "wayscloud_vps_first1_SECRET"
RULES: Final = '[[rule]]\nid = "agents"\nactor = "agent"\ndecision = "{decision}"\n'


@dataclass(slots=True)
class FirstHour:
    """A user's folder and environment, and the address of a web server that is no provider."""

    folder: Path
    env: dict[str, str]
    other: str
    refused: int
    before: list[tuple[str, ...]] = field(default_factory=list)

    def write(self, text: str, name: str = "vpsops.toml") -> str:
        """Write a configuration and return its path."""
        path = self.folder / name
        path.write_text(text)
        path.chmod(0o600)
        return str(path)


@pytest.fixture
async def ground(tmp_path: Path) -> AsyncIterator[FirstHour]:
    async with running_simulator(SimulatorConfig(keys=(KEY,))) as provider, running_workspace() as other:
        env = {
            "PATH": os.environ["PATH"],
            "HOME": str(tmp_path),
            "WAYSCLOUD_API_URL": provider.url,
            "WAYSCLOUD_API_KEY": KEY,
            "VPSOPS_DATABASE_URL": f"sqlite:///{tmp_path / 'vpsops.sqlite3'}",
            "VPSOPS_ACTOR": "ann@example.com",
        }
        yield FirstHour(tmp_path, env, other.base_url, await refused_port())


async def terminal(env: Mapping[str, str], *words: str) -> tuple[int, str, str]:
    """Run a command line to its end."""
    done = await anyio.run_process([*VPSOPS, *words], env=dict(env), check=False, stdin=subprocess.DEVNULL)
    return done.returncode, done.stdout.decode(), done.stderr.decode()


def assistant(env: Mapping[str, str], tool: str = "vps_list", **arguments: str) -> dict[str, Any]:
    """Return what an assistant is answered that starts `vpsops mcp` and calls a tool."""
    client = {"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": "first", "version": "1"}}
    messages: list[dict[str, Any]] = [
        {"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": client},
        {"jsonrpc": "2.0", "method": "notifications/initialized"},
        {"jsonrpc": "2.0", "id": 2, "method": "tools/call", "params": {"name": tool, "arguments": arguments}},
    ]
    pipe = subprocess.PIPE
    with subprocess.Popen([*VPSOPS, "mcp"], env=dict(env), stdin=pipe, stdout=pipe, stderr=pipe, text=True) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write("".join(f"{json.dumps(message)}\n" for message in messages))
        process.stdin.flush()
        answer: dict[str, Any] = next(message for message in map(json.loads, process.stdout) if message.get("id") == 2)
        process.stdin.close()
        process.wait(PATIENCE_SECONDS)
    return answer


def words_of(answer: dict[str, Any]) -> str:
    """Return the text that a host shows: of a protocol error, or of a tool's failed result."""
    if "error" in answer:
        return str(answer["error"]["message"])
    assert answer["result"]["isError"]
    return " ".join(str(part["text"]) for part in answer["result"]["content"])


def env_of(name: str, value: str) -> Callable[[FirstHour], None]:
    """Set a variable; "" leaves it out."""

    def change(ground: FirstHour) -> None:
        ground.env.pop(name)
        ground.env |= {name: value} if value else {}

    return change


def more(**values: str) -> Callable[[FirstHour], None]:
    """Set variables that a good set-up does not have."""
    return lambda ground: ground.env.update(values)


def config(text: str) -> Callable[[FirstHour], None]:
    """Write a configuration."""
    return lambda ground: ground.env.update(VPSOPS_CONFIG=ground.write(text))


def other_server(ground: FirstHour) -> None:
    ground.env["WAYSCLOUD_API_URL"] = ground.other


def unreachable(ground: FirstHour) -> None:
    ground.env["WAYSCLOUD_API_URL"] = f"http://127.0.0.1:{ground.refused}"


def no_home(ground: FirstHour) -> None:
    del ground.env["VPSOPS_DATABASE_URL"]
    ground.env["HOME"] = "/proc/nowhere"


def newer_schema(ground: FirstHour) -> None:
    subprocess.run([*VPSOPS, "list"], env=ground.env, check=True, capture_output=True, timeout=PATIENCE_SECONDS)
    with closing(sqlite3.connect(ground.folder / "vpsops.sqlite3")) as connection:
        connection.execute("UPDATE alembic_version SET version_num = '9999'")
        connection.commit()


FIRST: Final[Mapping[str, tuple[Callable[[FirstHour], None], int, tuple[str, ...]]]] = {
    "no key": (env_of("WAYSCLOUD_API_KEY", ""), 3, ("Set WAYSCLOUD_API_KEY or WAYSCLOUD_TOKEN",)),
    "a wrong key": (env_of("WAYSCLOUD_API_KEY", "wayscloud_vps_no1_OTHER"), 3, ("401", "Check WAYSCLOUD_API_KEY")),
    "another web server": (other_server, 1, ("There is no VPS API at http://127.0.0.1", "Check WAYSCLOUD_API_URL")),
    "a server that is not there": (unreachable, 4, ("http://127.0.0.1", "could not be reached", "WAYSCLOUD_API_URL")),
    "a home that cannot be written": (no_home, 2, ("/proc/nowhere", "cannot be made", "VPSOPS_DATABASE_URL")),
    "a policy without an approval channel": (
        config(RULES.format(decision="approve")),
        2,
        ("vpsops.toml:4: rule agents: no one could approve", "VPSOPS_APPROVAL_CHANNEL"),
    ),
    "a level that is not known": (more(VPSOPS_LOG_LEVEL="LOUD"), 2, ("VPSOPS_LOG_LEVEL: must be debug or info",)),
    "a setting that is not known": (more(VPSOPS_CHANEL="C0OPS"), 2, ("Did you mean VPSOPS_CHANNEL?",)),
    "a configuration that is no TOML": (config("[[rule]\n"), 2, ("vpsops.toml", "line 1", "TOML")),
    "a configuration that is not there": (
        more(VPSOPS_CONFIG="/nowhere/v.toml"),
        2,
        ("/nowhere/v.toml cannot be read",),
    ),
    "a database of a newer version": (newer_schema, 2, ("newer version of vpsops", "Update vpsops")),
}


@pytest.mark.requirement("first-errors")
@pytest.mark.parametrize("name", FIRST)
async def test_a_first_error_is_one_line_with_its_remedy(ground: FirstHour, name: str) -> None:
    """In the terminal on standard error, and in the assistant's chat; never a traceback."""
    change, expected, says = FIRST[name]
    await anyio.to_thread.run_sync(change, ground)
    code, out, err = await terminal(ground.env, "list")
    assert (code, out, err.count("\n"), err.startswith("vpsops: ")) == (expected, "", 1, True), err
    shown = words_of(await anyio.to_thread.run_sync(assistant, ground.env))
    for text in (err, shown):
        assert [word for word in says if word not in text] == [], text
        assert "Traceback" not in text
        assert KEY not in text


@pytest.mark.requirement("first-errors")
@pytest.mark.parametrize(
    "change", [more(VPSOPS_LOG_LEVEL="WARNING"), config("")], ids=["a level in capitals", "an empty configuration"]
)
async def test_what_is_no_error_is_none(ground: FirstHour, change: Callable[[FirstHour], None]) -> None:
    """A word of choice in any case, and a configuration that says nothing."""
    change(ground)
    code, out, err = await terminal(ground.env, "list")
    assert (code, "web01.example.com" in out, err) == (0, True, "")
    answer = await anyio.to_thread.run_sync(assistant, ground.env)
    assert not answer["result"]["isError"]


@pytest.mark.requirement("first-errors")
async def test_another_policy_than_the_one_in_force_is_named_with_the_command(ground: FirstHour) -> None:
    """At the terminal and in the chat: which command settles it; nothing is sent."""
    ground.env["VPSOPS_CONFIG"] = ground.write(RULES.format(decision="deny"), "first.toml")
    assert (await terminal(ground.env, "list"))[0] != 2
    ground.env["VPSOPS_CONFIG"] = ground.write(RULES.format(decision="allow"), "second.toml")
    _, _, err = await terminal(ground.env, "ask", "reboot", "web01", "--because", "first")
    shown = words_of(
        await anyio.to_thread.run_sync(lambda: assistant(ground.env, "vps_reboot", server="web01", reason="first"))
    )
    for text in (err, shown):
        assert "vpsops policy" in text, text
        assert "Traceback" not in text


@pytest.mark.requirement("first-errors")
async def test_a_bot_names_the_variable_of_a_server_that_is_not_slack(ground: FirstHour) -> None:
    """Of the provider's simulator, which answers as a web server that is not Slack."""
    other = ground.env["WAYSCLOUD_API_URL"]
    ground.env |= {"SLACK_BOT_TOKEN": "xoxb-first", "SLACK_APP_TOKEN": "xapp-first", "SLACK_API_URL": other}
    code, out, err = await terminal(ground.env, "bot")
    assert (code, out, err.count("\n")) == (2, "", 1), err
    assert f"The server at {other}/ is not Slack" in err
    assert "Check SLACK_API_URL." in err


@pytest.mark.requirement("first-errors")
@pytest.mark.parametrize("words", [("serve",), ("bot",), ("mcp",)], ids=" ".join)
async def test_a_second_start_names_the_port(ground: FirstHour, words: tuple[str, ...]) -> None:
    """The port is in use: one line, with the flag that chooses another."""
    ground.env |= {"SLACK_BOT_TOKEN": "xoxb-first", "SLACK_SIGNING_SECRET": "first", "SLACK_API_URL": ground.other}
    async with await anyio.create_tcp_listener(local_host="127.0.0.1") as taken:
        port = taken.extra(anyio.abc.SocketAttribute.local_port)  # noqa: S610 - a socket, not a database
        code, out, err = await terminal(ground.env, *words, "--http", f"127.0.0.1:{port}")
    assert (code, out, err.count("\n")) == (2, "", 1), err
    assert f"127.0.0.1:{port} cannot be listened on: Address already in use. Choose another --http HOST:PORT." in err


SLACK: Final = {name: FIRST[name] for name in ("a wrong key", "another web server", "a server that is not there")}


@pytest.mark.requirement("first-errors")
@pytest.mark.parametrize("name", SLACK)
async def test_a_first_error_is_said_in_slack(ground: FirstHour, name: str) -> None:
    """To the person who typed the command, with its remedy, and no secret."""
    change, _, says = SLACK[name]
    change(ground)
    async with running_workspace(WorkspaceConfig(scopes=frozenset(SCOPES))) as slack:
        token, secret = slack.config.bot_token, slack.config.signing_secret
        env = {**ground.env, "SLACK_BOT_TOKEN": token, "SLACK_SIGNING_SECRET": secret, "SLACK_API_URL": slack.api_url}
        async with running_command("bot", ["bot", "--http", "127.0.0.1:0"], env, ground.folder) as address:
            slack.connect_http(address)
            sent = await slack.command("alice", "ops", "/vps", "list")
            assert sent.error is None
            (answer,) = await slack.wait_for(lambda: slack.ephemerals("alice", "ops"))
    shown = f"{answer.text} {answer.blocks}"
    assert [word for word in says if word not in shown] == [], shown
    assert "Traceback" not in shown
    assert KEY not in shown
