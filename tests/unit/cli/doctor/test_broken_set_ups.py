"""`vpsops doctor` ends with 0 in a set-up that works, and with another code in each that is broken in one place."""

import re
import socket
import sqlite3
from collections.abc import Awaitable, Callable
from contextlib import closing
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Final

import pytest
import sqlalchemy as sa

from tests.fakes.clock import FakeClock
from tests.fakes.policies import put_in_force
from tests.fakes.provider import refused_port
from tests.harness.virtual_time import VirtualClock
from tests.unit.cli.doctor.set_up import KEY, POLICY, SetUp, doctor_of, whole_set_up
from vpsops.core.console.exit_codes import NOT_AUTHENTICATED, OTHER, UNREACHABLE, USAGE
from vpsops.core.storage import open_database
from vpsops.core.storage.tables import PROCESSES

Break = Callable[[SetUp], Awaitable[None]]
NOWHERE: Final = "nobody@acme.example"
POINTS_AT: Final = re.compile(r"(VPSOPS|SLACK|WAYSCLOUD)_[A-Z_]+|/\S+|vpsops [a-z]+|the clock|Nothing to do")
"""What a person can go to: a variable, a file, a command, the clock."""


def setting(name: str, value: str) -> Break:
    """Set a variable; "" leaves it out."""

    async def change(made: SetUp) -> None:
        made.env.pop(name, None)
        made.env |= {name: value} if value else {}

    return change


def policy(text: str, *, slack: bool = True) -> Break:
    """Write another configuration."""

    async def change(made: SetUp) -> None:
        made.write_policy(text)
        if not slack:
            made.drop_slack()

    return change


async def nothing(_: SetUp) -> None:
    """Leave the set-up as it is; for what the simulators lack from their start."""


async def unreachable_provider(made: SetUp) -> None:
    made.env["WAYSCLOUD_API_URL"] = f"http://127.0.0.1:{await refused_port()}"


async def other_web_server(made: SetUp) -> None:
    made.env["WAYSCLOUD_API_URL"] = made.slack.base_url


async def unreachable_slack(made: SetUp) -> None:
    made.env["SLACK_API_URL"] = f"http://127.0.0.1:{await refused_port()}/api/"


async def open_key_file(made: SetUp) -> None:
    file = made.path / "key"
    file.write_text(KEY)
    file.chmod(0o644)
    del made.env["WAYSCLOUD_API_KEY"]
    made.env["WAYSCLOUD_API_KEY_FILE"] = str(file)


async def writable_policy(made: SetUp) -> None:
    made.write_policy().chmod(0o606)


async def folder_in_the_way(made: SetUp) -> None:
    made.database.mkdir()


async def text_for_a_database(made: SetUp) -> None:
    made.database.write_text("not a database\n" * 100)
    made.database.chmod(0o600)


async def newer_schema(made: SetUp) -> None:
    async with open_database(made.env["VPSOPS_DATABASE_URL"], made.clock):
        pass
    with closing(sqlite3.connect(made.database)) as connection:
        connection.execute("UPDATE alembic_version SET version_num = '9999'")
        connection.commit()


async def other_policy_in_force(made: SetUp) -> None:
    async with open_database(made.env["VPSOPS_DATABASE_URL"], made.clock) as database:
        await put_in_force(database, made.settings)
    made.write_policy(POLICY.replace('decision = "confirm"', 'decision = "allow"'))


async def process_of_another_policy(made: SetUp) -> None:
    async with open_database(made.env["VPSOPS_DATABASE_URL"], made.clock) as database:
        await put_in_force(database, made.settings)

        def work(connection: sa.Connection) -> None:
            values = {"id": "worker-1", "front": "worker", "started_at": 1.0, "beat": database.tick(connection)}
            connection.execute(
                sa.insert(PROCESSES).values(**values, policy="pol_0", policy_source="/home/ann/own.toml")
            )

        await database.transact(work)


async def revoked_token(made: SetUp) -> None:
    made.slack.refuse_token("token_revoked")


async def swapped_tokens(made: SetUp) -> None:
    bot, app = made.env["SLACK_BOT_TOKEN"], made.env["SLACK_APP_TOKEN"]
    made.env |= {"SLACK_BOT_TOKEN": app, "SLACK_APP_TOKEN": bot}


