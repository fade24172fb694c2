"""What a process that answers its first read has imported, and what makes it so little."""

import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import httpx
import pydantic
import pytest
from pydantic import TypeAdapter, ValidationError

from tests.harness.patience import PATIENCE_SECONDS
from vpsops.mcp_server.fast_start import lean_imports

FOR_CHANGES = frozenset({"alembic", "psycopg", "sqlalchemy", "vpsops.core.app.services", "vpsops.core.storage.tables"})
FOR_HTTP = frozenset(
    {"click", "httpx2", "jwt", "mcp.server.auth.routes", "mcp.server.streamable_http", "sse_starlette", "starlette"}
    | {"uvicorn", "vpsops.mcp_server.auth.middleware", "vpsops.mcp_server.http.server"}
)
NOT_FOR_A_READ = frozenset(
    {"aiohttp", "cryptography", "html.parser", "mcp.client", "mcp.server.mcpserver", "rich", "slack_bolt", "slack_sdk"}
    | {"vpsops.bot", *FOR_CHANGES, *FOR_HTTP}
    | {"vpsops.cli.hosts", "vpsops.core.reports", "vpsops.mcp_server.prompts", "vpsops.mcp_server.resources.resources"}
)
"""What serves changes, other questions, other transports and other front ends."""
MOST_MODULES = 765
AT_ONCE = TypeAdapter(int | str)
KEY = "wayscloud_vps_lean01_SECRET"
HELLO = {"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": "x", "version": "1"}}
PROGRAM = """
import atexit, os, sys
sys.argv = ["vpsops", "mcp", *sys.argv[1:]]
def say():
    with open(os.environ["REPORT"], "w") as file:
        file.write(" ".join(name for name, module in list(sys.modules.items()) if module is not None))
leave = os._exit
def report(code):
    say()
    leave(code)
os._exit = report
atexit.register(say)
from vpsops.cli.main import main
sys.exit(main())
"""


class OneServer(BaseHTTPRequestHandler):
    """A provider that answers every read with its only server."""

    def do_GET(self) -> None:
        """Answer with the server, or with the list of it."""
        server = {"id": "b5c6d7e8-f9a0-1234-5678-90abcdef1234", "hostname": "web01", "status": "running"}
        body = json.dumps([server] if self.path.rstrip("/").endswith("/vps") else server).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the library's name
        """Write nothing to standard error."""


@pytest.fixture
def api() -> Iterator[str]:
    """The address of the provider."""
    with ThreadingHTTPServer(("127.0.0.1", 0), OneServer) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


def environment(folder: Path, api: str) -> dict[str, str]:
    """Return the environment of a process with a database of its own."""
    env = {"PATH": os.environ["PATH"], "HOME": str(folder), "REPORT": str(folder / "modules")}
    return env | {
        "VPSOPS_DATABASE_URL": f"sqlite:///{folder}/db.sqlite3",
        "WAYSCLOUD_API_URL": api,
        "WAYSCLOUD_API_KEY": KEY,
    }


def modules_after(folder: Path, api: str, *calls: dict[str, object]) -> frozenset[str]:
    """Return the names of the modules that a process has at its end, which was sent these calls."""
    opening = [
        {"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": HELLO},
        {"jsonrpc": "2.0", "method": "notifications/initialized"},
    ]
    sent = [
        *opening,
        *({"jsonrpc": "2.0", "id": n, "method": "tools/call", "params": call} for n, call in enumerate(calls, 2)),
    ]
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM],
        input="".join(json.dumps(message) + "\n" for message in sent),
        env=environment(folder, api),
        capture_output=True,
        text=True,
        timeout=PATIENCE_SECONDS,
        check=False,
    )
    answers = [json.loads(line) for line in done.stdout.splitlines()]
    assert [answer["id"] for answer in answers] == [1, *range(2, 2 + len(calls))], done.stderr[-500:]
    assert not any(answer["result"].get("isError") for answer in answers)
    return frozenset((folder / "modules").read_text().split())


