"""A package that is replaced under a process: what it has loaded goes on, and no part of another version joins it."""

from pathlib import Path

import pytest

from tests.fakes.accounts import EVERYBODY
from tests.fakes.timing import QUICK
from tests.harness.virtual_time import VirtualClock
from tests.unit.core.conftest import provider
from vpsops.core.app import open_core, runtime
from vpsops.core.app.installed_release import UpgradedError, check_release, installed_release
from vpsops.core.changes.requests import Done, Request
from vpsops.core.changes.scope import OPERATOR
from vpsops.core.config.settings import load_settings
from vpsops.core.identity.actors import Actor, ActorKind, Origin
from vpsops.playground.wayscloud.serve import SimulatorHandle

__all__ = ["provider"]
ALICE = Actor(ActorKind.PERSON, "U1", "alice", "U1")


def test_the_release_is_its_version_and_its_commit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A build of another commit is another release of the same version; a checkout has no commit."""
    checkout = installed_release()
    commit = tmp_path / "build_commit.txt"
    monkeypatch.setattr("vpsops.core.app.installed_release.COMMIT", commit)
    commit.write_text("0123456789abcdef\n", encoding="ascii")
    assert installed_release() == f"{checkout} (0123456789ab)"
    check_release(f"{checkout} (0123456789ab)")
    with pytest.raises(UpgradedError, match="was replaced on this machine") as caught:
        check_release(checkout)
    assert "Restart this process" in caught.value.hint


@pytest.mark.requirement("upgraded-under-a-reader")
async def test_a_process_that_only_reads_begins_no_change_with_another_release(
    provider: SimulatorHandle, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its reads continue; what would load the rest of the package is refused, until a restart."""
    settings = load_settings(
        {
            "WAYSCLOUD_API_KEY": "wayscloud_vps_test1_SECRET",
            "WAYSCLOUD_API_URL": provider.url,
            "VPSOPS_DATABASE_URL": database_url,
        }
    )
    monkeypatch.setattr(runtime, "installed_release", lambda: "0.0.1")
    async with open_core(settings, front="mcp", timing=QUICK, clock=VirtualClock(), accounts=EVERYBODY) as core:
        for _ in range(2):
            with pytest.raises(UpgradedError, match=r"0\.0\.1 runs here"):
                _ = core.gate
        listed = await core.servers.read(Request("list", {}, ALICE, Origin("mcp")), scope=OPERATOR)
        assert isinstance(listed, Done)
