"""What has to come first is named as the command for it, a change of its own."""

import re
from pathlib import Path

import pytest

from tests.unit.cli.operations.terminal import FakeTerminal
from vpsops.cli.operations.question import remedy_text
from vpsops.core.common.errors import PreconditionError, Remedy
from vpsops.core.config.settings import load_settings
from vpsops.core.console.exit_codes import REFUSED, exit_code
from vpsops.playground.wayscloud.serve import SimulatorHandle


@pytest.fixture
def terminal(provider: SimulatorHandle, tmp_path: Path) -> FakeTerminal:
    values = {
        "WAYSCLOUD_API_KEY": "wayscloud_vps_test1_SECRET",
        "WAYSCLOUD_API_URL": provider.url,
        "VPSOPS_DATABASE_URL": f"sqlite:///{tmp_path / 'vpsops.db'}",
        "VPSOPS_ACTOR": "ann@example.com",
    }
    return FakeTerminal(load_settings(values), ("y",) * 20)


async def test_a_rollback_of_a_running_server_names_the_stop(terminal: FakeTerminal) -> None:
    """Nothing is stopped by it."""
    assert await terminal.run("snapshot", "web01", "before") == 0
    with pytest.raises(PreconditionError) as refused:
        await terminal.run("rollback", "web01", "before", "--confirm", "web01.example.com before")
    assert str(refused.value).endswith("then ask again. To do it: vpsops stop web01.example.com")
    assert exit_code(refused.value) == REFUSED


async def test_a_program_reads_that_the_request_was_refused(terminal: FakeTerminal) -> None:
    """The words are right and nothing was done: no wrong usage."""
    assert await terminal.run("snapshot", "web01", "before") == 0
    with pytest.raises(PreconditionError):
        await terminal.run("rollback", "web01", "before", "--confirm", "web01.example.com before", "--json")
    assert (terminal.document["outcome"], terminal.document["exit_code"]) == ("refused", REFUSED)


async def test_an_eleventh_snapshot_names_the_deletion_of_the_oldest(terminal: FakeTerminal) -> None:
    """By its name."""
    for number in range(10):
        assert await terminal.run("snapshot", "web01", f"s{number}") == 0
    with pytest.raises(PreconditionError) as refused:
        await terminal.run("snapshot", "web01", "s10")
    words = re.search(
        r"the oldest is (s\d)\. To do it: vpsops snapshot-delete web01\.example\.com (s\d)$", str(refused.value)
    )
    assert words is not None
    assert words[1] == words[2]


def test_a_command_is_quoted_for_a_shell() -> None:
    """Names are from outside; an operation of a newer version is named as it is stored."""
    remedy = Remedy("snapshot_delete", {"server": "1", "snapshot": "a; rm\n-rf"}, "web 01")
    assert remedy_text(remedy) == "To do it: vpsops snapshot-delete 'web 01' 'a; rm -rf'"
    assert remedy_text(Remedy("defrost", {}, "web01")) == "To do it: vpsops defrost web01"