@pytest.mark.slow
@pytest.mark.real_time
@pytest.mark.parametrize(
    "call", [{"name": "vps_list", "arguments": {}}, {"name": "vps_get", "arguments": {"server": "web01"}}]
)
def test_a_first_read_imports_nothing_of_other_transports(tmp_path: Path, api: str, call: dict[str, object]) -> None:
    """The first start makes the database; the second one is what every further start is."""
    modules_after(tmp_path, api, call)
    modules = modules_after(tmp_path, api, call)
    assert "mcp.server.lowlevel.server" in modules  # the SDK answers, not the front
    assert modules & NOT_FOR_A_READ == set()
    assert len(modules) <= MOST_MODULES, len(modules)


def list_over_http(address: str) -> str:
    """Return the answer to one stateless call."""
    prefix = "io.modelcontextprotocol/"
    claims = {"protocolVersion": "2026-07-28", "clientInfo": HELLO["clientInfo"], "clientCapabilities": {}}
    meta = {f"{prefix}{name}": claim for name, claim in claims.items()}
    call = {"name": "vps_list", "arguments": {}, "_meta": meta}
    headers = {"MCP-Protocol-Version": "2026-07-28", "Mcp-Method": "tools/call", "Mcp-Name": "vps_list"}
    return httpx.post(
        address,
        json={"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": call},
        headers={**headers, "Accept": "application/json, text/event-stream"},
        timeout=PATIENCE_SECONDS,
    ).text


@pytest.mark.slow
@pytest.mark.real_time
def test_a_server_over_http_reads_without_what_changes_need(tmp_path: Path, api: str) -> None:
    """It serves its first answer without a database engine; a handshake and a call later it is still so."""
    modules_after(tmp_path, api, {"name": "vps_list", "arguments": {}})  # makes the database
    words = [sys.executable, "-c", PROGRAM, "--http", "127.0.0.1:0"]
    with subprocess.Popen(words, env=environment(tmp_path, api), stdout=subprocess.PIPE, text=True) as server:
        try:
            assert server.stdout is not None
            address = server.stdout.readline().removeprefix("mcp: ").strip()
            assert "web01" in list_over_http(address)
        finally:
            server.terminate()
            assert server.wait(PATIENCE_SECONDS) == 0
    modules = frozenset((tmp_path / "modules").read_text().split())
    assert "starlette" in modules
    assert modules & FOR_CHANGES == set()


@pytest.mark.slow
@pytest.mark.real_time
def test_the_front_alone_imports_the_standard_library(tmp_path: Path, api: str) -> None:
    """A host that asks for nothing but the handshake starts no SDK."""
    assert not {name for name in modules_after(tmp_path, api) if name.startswith(("mcp", "pydantic", "anyio"))}


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """A package with an initialiser that can be seen to run, as the SDK's are."""
    folder = tmp_path / "lean_sample"
    (folder / "inner").mkdir(parents=True)
    (folder / "__init__.py").write_text("from lean_sample.heavy import WEIGHT\nNAME = 'whole'\n")
    (folder / "heavy.py").write_text("WEIGHT = 5\n")
    (folder / "light.py").write_text("WEIGHT = 1\n")
    (folder / "inner" / "__init__.py").write_text("")
    monkeypatch.syspath_prepend(str(tmp_path))
    yield "lean_sample"
    for name in [name for name in sys.modules if name.split(".")[0] == "lean_sample"]:
        del sys.modules[name]


def test_a_package_is_entered_without_its_initialiser(package: str) -> None:
    lean_imports.enter_package(package)
    light = __import__(f"{package}.light", fromlist=["WEIGHT"])
    assert light.WEIGHT == 1
    assert f"{package}.heavy" not in sys.modules


def test_a_name_of_the_package_executes_its_initialiser_once(package: str) -> None:
    lean_imports.enter_package(package)
    entered = sys.modules[package]
    assert __import__(package, fromlist=["NAME"]).NAME == "whole"
    assert f"{package}.heavy" in sys.modules
    assert sys.modules[package] is entered
    with pytest.raises(AttributeError):
        _ = entered.absent


