"""The tools as hosts convert them for their models: google-genai, openai-agents in strict mode, LangChain."""

import fcntl
import hashlib
import json
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from tests.hosts.subset import faults
from tests.packaging.licences import allow_list as licences
from tests.packaging.licences.package_metadata import installed
from tests.unit.mcp_server.tools.tool_snapshots import all_tools

pytestmark = [pytest.mark.slow, pytest.mark.real_time]
ROOT = Path(__file__).parents[2]
LOCK = ROOT / "requirements" / "converters.txt"
SCRIPT = ROOT / "tests" / "hosts" / "converters.py"
CONVERTERS = ("gemini", "agents", "langchain")
PATIENCE = 900.0


@pytest.fixture(scope="module")
def interpreter() -> Path:
    """The converters' own environment, made once for each lock: they need another version of the SDK than ours."""
    home = ROOT / "build" / f"converters-{hashlib.sha256(LOCK.read_bytes()).hexdigest()[:12]}"
    python = home / "bin" / "python"
    home.parent.mkdir(exist_ok=True)
    with home.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # each worker that has one of these tests comes here
        if not (home / "ready").exists():
            run(sys.executable, "-m", "venv", "--clear", str(home))
            run(str(python), "-m", "pip", "install", "--quiet", "--no-compile", "--require-hashes", "-r", str(LOCK))
            (home / "ready").touch()
    return python


def run(*words: str, given: str = "") -> str:
    """Run a program to its end and return what it wrote."""
    done = subprocess.run(words, input=given, capture_output=True, text=True, check=False, timeout=PATIENCE)
    assert done.returncode == 0, done.stderr[-2_000:]
    return done.stdout


@pytest.fixture(scope="module")
def converted(interpreter: Path) -> Mapping[str, Mapping[str, Any]]:
    """What each converter makes of each tool."""
    tools = [tool.model_dump(mode="json", by_alias=True, exclude_none=True) for tool in all_tools()]
    document: dict[str, dict[str, Any]] = json.loads(run(str(interpreter), str(SCRIPT), given=json.dumps(tools)))
    return document


def test_their_licences_are_allowed(interpreter: Path) -> None:
    """Of tools that are not shipped."""
    assert list(licences.faults(LOCK, installed(interpreter.parents[1]), licences.TOOLS)) == [], licences.ADVICE


@pytest.mark.requirement("mcp-plain-schemas")
@pytest.mark.parametrize("converter", CONVERTERS)
def test_every_tool_is_converted_whole(converted: Mapping[str, Mapping[str, Any]], converter: str) -> None:
    """Each argument arrives with its type and words, and nothing in it is outside of what models' APIs take."""
    tools = {tool.name: tool.input_schema for tool in all_tools()}
    assert list(converted[converter]) == list(tools)
    for name, schema in converted[converter].items():
        assert list(faults(schema)) == [], name
        assert list(schema["properties"]) == list(tools[name]["properties"])
        for argument, view in tools[name]["properties"].items():
            made = schema["properties"][argument]
            assert made["type"].lower() == view["type"]
            assert made.get("description") == view.get("description")
            assert made.get("items", {}).get("enum") == view.get("items", {}).get("enum")