async def wrong_clock(made: SetUp) -> None:
    made.clock = FakeClock(VirtualClock().now() + timedelta(seconds=400))


async def taken_port(made: SetUp) -> None:
    taken = socket.create_server(("127.0.0.1", 0))
    made.sockets.append(taken)
    made.http = f"127.0.0.1:{taken.getsockname()[1]}"


@dataclass(frozen=True, slots=True)
class BrokenSetUp:
    """A set-up that is broken in one place: how, the exit code, and words of the line that says so."""

    change: Break
    code: int
    says: tuple[str, ...]
    lacking: str = ""


BROKEN: Final = {
    "no key": BrokenSetUp(
        setting("WAYSCLOUD_API_KEY", ""), NOT_AUTHENTICATED, ("no WAYSCloud key", "WAYSCLOUD_API_KEY")
    ),
    "a wrong key": BrokenSetUp(
        setting("WAYSCLOUD_API_KEY", "wayscloud_vps_test1_OTHER"), NOT_AUTHENTICATED, ("401", "WAYSCLOUD_API_KEY")
    ),
    "a key that is none": BrokenSetUp(
        setting("WAYSCLOUD_API_KEY", "a key"), USAGE, ("not usable", "WAYSCLOUD_API_KEY")
    ),
    "a key file that is not there": BrokenSetUp(
        setting("WAYSCLOUD_TOKEN_FILE", "/nowhere/token"), USAGE, ("WAYSCLOUD_TOKEN_FILE", "/nowhere/token")
    ),
    "a key file that others can open": BrokenSetUp(
        open_key_file, USAGE, ("others on this machine can open", "chmod go=")
    ),
    "a provider that is not reached": BrokenSetUp(
        unreachable_provider, UNREACHABLE, ("could not be reached", "http://127.0.0.1", "WAYSCLOUD_API_URL")
    ),
    "the address of another web server": BrokenSetUp(
        other_web_server, OTHER, ("There is no VPS API at http://127.0.0.1", "WAYSCLOUD_API_URL")
    ),
    "an address without its scheme": BrokenSetUp(
        setting("WAYSCLOUD_API_URL", "api.wayscloud.services"), USAGE, ("WAYSCLOUD_API_URL", "https://")
    ),
    "a policy that is not there": BrokenSetUp(
        setting("VPSOPS_CONFIG", "/nowhere/vpsops.toml"), USAGE, ("/nowhere/vpsops.toml", "VPSOPS_CONFIG")
    ),
    "a policy that is no TOML": BrokenSetUp(policy("[[rule\n"), USAGE, ("vpsops.toml", "line 1")),
    "a policy with a mistyped key": BrokenSetUp(
        policy(POLICY.replace('decision = "confirm"', 'decison = "confirm"')), USAGE, (":11", "Did you mean decision?")
    ),
    "a policy with an unknown group": BrokenSetUp(
        policy(f'{POLICY}approvers = {{ groups = ["S0NOWHERE"] }}\n'),
        OTHER,
        ("rule agents", "no one can", "policy show"),
    ),
    "a policy with an unknown approver": BrokenSetUp(
        policy(f'{POLICY}approvers = {{ people = ["{NOWHERE}"] }}\n'),
        OTHER,
        ("rule agents", "no one can", "policy show"),
    ),
    "a policy of approvals without Slack": BrokenSetUp(
        policy(f'{POLICY}approvers = {{ groups = ["S0APPROVERS"] }}\n', slack=False),
        USAGE,
        ("rule agents of /", "no one can give one", "SLACK_BOT_TOKEN"),
    ),
    "a policy of the approval channel without one": BrokenSetUp(
        setting("VPSOPS_APPROVAL_CHANNEL", ""), USAGE, (":17", "no one could approve", "VPSOPS_APPROVAL_CHANNEL")
    ),
    "a database that cannot be made": BrokenSetUp(
        setting("VPSOPS_DATABASE_URL", "sqlite:////proc/nowhere/v.sqlite3"),
        OTHER,
        ("cannot make one", "/proc", "VPSOPS_DATABASE_URL"),
    ),
    "a folder in the database's place": BrokenSetUp(
        folder_in_the_way, USAGE, ("Is a directory", "VPSOPS_DATABASE_URL")
    ),
    "a text in the database's place": BrokenSetUp(
        text_for_a_database, OTHER, ("not a database", "VPSOPS_DATABASE_URL")
    ),
    "a database of a newer version": BrokenSetUp(newer_schema, USAGE, ("newer version of vpsops", "Update vpsops")),
    "a database of another kind": BrokenSetUp(
        setting("VPSOPS_DATABASE_URL", "mysql://me:s3cret@db/x"), USAGE, ("mysql", "VPSOPS_DATABASE_URL")
    ),
    "a policy that others can change": BrokenSetUp(
        writable_policy, USAGE, ("others on this machine can change", "VPSOPS_CONFIG")
    ),
    "another policy than the one in force": BrokenSetUp(
        other_policy_in_force, OTHER, ("another policy", "policy apply")
    ),
    "a process with another policy": BrokenSetUp(process_of_another_policy, OTHER, ("worker-1", "/home/ann/own.toml")),
    "a channel by its name": BrokenSetUp(
        setting("VPSOPS_APPROVAL_CHANNEL", "#approvals"), USAGE, ("VPSOPS_APPROVAL_CHANNEL", "not its name")
    ),
    "a channel that is not there": BrokenSetUp(
        setting("VPSOPS_CHANNEL", "C0NOWHERE"), OTHER, ("VPSOPS_CHANNEL C0NOWHERE does not exist", "Invite the app")
    ),
    "a channel without the app": BrokenSetUp(setting("VPSOPS_CHANNEL", "C0NOBOT"), OTHER, ("VPSOPS_CHANNEL", "Invite")),
    "an archived channel": BrokenSetUp(setting("VPSOPS_CHANNEL", "C0OLD"), OTHER, ("VPSOPS_CHANNEL", "is archived")),
    "an approval channel that anyone can join": BrokenSetUp(
        setting("VPSOPS_APPROVAL_CHANNEL", "C0OPS"), OTHER, ("C0OPS is public", "VPSOPS_ACCEPT_APPROVERS")
    ),
    "a revoked token": BrokenSetUp(revoked_token, NOT_AUTHENTICATED, ("SLACK_BOT_TOKEN (token_revoked)",)),
    "no bot token": BrokenSetUp(setting("SLACK_BOT_TOKEN", ""), USAGE, ("SLACK_BOT_TOKEN is missing",)),
    "no way in from Slack": BrokenSetUp(
        setting("SLACK_APP_TOKEN", ""), USAGE, ("SLACK_APP_TOKEN and SLACK_SIGNING_SECRET",)
    ),
    "another app's token": BrokenSetUp(
        setting("SLACK_APP_TOKEN", "xapp-another"), NOT_AUTHENTICATED, ("SLACK_APP_TOKEN (invalid_auth)",)
    ),
    "tokens in each other's place": BrokenSetUp(swapped_tokens, NOT_AUTHENTICATED, ("SLACK_BOT_TOKEN",)),
    "a Slack that is not reached": BrokenSetUp(unreachable_slack, UNREACHABLE, ("does not answer", "SLACK_API_URL")),
    "no scope to post": BrokenSetUp(nothing, NOT_AUTHENTICATED, ("scope chat:write", "SLACK_BOT_TOKEN"), "chat:write"),
    "no scope to know people": BrokenSetUp(
        nothing, NOT_AUTHENTICATED, ("scope users:read is", "vpsops manifest"), "users:read"
    ),
    "no scope to see channels": BrokenSetUp(
        nothing, NOT_AUTHENTICATED, ("VPSOPS_CHANNEL C0OPS", "missing_scope", "channels:read"), "channels:read"
    ),
    "no scope to see private channels": BrokenSetUp(
        nothing, NOT_AUTHENTICATED, ("VPSOPS_APPROVAL_CHANNEL", "missing_scope", "groups:read"), "groups:read"
    ),
    "a person whom Slack does not know": BrokenSetUp(
        setting("VPSOPS_ACTOR", NOWHERE), USAGE, (f"VPSOPS_ACTOR, {NOWHERE}, is no account",)
    ),
    "a person who cannot be read": BrokenSetUp(
        setting("VPSOPS_ACTOR", "bob@acme.example"), OTHER, ("VPSOPS_ACTOR", "users:read.email"), "users:read.email"
    ),
    "tokens that are not there": BrokenSetUp(
        setting("VPSOPS_HTTP_TOKENS_FILE", "/nowhere/tokens.toml"), USAGE, ("VPSOPS_HTTP_TOKENS_FILE",)
    ),
    "a clock that is off": BrokenSetUp(wrong_clock, OTHER, ("away from Slack's", "Set the clock")),
    "a port that is taken": BrokenSetUp(taken_port, USAGE, ("another program has it", "--http HOST:PORT")),
    "a setting that is not known": BrokenSetUp(setting("VPSOPS_CHANEL", "C0OPS"), USAGE, ("mean VPSOPS_CHANNEL?",)),
    "a level that is not known": BrokenSetUp(
        setting("VPSOPS_LOG_LEVEL", "LOUD"), USAGE, ("VPSOPS_LOG_LEVEL: must be debug",)
    ),
}


