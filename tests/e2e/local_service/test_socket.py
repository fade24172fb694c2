"""A service on a Unix socket and assistants of other users, as processes: identity, files, restarts."""

import json
import os
import signal
import socket
import subprocess
import tempfile
from pathlib import Path

import httpx
import pytest

from tests.e2e.local_service.pipe_process import (
    ANN_UID,
    BOB_UID,
    CONFIG,
    HELLO,
    KEY,
    READY,
    PipeProcess,
    ServiceFolder,
    as_user,
    call,
    in_thread,
    interpreter_for,
    needs_root,
    yes,
)
from tests.harness.patience import PATIENCE_SECONDS
from vpsops.core.app import open_core
from vpsops.core.changes.scope import OPERATOR
from vpsops.core.config.settings import load_settings
from vpsops.playground.wayscloud.serve import SimulatorHandle

pytestmark = [pytest.mark.slow, pytest.mark.real_time]
LIST = {"jsonrpc": "2.0", "id": 30, "method": "tools/list"}
META = {
    "io.modelcontextprotocol/protocolVersion": "2026-07-28",
    "io.modelcontextprotocol/clientInfo": {"name": "raw", "version": "1"},
    "io.modelcontextprotocol/clientCapabilities": {},
}
LISTEN = {
    "jsonrpc": "2.0",
    "id": "stream",
    "method": "subscriptions/listen",
    "params": {"_meta": META, "notifications": {"resourceSubscriptions": ["vps://servers"]}},
}
WIDER = '[[rule]]\nid = "all"\ndecision = "allow"\n'


@needs_root
@pytest.mark.requirement("socket-two-users")
async def test_an_assistant_of_another_user_is_the_person_of_its_user_id_and_reads_none_of_the_files(
    provider: SimulatorHandle, folder: ServiceFolder
) -> None:
    """Its environment claims another person, brings a key and a wider policy of its own: none of that counts."""
    if interpreter_for(ANN_UID) is None:
        pytest.skip("no Python that another user may run")
    wider = folder.base / "wider.toml"
    wider.write_text(WIDER)
    environ = {
        "VPSOPS_SOCKET": folder.socket,
        "VPSOPS_ACTOR": "slack:U0BOSS12345",
        "VPSOPS_CONFIG": str(wider),
        "WAYSCLOUD_API_KEY": "wayscloud_vps_other_SECRET",
        "VPSOPS_DATABASE_URL": "sqlite:////tmp/none.sqlite3",
    }

    await in_thread(lambda: play_two_users(folder, environ))
    assert dict(provider.simulator.world.counts) == {"reboot": 1}
    settings = load_settings({name: value for name, value in folder.environ.items() if name not in {"PATH", "HOME"}})
    async with open_core(settings, front="mcp") as core:
        actors = {change.actor.human for change in await core.changes.list(scope=OPERATOR)}
    assert actors == {"ann@example.com"}


def play_two_users(folder: ServiceFolder, environ: dict[str, str]) -> None:
    """Ann changes what the service lets her, Bob is no one, and neither gets at the files."""
    with folder.serving():
        with PipeProcess(environ, uid=ANN_UID) as ann:
            ann.hello()
            ann.send(call("vps_reboot", 2, server="web01"))
            question = ann.until(method="elicitation/create")
            assert "ann@example.com" in question["params"]["message"]
            ann.send(yes(question))
            assert "succeeded" in json.dumps(ann.until(id=2))
            assert "The service's own rule" in json.dumps(ann.ask(call("vps_stop", 3, server="web01")))
            assert KEY not in json.dumps(ann.ask(call("vps_list", 4)))
            assert ann.end() == 0
        with PipeProcess(environ, uid=BOB_UID) as bob:
            refused = bob.ask(HELLO)
            assert f"(id {BOB_UID})" in refused["error"]["message"]
        assert_kept_out(folder)
        with PipeProcess({"VPSOPS_SOCKET": folder.socket}, uid=ANN_UID) as ann:
            ann.hello()
            assert "web01" in json.dumps(ann.ask(call("vps_list", 5)))


ATTEMPTS = (
    "cat {state}/key",
    "cat {state}/vpsops.toml",
    "cat {state}/vpsops.sqlite3",
    "ls {state}",
    "echo x > {state}/key",
    "echo x >> {state}/vpsops.toml",
    "echo x >> {state}/vpsops.sqlite3",
    "cp /etc/hostname {state}/vpsops.toml",
    "mv {state} {base}/moved",
    "rm {run}/mcp.sock",
    "mv {run}/mcp.sock {run}/old.sock",
    "ln -sf /tmp/x {run}/mcp.sock",
    "rm {run}/mcp.sock.lock",
    "echo x > {run}/mcp.sock.lock",
    "touch {run}/other",
    "chmod 777 {run}/mcp.sock",
    "mv {run} {base}/gone",
    "cat /proc/{pid}/environ",
    "kill -0 {pid}",
)


