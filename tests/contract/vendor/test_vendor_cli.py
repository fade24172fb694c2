"""The vendor's released command line against the simulator: every command that our description of the API knows."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from functools import partial
from pathlib import Path

import httpx
import pytest
import typer
from typer.testing import CliRunner
from wayscloud import WaysCloudClient
from wayscloud_cli import sdk
from wayscloud_cli.__main__ import app

from tests.contract.vendor.simulator import DB, HOUR, KEY, WEB, effects, served
from tests.harness.patience import PATIENCE_SECONDS
from vpsops.playground.wayscloud.account.account import World
from vpsops.playground.wayscloud.serve import SimulatorHandle

pytestmark = [pytest.mark.slow, pytest.mark.real_time]  # the command line reads the machine's clock


@pytest.fixture(scope="module")
def service() -> Iterator[SimulatorHandle]:
    with served() as handle:
        yield handle


class Cloud:
    """The command line in this process."""

    def __init__(self, world: World) -> None:
        self.world = world
        self._runner = CliRunner(env={"COLUMNS": "200"})

    def __call__(self, words: str) -> str:
        """Return what `cloud vps WORDS` prints; it must succeed."""
        result = self._runner.invoke(app, ["--no-color", "vps", *words.split()])
        assert result.exit_code == 0, (words, result.output)
        text: str = result.output
        return text

    def json(self, words: str) -> dict[str, str]:
        """Return what `cloud --json vps WORDS` prints."""
        result = self._runner.invoke(app, ["--json", "vps", *words.split()])
        assert result.exit_code == 0, (words, result.output)
        value: dict[str, str] = json.loads(result.output)
        return value

    def code(self, words: str) -> int:
        """Return the exit code of a command that fails."""
        return int(self._runner.invoke(app, ["vps", *words.split()]).exit_code)

    def settle(self) -> None:
        """Let everything under way end."""
        self.world.time.advance(HOUR)


@pytest.fixture
def cloud(service: SimulatorHandle, monkeypatch: pytest.MonkeyPatch) -> Iterator[Cloud]:
    service.simulator.reset()
    monkeypatch.setattr(sdk, "API_BASE", service.url)
    monkeypatch.setenv("WAYSCLOUD_TOKEN", KEY)
    # Loading certificates for each command would take longer than the command.
    monkeypatch.setattr(httpx, "Client", partial(httpx.Client, verify=False))
    with ExitStack() as clients:  # the command line leaves closing them to the end of its process

        def client(**options: str) -> WaysCloudClient:
            return clients.enter_context(WaysCloudClient(**options))

        monkeypatch.setattr(sdk, "WaysCloudClient", client)
        yield Cloud(service.simulator.world)


READS = [
    ("list", ["web01.example.com", "active", "185.35.202.45", "vps-4gb-2cpu", "oslo", "yes"]),
    ("list --status active --region oslo", ["web01.example.com", "db01.example.com"]),
    ("list --status running", ["web01.example.com"]),
    (f"info {WEB}", ["Status: active", "Power: on", "IPv4: 185.35.202.45", "IPv6: 2a01:", "Region: oslo", "qcow2"]),
    (f"status {WEB}", ["Power: on", "CPU %: ", "Memory Total (MB): 4096", "Disk Total (GB): 80"]),
    ("plans", ["vps-8gb-4cpu", "8GB", "160GB", "399.0 NOK"]),
    ("os-templates", ["ubuntu-24.04", "Debian 12", "windows"]),
    ("regions", ["oslo", "Frankfurt, Germany"]),
    (f"snapshots list {WEB}", ["No snapshots."]),
    (f"backups list {WEB}", ["No backups."]),
    (f"backups usage {WEB}", ["Backups: 0"]),
    (f"backups policy get {WEB}", ["No backup policy configured."]),
    (f"firewall {WEB}", ["No firewall rules."]),
]
WRITES = {
    "create",
    "start",
    "stop",
    "reboot",
    "delete",
    "update",
    "upgrade",
    "snapshots create",
    "snapshots delete",
    "snapshots rollback",
    "backups create",
    "backups delete",
    "backups restore",
    "backups policy set",
    "backups policy remove",
    "firewall-add",
    "firewall-remove",
}


def commands(group: typer.Typer, prefix: str = "") -> set[str]:
    """Return every command below a group."""
    below = {f"{prefix}{command.name}" for command in group.registered_commands}
    for each in group.registered_groups:
        assert each.typer_instance is not None
        below |= commands(each.typer_instance, f"{prefix}{each.name} ")
    return below


def test_every_command_is_tested() -> None:
    """A new release of the command line with a new command fails here."""
    vps = next(each for each in app.registered_groups if each.name == "vps")
    assert vps.typer_instance is not None
    tested = {words.split(" --")[0].split(f" {WEB}")[0] for words, _ in READS} | WRITES
    assert commands(vps.typer_instance) == tested


@pytest.mark.requirement("vendor-clients")
@pytest.mark.parametrize(("words", "view"), READS)
def test_every_read_shows_what_it_is_about(cloud: Cloud, words: str, view: list[str]) -> None:
    """No column that the command line prints is empty, and nothing takes effect."""
    text = cloud(words)
    assert [each for each in view if each not in text] == []
    assert effects(cloud.world) == {}


@pytest.mark.requirement("vendor-clients")
def test_every_write_takes_effect_once(cloud: Cloud) -> None:
    """A server and its snapshots, in the words that people type."""
    order = "--hostname new.example.com --plan vps-4gb-2cpu --region oslo --os ubuntu-24.04"
    made = cloud.json(f"create {order}")["id"]
    cloud.settle()
    assert "VPS is stopping" in cloud(f"stop {made}")
    cloud.settle()
    assert "Snapshot created: s1 (status: creating)" in cloud(f"snapshots create {made} --name s1")
    cloud.settle()
    assert "Rollback complete" in cloud(f"snapshots rollback {made} --name s1 --confirm")
    assert "deleted" in cloud(f"snapshots delete {made} --name s1 --confirm")
    assert "VPS is starting" in cloud(f"start {made}")
    cloud.settle()
    assert "VPS is rebooting" in cloud(f"reboot {made}")
    cloud.settle()
    assert "updated" in cloud(f"update {made} --display-name New")
    assert "upgrading to vps-8gb-4cpu" in cloud(f"upgrade {made} --plan vps-8gb-4cpu --confirm")
    assert "deleted" in cloud(f"delete {made} --confirm")
    assert cloud.code(f"info {made}") != 0
    changed = ("update", "upgrade", "delete")
    operations = (
        *changed,
        "create",
        "stop",
        "create_snapshot",
        "rollback_snapshot",
        "delete_snapshot",
        "start",
        "reboot",
    )
    assert effects(cloud.world) == dict.fromkeys(operations, 1)


@pytest.mark.requirement("vendor-clients")
def test_every_write_about_backups_takes_effect_once(cloud: Cloud) -> None:
    """Backups and their policy; a restore is not available, as the command line notes."""
    backup = cloud.json(f"backups create {DB}")["backup_id"]
    cloud.settle()
    assert "completed" in cloud(f"backups list {DB}")
    assert cloud.code(f"backups restore {DB} --backup-id {backup} --confirm") == 3
    assert "Next backup: 20" in cloud(f"backups policy set {DB} --frequency weekly --day 0")
    assert "Frequency: weekly" in cloud(f"backups policy get {DB}")
    assert "Backup deleted" in cloud(f"backups delete {DB} --backup-id {backup} --confirm")
    assert "emoved" in cloud(f"backups policy remove {DB} --confirm")
    wanted = ("create_backup", "set_backup_policy", "delete_backup", "delete_backup_policy")
    assert effects(cloud.world) == dict.fromkeys(wanted, 1)


@pytest.mark.requirement("vendor-clients")
def test_every_write_about_the_firewall_takes_effect_once(cloud: Cloud) -> None:
    """The list shows a rule in its four columns; an id there is cut off, so it is taken from the JSON."""
    rule = cloud.json(f"firewall-add {DB} --port 5432 --source 192.0.2.0/24")["id"]
    text = cloud(f"firewall {DB}")
    assert [word for word in (rule[:12], "5432", "tcp", "192.0.2.0/24") if word not in text] == []
    assert "removed" in cloud(f"firewall-remove {DB} --rule-id {rule}")
    assert "No firewall rules." in cloud(f"firewall {DB}")
    assert effects(cloud.world) == {"add_firewall_rule": 1, "remove_firewall_rule": 1}


def test_the_program_itself_reaches_the_simulator(service: SimulatorHandle, tmp_path: Path) -> None:
    """As installed, with the address and the token from the environment."""
    environ = {
        "PATH": os.environ["PATH"],
        "HOME": str(tmp_path),
        "WAYSCLOUD_API_URL": service.url,
        "WAYSCLOUD_TOKEN": KEY,
    }
    command = [str(Path(sys.executable).parent / "cloud"), "vps", "list"]
    done = subprocess.run(command, env=environ, capture_output=True, text=True, check=False, timeout=PATIENCE_SECONDS)
    assert (done.returncode, "web01" in done.stdout) == (0, True), done.stderr