@pytest.mark.requirement("doctor-exit-code")
@pytest.mark.parametrize("name", BROKEN)
async def test_a_broken_set_up_ends_with_its_code(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], name: str
) -> None:
    """One line names what is broken by its variable or file, with the remedy, and no fault has two lines."""
    broken = BROKEN[name]
    async with whole_set_up(tmp_path, broken.lacking) as made:
        await broken.change(made)
        code, lines = await doctor_of(made, monkeypatch, capsys)
    failures = [line for line in lines if line.startswith("fail")]
    assert code == broken.code, "\n".join(lines)
    assert any(all(word in line for word in broken.says) for line in failures), "\n".join(lines)
    assert len({line.split(maxsplit=2)[2] for line in failures}) == len(failures)
    assert [line for line in lines if not line.startswith("ok") and not POINTS_AT.search(line)] == []
    assert not [line for line in lines if "could not be checked" in line or "Traceback" in line]


async def no_slack(made: SetUp) -> None:
    made.drop_slack()
    del made.env["VPSOPS_CONFIG"]


async def empty_policy(made: SetUp) -> None:
    made.write_policy("")


async def two_keys(made: SetUp) -> None:
    made.env["WAYSCLOUD_TOKEN"] = "wayscloud_pat_test1_SECRET"


async def bot_elsewhere(made: SetUp) -> None:
    await BROKEN["a policy of approvals without Slack"].change(made)
    async with open_database(made.env["VPSOPS_DATABASE_URL"], made.clock) as database:

        def work(connection: sa.Connection) -> None:
            values = {"id": "slack-1", "front": "slack", "started_at": 1.0, "beat": database.tick(connection)}
            connection.execute(sa.insert(PROCESSES).values(**values))

        await database.transact(work)