def assert_kept_out(folder: ServiceFolder) -> None:
    """Try as another user to read, replace and end what is the service's; none of it works."""
    (pid,) = [
        entry.name
        for entry in Path("/proc").iterdir()
        if entry.name.isdecimal() and folder.socket.encode() in _command_of(entry)
    ]
    for attempt in ATTEMPTS:
        script = attempt.format(state=folder.state, base=folder.base, run=Path(folder.socket).parent, pid=pid)
        done = subprocess.run(["/bin/sh", "-c", script], capture_output=True, check=False, **as_user(ANN_UID))
        assert done.returncode != 0, script
        assert KEY.encode() not in done.stdout


def _command_of(entry: Path) -> bytes:
    try:
        return (entry / "cmdline").read_bytes()
    except OSError:
        return b""


@needs_root
@pytest.mark.requirement("socket-no-impostor")
async def test_an_impostor_gets_none_of_an_assistants_words() -> None:
    """A socket of another user: the host reads why, and what it sent has gone nowhere."""
    if interpreter_for(ANN_UID) is None:
        pytest.skip("no Python that another user may run")

    def play() -> None:
        with tempfile.TemporaryDirectory() as name, socket.socket(socket.AF_UNIX) as sock:
            place = Path(name) / "mcp.sock"
            Path(name).chmod(0o755)
            sock.bind(str(place))
            sock.listen()
            sock.setblocking(False)
            os.chown(place, BOB_UID, BOB_UID)
            place.chmod(0o666)
            with PipeProcess({"VPSOPS_SOCKET": str(place)}, uid=ANN_UID) as ann:
                refused = ann.ask(HELLO)
                assert f"belongs to the user {BOB_UID}" in refused["error"]["message"]
                assert ann.end() == 2
            with pytest.raises(BlockingIOError):
                sock.accept()

    await in_thread(play)


@pytest.mark.requirement("socket-restart-answers")
async def test_a_service_that_dies_costs_an_error_and_the_pipe_goes_on(
    provider: SimulatorHandle, folder: ServiceFolder
) -> None:
    """Killed while a question is open: the call is answered with its change, and nothing is sent twice."""

    def play() -> None:
        with folder.serving() as service:
            pipe = PipeProcess({"VPSOPS_SOCKET": folder.socket})
            with pipe:
                pipe.hello()
                subscribe = {"jsonrpc": "2.0", "id": 20, "method": "resources/subscribe"}
                pipe.ask({**subscribe, "params": {"uri": "vps://servers"}})
                pipe.send(call("vps_reboot", 2, server="web01"))
                question = pipe.until(method="elicitation/create")
                service.send_signal(signal.SIGKILL)
                service.wait(PATIENCE_SECONDS)
                lost = pipe.until(id=2)["error"]
                assert lost["data"]["change"] in question["params"]["message"]
                assert "do not ask for it once more" in lost["message"]
                withdrawn = pipe.until(method="notifications/cancelled")
                assert withdrawn["params"]["requestId"] == question["id"]
                with folder.serving():
                    pipe.send(LIST)
                    pipe.send(yes(question))  # a late yes to a question that has ended
                    assert "vps_list" in json.dumps(pipe.until(id=30))
                    shown = pipe.ask(call("vps_change_get", 31, change=lost["data"]["change"]))
                    assert "reboot" in json.dumps(shown["result"])
                    assert pipe.end() == 0

    await in_thread(play)
    assert dict(provider.simulator.world.counts) == {}


@pytest.mark.requirement("socket-restart-answers")
async def test_a_service_that_is_stopped_answers_itself_and_streams_go_on(
    provider: SimulatorHandle, folder: ServiceFolder
) -> None:
    """The new era: a stream stays open for its client, and hears of what may have been missed."""

    def play() -> None:
        with PipeProcess({"VPSOPS_SOCKET": folder.socket}) as pipe:
            with folder.serving():
                pipe.send(LISTEN)
                acknowledged = pipe.read()
                assert acknowledged["method"] == "notifications/subscriptions/acknowledged"
            with folder.serving():
                news = pipe.read()
                assert news["method"] == "notifications/resources/updated"
                assert news["params"]["uri"] == "vps://servers"
                get = call("vps_list", 2)
                get["params"]["_meta"] = META
                answer = pipe.ask(get)
                assert "web01" in json.dumps(answer)

    del provider
    await in_thread(lambda: _beside(folder, play))


def _beside(folder: ServiceFolder, play: object) -> None:
    """Start with a socket that nothing listens on, as between two services."""
    with socket.socket(socket.AF_UNIX) as sock:
        sock.bind(folder.socket)
    play()  # type: ignore[operator]


