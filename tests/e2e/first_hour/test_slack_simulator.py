"""`vpsops slack-simulator` as a process: what it prints connects a client, and a second start says what to do."""

import os
from pathlib import Path

import anyio
import pytest
from slack_sdk.web.async_client import AsyncWebClient

from tests.fakes.screen import VPSOPS
from tests.harness.patience import PATIENCE_SECONDS
from vpsops.playground.processes import running_command

pytestmark = [pytest.mark.slow, pytest.mark.real_time]


async def test_the_printed_address_serves_a_client(tmp_path: Path) -> None:
    """With the token that it prints; the port is then in use, which a second start says in one line."""
    environment = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
    words = ["slack-simulator", "--port", "0"]
    async with running_command("slack-simulator", words, environment, tmp_path) as address:
        client = AsyncWebClient(token="xoxb-simulated-bot-token", base_url=f"{address}/api/")
        assert (await client.auth_test())["user"] == "vpsops"
        again = [*VPSOPS, "slack-simulator", "--port", address.rpartition(":")[2]]
        with anyio.fail_after(PATIENCE_SECONDS):
            second = await anyio.run_process(again, env=environment, check=False)
    text = second.stderr.decode()
    assert second.returncode == 2
    assert "cannot be used" in text
    assert "Try --port 0." in text
    assert len(text.splitlines()) == 1
