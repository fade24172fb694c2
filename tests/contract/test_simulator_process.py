"""The simulator as a process of its own: how it starts, reports its address, and ends."""

import argparse
import os
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import anyio
import httpx
import pytest
from anyio.abc import Process
from anyio.streams.text import TextReceiveStream

from tests.harness.patience import PATIENCE_SECONDS
from tests.unit.playground.wayscloud.harness import KEY, WEB
from vpsops.playground.wayscloud import cli
from vpsops.playground.wayscloud.serve import listen

pytestmark = [pytest.mark.slow, pytest.mark.real_time]
START = "import sys; from vpsops.cli.main import main; sys.exit(main())"


async def first_lines(process: Process, count: int) -> list[str]:
    """Return the first lines of its standard output."""
    assert process.stdout
    text = ""
    async for part in TextReceiveStream(process.stdout):
        text += part
        if text.count("\n") >= count:
            break
    return text.splitlines()


@asynccontextmanager
async def simulator(*options: str) -> AsyncIterator[Process]:
    """Start a simulator; end it whatever happens."""
    command = [sys.executable, "-c", START, "simulator", *options]
    async with await anyio.open_process(command, stderr=None) as process:
        try:
            yield process
        finally:
            if process.returncode is None:
                process.kill()


@pytest.mark.parametrize("name", ["SIGTERM", "SIGINT"])
async def test_it_says_where_it_listens_and_ends_cleanly_on_a_signal(name: str) -> None:
    """Port 0 chooses one; the first line is the address; a signal ends it with 0, open connections or not."""
    async with simulator("--port", "0", "--fleet", "20", "--print-port") as process:
        with anyio.fail_after(PATIENCE_SECONDS):
            address, port = await first_lines(process, 2)
        url = address.removeprefix("simulator: ")
        async with httpx.AsyncClient(base_url=url, headers={"x-api-key": KEY}, timeout=PATIENCE_SECONDS) as api:
            listed = (await api.get("/v1/vps")).json()
            os.kill(process.pid, getattr(signal, name))
            with anyio.fail_after(PATIENCE_SECONDS):
                code = await process.wait()
    assert url == f"http://127.0.0.1:{port}"
    assert listed["total"] == 20
    assert code == 0


async def test_every_option_reaches_the_simulator(tmp_path: Path) -> None:
    """Dialect, keys, seed, strict states and faults of a file, seen from outside."""
    rules = tmp_path / "faults.toml"
    rules.write_text('[[faults]]\nkind = "status"\nstatus = 503\nmatch = { operation = "plans" }\n')
    options = ("--port", "0", "--dialect", "sdk", "--key", "one", "--key", "two", "--strict-states", "--speed", "1e6")
    async with simulator(*options, "--faults", str(rules)) as process:
        with anyio.fail_after(PATIENCE_SECONDS):
            url = (await first_lines(process, 1))[0].removeprefix("simulator: ")
        async with httpx.AsyncClient(base_url=url, headers={"x-api-key": "two"}, timeout=PATIENCE_SECONDS) as api:
            listed = await api.get("/v1/vps/")
            started = await api.post(f"/v1/vps/{WEB}/start")
            plans = await api.get("/v1/vps/plans/")
            unknown = await api.get("/v1/vps/", headers={"x-api-key": KEY})
    assert listed.json()["vps_instances"][0]["id"] == WEB
    assert [each.status_code for each in (started, plans, unknown)] == [409, 503, 401]


def parsed(*options: str) -> argparse.Namespace:
    """Return the options as the console script reads them."""
    parser = argparse.ArgumentParser("simulator")
    cli.add_arguments(parser)
    return parser.parse_args(options)


def test_a_port_in_use_is_said_in_one_sentence(capsys: pytest.CaptureFixture[str]) -> None:
    """No traceback, a hint, and exit code 2, as for every port that is taken."""
    with listen(0) as other:
        port = other.getsockname()[1]
        code = cli.run(parsed("--port", str(port)))
    captured = capsys.readouterr()
    assert (code, captured.out) == (2, "")
    assert captured.err == f"Port {port} on 127.0.0.1 cannot be used: Address already in use. Try --port 0.\n"


def test_a_wrong_fault_file_is_a_wrong_configuration(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    """Exit code 2, and the file by name."""
    rules = tmp_path / "faults.json"
    rules.write_text('[{"kind": "explode"}]')
    assert cli.run(parsed("--port", "0", "--faults", str(rules))) == 2
    assert "faults.json is not valid: 0.kind" in capsys.readouterr().err


@pytest.mark.parametrize(
    "options",
    [("--port", "65536"), ("--port", "x"), ("--speed", "0"), ("--speed", "inf"), ("--fleet", "-1"), ("--dialect", "x")],
)
def test_wrong_options_are_refused(options: tuple[str, str], capsys: pytest.CaptureFixture[str]) -> None:
    """Exit code 2, naming the option."""
    with pytest.raises(SystemExit) as ended:
        parsed(*options)
    assert ended.value.code == 2
    assert options[0] in capsys.readouterr().err


def test_the_help_explains_every_option_and_its_default(capsys: pytest.CaptureFixture[str]) -> None:
    """Nothing is left to guess."""
    with pytest.raises(SystemExit):
        parsed("--help")
    output = " ".join(capsys.readouterr().out.split())
    for option in ("port", "speed", "dialect", "fleet", "faults", "seed", "key", "strict-states", "print-port"):
        assert f"--{option}" in output
    assert "(default: 8440)" in output
    assert "(default: 60.0)" in output