def test_a_name_that_the_package_lacks_is_missing_as_ever(package: str) -> None:
    lean_imports.enter_package(package)
    with pytest.raises(ImportError):
        __import__(f"{package}.absent")
    with pytest.raises(AttributeError):
        _ = sys.modules[package].absent


def test_a_module_gets_the_names_alone_of_what_it_does_not_use(package: str) -> None:
    """They stand in annotations; used they raise; and who imports the module itself afterwards gets it whole."""
    folder = Path(__import__(package).__path__[0])
    (folder / "user.py").write_text(
        f"from {package}.heavy import WEIGHT\nfrom {package}.light import WEIGHT as LIGHT\n"
    )
    del sys.modules[f"{package}.heavy"]
    lean_imports.import_without(f"{package}.user", [f"{package}.heavy"])
    user = __import__(f"{package}.user", fromlist=["WEIGHT"])
    assert user.LIGHT == 1
    with pytest.raises(RuntimeError, match=r"lean_sample.heavy.WEIGHT is for HTTP"):
        user.WEIGHT()
    assert __import__(f"{package}.heavy", fromlist=["WEIGHT"]).WEIGHT == 5


def test_a_module_that_is_loaded_is_given_as_it_is(package: str) -> None:
    heavy = __import__(f"{package}.heavy", fromlist=["WEIGHT"])
    (Path(__import__(package).__path__[0]) / "user.py").write_text(f"from {package}.heavy import WEIGHT\n")
    lean_imports.import_without(f"{package}.user", [f"{package}.heavy"])
    assert __import__(f"{package}.user", fromlist=["WEIGHT"]).WEIGHT == 5
    assert sys.modules[f"{package}.heavy"] is heavy


def test_a_module_that_breaks_leaves_no_stand_ins(package: str) -> None:
    (Path(__import__(package).__path__[0]) / "user.py").write_text("raise LookupError\n")
    del sys.modules[f"{package}.heavy"]
    with pytest.raises(LookupError):
        lean_imports.import_without(f"{package}.user", [f"{package}.heavy"])
    assert f"{package}.heavy" not in sys.modules


def test_what_was_imported_already_and_what_is_no_package_stay(package: str) -> None:
    whole = __import__(package)
    lean_imports.enter_package(package)
    assert sys.modules[package] is whole
    lean_imports.enter_package(f"{package}.light")
    assert f"{package}.light" not in sys.modules


ADAPTED = """
from pydantic import BaseModel, TypeAdapter
class Left(BaseModel):
    left: int
class Right(BaseModel):
    right: int
EITHER: TypeAdapter[Left | Right] = TypeAdapter[Left | Right](Left | Right)
"""


def test_an_adapter_of_a_union_is_built_when_it_is_first_used(package: str) -> None:
    """It is pydantic's own, and adapters that are made afterwards are built at once as ever."""
    (Path(__import__(package).__path__[0]) / "user.py").write_text(ADAPTED)
    lean_imports.import_deferred(f"{package}.user")
    user = __import__(f"{package}.user", fromlist=["EITHER"])
    assert isinstance(user.EITHER, type(AT_ONCE))
    assert not user.EITHER.pydantic_complete
    assert user.EITHER.validate_python({"right": 1}) == user.Right(right=1)
    with pytest.raises(ValidationError):
        user.EITHER.validate_python({"neither": 1})
    assert pydantic.TypeAdapter is type(AT_ONCE)
    assert pydantic.TypeAdapter(int | str).pydantic_complete


def test_a_module_that_breaks_leaves_pydantics_adapters_as_they_were(package: str) -> None:
    (Path(__import__(package).__path__[0]) / "user.py").write_text("raise LookupError\n")
    with pytest.raises(LookupError):
        lean_imports.import_deferred(f"{package}.user")
    assert pydantic.TypeAdapter is type(AT_ONCE)
