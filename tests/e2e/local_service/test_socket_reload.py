"""Another table of users under one pipe, by SIGHUP, as processes: a broken file, an open question, and back again."""

import json
import signal

import pytest
from anyio import from_thread

from tests.e2e.local_service.pipe_process import (
    ANN_UID,
    BOB_UID,
    CONFIG,
    PipeProcess,
    ServiceFolder,
    call,
    in_thread,
    interpreter_for,
    needs_root,
    yes,
)
from tests.harness.patience import eventually
from vpsops.playground.wayscloud.serve import SimulatorHandle

pytestmark = [pytest.mark.slow, pytest.mark.real_time]


@needs_root
@pytest.mark.requirement("socket-reload")
async def test_a_user_who_is_taken_out_and_put_in_again_is_served_by_the_same_pipe(
    provider: SimulatorHandle, folder: ServiceFolder
) -> None:
    """With a handshake: a file that cannot be read alters nothing, an open question ends, and the session continues."""
    if interpreter_for(ANN_UID) is None:
        pytest.skip("no Python that another user may run")
    await in_thread(lambda: play_taken_out(folder))
    assert dict(provider.simulator.world.counts) == {"reboot": 1}


def play_taken_out(folder: ServiceFolder) -> None:
    """Ann is taken out while a question is open, and put in again."""
    toml, log = folder.state / "vpsops.toml", folder.base / "service.log"
    with folder.serving() as service, PipeProcess({"VPSOPS_SOCKET": folder.socket}, uid=ANN_UID) as ann:

        def reload(written: str, event: str) -> None:
            read = log.stat().st_size
            toml.write_text(written)
            service.send_signal(signal.SIGHUP)
            from_thread.run(eventually, lambda: event in log.read_bytes()[read:].decode())

        ann.hello()
        reload("[mcp.socket.users", "config_reload_refused")
        assert "web01" in json.dumps(ann.ask(call("vps_list", 2)))
        ann.send(call("vps_reboot", 3, server="web01"))
        question = ann.until(method="elicitation/create")
        reload(CONFIG.replace(f"{ANN_UID} =", f"{BOB_UID} ="), "mcp_socket_cut")
        ended = ann.until(id=3)["error"]
        assert ended["data"]["change"].startswith("chg_")
        assert ann.until(method="notifications/cancelled")["params"]["requestId"] == question["id"]
        ann.send(yes(question))
        assert f"(id {ANN_UID})" in ann.ask(call("vps_list", 4))["error"]["message"]
        reload(CONFIG, "mcp_socket_cut")
        assert "web01" in json.dumps(ann.ask(call("vps_list", 5)))
        ann.send(call("vps_reboot", 6, server="web01"))
        ann.send(yes(ann.until(method="elicitation/create")))
        assert "succeeded" in json.dumps(ann.until(id=6))
        assert ann.end() == 0
