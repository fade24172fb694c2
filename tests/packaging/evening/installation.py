"""The acts around an installation: install, upgrade from an earlier version, take away."""

from typing import Final

from tests.harness.patience import eventually
from tests.packaging.evening.ingredients import Edition
from tests.packaging.evening.outside import APPROVALS, NEW_KEY, OLD_KEY
from tests.packaging.evening.pages import Block
from tests.packaging.evening.session import Evening

TEN_MINUTES: Final = "In ten minutes"
WHEEL: Final = Block("docs/service.md", TEN_MINUTES, 0)
UNITS: Final = Block("docs/service.md", TEN_MINUTES, 1)
DROP_INS: Final = Block("docs/service.md", "Drop-ins")
WORKER: Final = Block("docs/service.md", "A worker beside it")
ADMIN: Final = Block("docs/service.md", "Commands as the service")
TAKE_AWAY: Final = Block("docs/service.md", "Take it away")
UPGRADE: Final = Block("docs/upgrade.md", "A service of systemd, from a wheel")
LONG_UP: Final = 86_400
"""Seconds that the server is up before a reboot, which is noticed by a shorter uptime than before."""
BOT_TOKEN: Final = "xoxb-simulated-bot-token"
SIGNING_SECRET: Final = "simulated-signing-secret"
SETTINGS: Final = """[settings]
WAYSCLOUD_API_URL = "http://127.0.0.1:8440"
WAYSCLOUD_API_KEY_FILE = "/etc/vpsops/key"
SLACK_API_URL = "http://127.0.0.1:8441/api/"
VPSOPS_APPROVAL_CHANNEL = "C0APPROVALS"
VPSOPS_CHANNEL = "C0OPS"

[mcp.socket.users]
ann = "alice@acme.example"

[[rule]]
id = "reads"
risk = "read"
decision = "allow"

[[rule]]
id = "people"
actor = "person"
risk = ["change", "disruptive"]
"""
MILD: Final = f'{SETTINGS}decision = "confirm"\n'
STRICT: Final = f'{SETTINGS}decision = "approve"\napprovers = {{ people = ["U0BOB"] }}\n'
PROVIDER_LINE: Final = "^ok +provider +http://127.0.0.1:8440 answers, the key is accepted"
BACKUP_LINE: Final = r"^The audit trail in it is whole up to record \d+"
TRAIL_LINE: Final = r"^The trail is whole up to record \d+"
WITH_TRACES: Final = {"run.txt": "otel.txt"}
WITHOUT_TRACES: Final = {"slack-http key-file traces": "slack-http key-file"}
KEPT: Final = ("root/", "backup/", "etc/prometheus/", "var/lib/prometheus/")
"""What the engineer brought and keeps; the pages say so."""


async def install(evening: Evening) -> None:
    """Install from the wheel, with Slack over HTTP, the key in a file, traces, and a worker."""
    evening.begin_act("Install", WHEEL, UNITS, DROP_INS, WORKER, ADMIN)
    evening.run("useradd --create-home ann")
    evening.play(WHEEL.commands, replace=WITH_TRACES)
    evening.play(UNITS.commands, OLD_KEY, MILD)
    evening.play(DROP_INS.commands, BOT_TOKEN, SIGNING_SECRET, OLD_KEY)
    evening.play(WORKER.commands)
    evening.play(ADMIN.commands, shows={"vpsops-admin doctor": [PROVIDER_LINE, "^ok +processes +2 alive"]})
    evening.run(
        "systemctl is-active vpsops.socket vpsops.service vpsops-worker.service", shows=["^active\nactive\nactive$"]
    )
    evening.run("/opt/vpsops/bin/vpsops health http://127.0.0.1:3000/readyz", shows=["^ready"])
    evening.transcript.add_check("systemd calls the socket and both services active, and the service is ready.")


async def take_away(evening: Evening, before: set[str]) -> None:
    """Uninstall, and compare the disk with what was there before the installation."""
    evening.begin_act("Take it away", TAKE_AWAY)
    evening.play(TAKE_AWAY.commands)
    added = evening.machine.files() - before
    left = sorted(path for path in added if "vpsops" in path and not path.startswith(KEPT))
    assert left == []
    accounts = evening.machine.run("cat /etc/passwd /etc/group").text
    assert "vpsops" not in accounts
    units = evening.machine.run("systemctl list-units --all --no-legend 'vpsops*'").text
    assert units.strip() == ""
    evening.transcript.add_check("no file, unit, user or group of vpsops is left.")


async def upgrade(evening: Evening, earlier: Edition, current: Edition, folders: tuple[str, str]) -> None:
    """Install an earlier edition, ask for a change, upgrade, and have it decided by the new one."""
    evening.begin_act("Upgrade", UPGRADE)
    evening.transcript.add_remark("On the machine, clean again, an earlier edition is installed by the same commands.")
    evening.transcript.full.append(f"-- the earlier edition is {earlier.says}")
    evening.folder = folders[0]
    _install_earlier(evening, folders)
    outside = evening.outside
    outside.pass_time(LONG_UP)
    outside.type_command("reboot web01 because before the upgrade")
    card = await outside.message_with(APPROVALS, "U0BOB", "before the upgrade", "vps:approve")
    evening.transcript.add_remark("Alice asks for a reboot, which waits for Bob.")
    evening.folder = folders[1]
    evening.play(ADMIN.commands[:1])
    evening.play(UPGRADE.commands, shows={"vpsops-admin backup": [BACKUP_LINE]})
    evening.play(["vpsops-admin audit verify"], shows={"vpsops-admin": [TRAIL_LINE]})
    sent = outside.effects("reboot")
    outside.order("click", user="U0BOB", channel=APPROVALS, ts=card["ts"], action_id="vps:approve")
    await eventually(lambda: outside.effects("reboot") == sent + 1)
    outside.pass_time(300)
    await outside.message_with(APPROVALS, "U0BOB", "before the upgrade", "done")
    evening.transcript.add_remark("Bob approves it, after the upgrade.")
    evening.run("vpsops-admin backup /backup/after-upgrade.backup", shows=[BACKUP_LINE])
    after = evening.machine.run("vpsops-admin restore /backup/after-upgrade.backup --check").text
    assert f"schema {int(current.schema[1:]):04}" in after, after
    evening.transcript.add_check(
        "the change that was held by the earlier edition was done once by this one, and the trail is whole."
    )


def _install_earlier(evening: Evening, folders: tuple[str, str]) -> None:
    evening.play(WHEEL.commands)
    evening.play(UNITS.commands, NEW_KEY, STRICT)
    evening.folder = folders[1]  # drop-ins are the engineer's own files
    evening.play(DROP_INS.commands, BOT_TOKEN, SIGNING_SECRET, NEW_KEY, replace=WITHOUT_TRACES)
    evening.folder = folders[0]
