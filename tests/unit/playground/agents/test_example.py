"""The program of docs/playground.md asks a chat completions endpoint, and plays an agent by what that answers."""

import asyncio
import json
import os
import re
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from tests.harness.patience import PATIENCE_SECONDS
from tests.harness.repository import ROOT
from vpsops.playground.agents.model import Final, ModelToolCall, ModelTurn, Transcript
from vpsops.playground.agents.program import running_program
from vpsops.playground.wayscloud.serve import QuietServer, listen

pytestmark = [pytest.mark.slow, pytest.mark.real_time]
TOOL = {"name": "vps_get", "description": "Show a server.", "input_schema": {"type": "object"}}
CALL = {"id": "c1", "type": "function", "function": {"name": "vps_get", "arguments": '{"server": "web01"}'}}
ANSWERS = (
    {"role": "assistant", "content": "Is it up?", "tool_calls": [CALL]},
    {"role": "assistant", "content": "It runs."},
)


@asynccontextmanager
async def endpoint(asked: list[Any]) -> AsyncIterator[str]:
    """Serve a model that gives `ANSWERS` in their order; yields its address."""

    async def complete(request: Request) -> Response:
        asked.append({**json.loads(await request.body()), "key": request.headers["authorization"]})
        return JSONResponse({"choices": [{"message": ANSWERS[len(asked) - 1]}]})

    app = Starlette(routes=[Route("/v1/chat/completions", complete, methods=["POST"])])
    with listen(0) as listener:
        server = QuietServer(uvicorn.Config(app, log_config=None, lifespan="off"))
        serving = asyncio.create_task(server.serve([listener]))
        try:
            yield f"http://127.0.0.1:{listener.getsockname()[1]}/v1/chat/completions"
        finally:
            server.should_exit = True
            await serving


async def test_the_program_of_the_page_plays_an_agent(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (source,) = re.findall(
        r"```python\n(.*?)```", (ROOT / "docs" / "playground.md").read_text(encoding="utf-8"), re.DOTALL
    )
    program = tmp_path / "agent.py"
    program.write_text(source, encoding="utf-8")
    asked: list[Any] = []
    async with endpoint(asked) as url:
        for name, value in {"MODEL_URL": url, "MODEL_NAME": "a-model", "MODEL_KEY": "a-key"}.items():
            monkeypatch.setitem(os.environ, name, value)
        async with running_program([sys.executable, str(program)], PATIENCE_SECONDS, sys.stderr.write) as model:
            first = await model.act([TOOL], Transcript("be careful", "is web01 up?"))
            assert first == ModelToolCall("vps_get", {"server": "web01"}, "Is it up?")
            turn = ModelTurn("vps_get", {"server": "web01"}, "web01 is running", False, {})
            assert await model.act([TOOL], Transcript("be careful", "is web01 up?", (turn,))) == Final("It runs.")
    assert (asked[1]["model"], asked[1]["key"]) == ("a-model", "Bearer a-key")
    assert [message["role"] for message in asked[1]["messages"]] == ["system", "user", "assistant", "tool"]
    assert asked[1]["messages"][3] == {"role": "tool", "tool_call_id": "call0", "content": "web01 is running"}
    assert asked[1]["tools"][0]["function"]["parameters"] == {"type": "object"}
