"""The acts of a running service: another key and a stricter policy without a restart; backup and restore."""

from typing import Final

import httpx

from tests.harness.patience import eventually
from tests.packaging.evening.installation import BACKUP_LINE, STRICT, TRAIL_LINE
from tests.packaging.evening.outside import APPROVALS, NEW_KEY, OLD_KEY, PROVIDER
from tests.packaging.evening.pages import Block
from tests.packaging.evening.session import Evening

KEY: Final = Block("docs/service.md", "Another key, another policy", 0)
POLICY: Final = Block("docs/service.md", "Another key, another policy", 1)
BACKUP: Final = Block("docs/service.md", "Back up and restore")
UNITS: Final = ("vpsops.service", "vpsops-worker.service")


async def rotate_key(evening: Evening) -> None:
    """Give the service another key of the provider, and take the old one back there."""
    evening.begin_act("Another key", KEY)
    before, reloads = evening.process_ids(), [evening.journal(unit).count('"config_reloaded"') for unit in UNITS]
    evening.play(KEY.commands, NEW_KEY)
    for unit, times in zip(UNITS, reloads, strict=True):
        await evening.wait_for_log(unit, '"config_reloaded"', times + 1)
    evening.outside.restart_provider(NEW_KEY)
    evening.transcript.add_remark("The provider refuses the old key from now on.")
    headers = {"X-API-Key": OLD_KEY}
    assert httpx.get(f"{PROVIDER}/v1/vps", headers=headers, trust_env=False).status_code == 401  # noqa: ASYNC210
    since = evening.outside.requests_total()
    evening.outside.type_command("list")
    await eventually(lambda: evening.outside.requests_total() > since)
    assert set(evening.outside.statuses(since)) == {200}
    assert evening.process_ids() == before
    evening.transcript.add_check("the provider answers the service, which runs on, and gives 401 to the old key.")


async def tighten_policy(evening: Evening) -> None:
    """Put a stricter policy in force, and see that the next request is held by it."""
    evening.begin_act("A stricter policy", POLICY)
    before = evening.process_ids()
    evening.run("install -m 0640 -g vpsops /dev/stdin /etc/vpsops/vpsops.toml", stdin=STRICT)
    evening.play(
        POLICY.commands,
        shows={
            "vpsops-admin policy diff": ["rule people: .*U0BOB"],
            "vpsops-admin policy apply": [r"^In force: pol_\w+, number 2"],
        },
        codes={"vpsops-admin policy diff": 1},
    )
    outside = evening.outside
    sent = outside.effects("reboot")
    outside.type_command("reboot web01 because once more")
    card = await outside.message_with(APPROVALS, "U0BOB", "once more", "vps:approve")
    assert outside.effects("reboot") == sent
    evening.transcript.add_remark("Alice asks for a reboot once more: it waits for Bob, who approves it.")
    outside.order("click", user="U0BOB", channel=APPROVALS, ts=card["ts"], action_id="vps:approve")
    await eventually(lambda: outside.effects("reboot") == sent + 1)
    outside.pass_time(300)
    await outside.message_with(APPROVALS, "U0BOB", "once more", "done")
    assert evening.process_ids() == before
    evening.transcript.add_check("one reboot was sent, after Bob's click, and both services run on without a restart.")


async def back_up_and_restore(evening: Evening) -> None:
    """Take a backup, change something, and go back."""
    evening.begin_act("Back up and restore", BACKUP)
    outside = evening.outside
    make, write, stop, restore, start, verify = BACKUP.commands
    outside.type_command("reboot web01 because held in it")
    await outside.message_with(APPROVALS, "U0BOB", "held in it", "vps:approve")
    evening.play([make, write], shows={"vpsops-admin backup": [BACKUP_LINE]})
    outside.type_command("stop db01 because after the backup")
    await outside.message_with(APPROVALS, "U0BOB", "after the backup", "vps:approve")
    evening.transcript.add_remark("One change is held in the backup, another one is asked for after it.")
    evening.play([stop])
    _restore_at_terminal(evening, restore)
    evening.play([start, verify], shows={"vpsops-admin audit verify": [TRAIL_LINE]})
    listed = evening.run("vpsops-admin changes", shows=[r"superseded +reboot +\S+"])
    assert "db01" not in listed, listed
    assert outside.effects("stop") == 0
    evening.transcript.add_check("the trail is whole, the held change is superseded, and the later one is not known.")


def _restore_at_terminal(evening: Evening, command: str) -> None:
    screen = evening.machine.at_terminal(command)
    screen.wait_for("type the number of its last record, ")
    screen.wait_for(": ")
    number = screen.text.rpartition("type the number of its last record, ")[2].partition(":")[0]
    screen.type(f"{number}\n")
    code = screen.end()
    assert code == 0, screen.text
    assert "Restored; record" in screen.text, screen.text
    evening.transcript.add_command(command, screen.text, ["Restored; the number of the last record was typed."])