CAROL_READS = """
[[rule]]
id = "carol-reads"
person = ["carol@example.com"]
risk = ["change", "disruptive"]
decision = "deny"
reason = "Carol reads."
"""


def checked(pipe: PipeProcess, ident: int) -> str:
    """Return what would become of a reboot that this session asks for, or why it is not served."""
    question = call("vps_check", ident, operation="reboot", server="web01")
    question["params"]["_meta"] = {**META, "io.modelcontextprotocol/clientCapabilities": {"elicitation": {"form": {}}}}
    return json.dumps(pipe.ask(question))


@needs_root
@pytest.mark.requirement("socket-reload")
async def test_a_user_who_becomes_another_person_has_that_persons_rights_at_once(folder: ServiceFolder) -> None:
    """The users change and SIGHUP comes: the connection ends, and the pipe that connects again is the new person."""
    if interpreter_for(ANN_UID) is None:
        pytest.skip("no Python that another user may run")
    toml = folder.state / "vpsops.toml"
    toml.write_text(CONFIG + CAROL_READS)

    def play() -> None:
        with folder.serving() as service, PipeProcess({"VPSOPS_SOCKET": folder.socket}, uid=ANN_UID) as pipe:
            pipe.send(LISTEN)
            assert pipe.read()["method"] == "notifications/subscriptions/acknowledged"
            assert "ann@example.com, asked by your client" in checked(pipe, 2)
            toml.write_text((CONFIG + CAROL_READS).replace("ann@example.com", "carol@example.com"))
            service.send_signal(signal.SIGHUP)
            assert pipe.until(method="notifications/resources/updated")["params"]["uri"] == "vps://servers"
            assert "Carol reads." in checked(pipe, 3)
            toml.write_text((CONFIG + CAROL_READS).replace(f"{ANN_UID} =", f"{BOB_UID} ="))
            service.send_signal(signal.SIGHUP)
            assert pipe.until(id="stream")["error"]["message"]
            assert f"(id {ANN_UID})" in checked(pipe, 4)

    await in_thread(play)


@pytest.mark.requirement("socket-thin")
async def test_a_pipe_stays_small_and_odd_lines_are_answered(folder: ServiceFolder) -> None:
    """Long lines in both directions leave no trace in its memory."""

    def play() -> None:
        with folder.serving(), PipeProcess({"VPSOPS_SOCKET": folder.socket}) as pipe:
            pipe.hello()
            for number in range(20):
                assert "vps_list" in json.dumps(pipe.ask({**LIST, "id": 100 + number}))
            pipe.send(call("vps_get", 3, server="x" * 900_000))
            assert pipe.until(id=3)["result"]["isError"]
            pipe.send(call("vps_get", 4, server="x" * 10_000_000))
            assert "longer than" in pipe.until(id=4)["error"]["message"]
            pipe.send("not a message")
            assert pipe.until(id=None)["error"]["code"] == -32600
            assert "web01" in json.dumps(pipe.ask(call("vps_list", 5)))
            assert pipe.memory_kib() <= 12 * 1024
            assert pipe.end() == 0

    await in_thread(play)


@pytest.mark.requirement("mcp-pipes-are-answered")
async def test_a_pipe_of_one_call_gets_its_result_from_the_service(folder: ServiceFolder) -> None:
    """The input's end is not the end of the answers."""

    def play() -> None:
        with folder.serving(), PipeProcess({"VPSOPS_SOCKET": folder.socket}) as pipe:
            pipe.send(HELLO, READY, call("vps_list", 9))
            assert pipe.process.stdin is not None
            pipe.process.stdin.close()
            assert "web01" in json.dumps(pipe.until(id=9))
            assert pipe.process.wait(PATIENCE_SECONDS) == 0

    await in_thread(play)


@pytest.mark.requirement("socket-http-needs-tokens")
async def test_http_beside_a_socket_serves_no_one_who_proves_nothing(folder: ServiceFolder) -> None:
    """Every user of the machine reaches loopback: without tokens MCP is on the socket alone, and health on both."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        folder.http = f"127.0.0.1:{probe.getsockname()[1]}"

    def play() -> None:
        with folder.serving(), httpx.Client(trust_env=False, base_url=f"http://{folder.http}") as http:
            assert http.get("/livez").status_code == 200
            assert http.post("/mcp", json=HELLO).status_code == 404
            assert http.post("/mcp/", json=HELLO).status_code == 404
        tokens = folder.state / "tokens.toml"
        tokens.write_text(f'[[token]]\nsha256 = "{"0" * 64}"\nsubject = "x"\nhuman = "x@y.zz"\nscopes = ["vps:read"]\n')
        folder.environ["VPSOPS_HTTP_TOKENS_FILE"] = str(tokens)
        with folder.serving(), httpx.Client(trust_env=False, base_url=f"http://{folder.http}") as http:
            assert http.post("/mcp", json=HELLO).status_code == 401

    await in_thread(play)