async def free_port(made: SetUp) -> None:
    made.http = f"127.0.0.1:{await refused_port()}"


@pytest.mark.requirement("doctor-exit-code")
@pytest.mark.parametrize(
    ("change", "says"),
    [
        pytest.param(nothing, "ok    slack      rule agents needs 1 person to approve, and enough can", id="whole"),
        pytest.param(no_slack, "ok    slack      not configured", id="no Slack"),
        pytest.param(empty_policy, "is empty, so the embedded default decides", id="an empty policy"),
        pytest.param(two_keys, "WAYSCLOUD_API_KEY and WAYSCLOUD_TOKEN are both set", id="two keys"),
        pytest.param(setting("VPSOPS_ACTOR", "bob@acme.example"), "is the account U0BOB", id="a known person"),
        pytest.param(bot_elsewhere, "needs an approval in Slack, and a bot runs", id="the bot elsewhere"),
        pytest.param(setting("VPSOPS_LOG_LEVEL", "DEBUG"), "ok    settings", id="a level in capitals"),
        pytest.param(free_port, "is free", id="a free port"),
    ],
)
async def test_a_set_up_that_works_ends_with_zero(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], change: Break, says: str
) -> None:
    """Before its first start too: what is missing then is made by the first process."""
    async with whole_set_up(tmp_path) as made:
        await change(made)
        code, lines = await doctor_of(made, monkeypatch, capsys)
    assert (code, [line for line in lines if line.startswith("fail")]) == (0, [])
    assert any(says in line for line in lines), "\n".join(lines)
