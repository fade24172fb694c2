"""Configured secrets in the words that come in, plain and split: none is stored, posted, answered or logged."""

import re
import unicodedata
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.audit_cli import pages
from core.audit_export import record_line
from core.changes.model import Actor, ActorKind, Verdict
from core.errors import NotAllowed
from core.logs import configure_logging, secrets_of
from core.redaction import Redactor
from core.settings import load_settings
from tests.adversary.world import PRIVATE_SCENE, World, with_settings, world
from tests.fakes.slack_bot import shown
from tests.harness.profiles import examples
from tests.unit.mcp.http_bench import http_client, serving

SECRETS = {
    "WAYSCLOUD_TOKEN": "planted-personal-token-7Qx",
    "SLACK_CLIENT_SECRET": "planted-client-secret-8Rz",
    "VPSOPS_STATE_KEY": "planted-state-key-9Sw-0123456789-0123456789",
}
SPLITS = {"plain": "", "zero width": "\u200b", "direction": "\u202e", "blank": "\u3164", "space": " "}
EVERY = "".join(SPLITS.values())


def words(split: str) -> str:
    """Return all secrets with a character between each two of theirs."""
    return " and ".join(split.join(secret) for secret in SECRETS.values())


def found(text: str) -> list[str]:
    """Return the secrets that a text holds, were what nobody sees taken out of it."""
    tight = "".join(one for one in text if unicodedata.category(one) not in {"Cf", "Cc"} and one not in EVERY)
    return [secret for secret in SECRETS.values() if secret in tight]


def read(text: str) -> str:
    """Return a text as it is, and once more with JSON's escapes read."""
    return text + re.sub(r"\\u([0-9a-fA-F]{4})", lambda escape: chr(int(escape[1], 16)), text)


async def plant(here: World, split: str) -> str:
    """Put the secrets into every entrance; return what MCP answered."""
    planted, provider, slack = words(split), here.stage.provider.simulator.world, here.stage.slack
    server = next((one for one in provider.servers() if one.hostname.startswith("db01")), None)
    assert server is not None
    provider.override(server, None, None, planted[:200])
    answers: list[Any] = []
    async with (
        serving(here.core) as (site, _),
        http_client(site.local, "legacy", name=planted) as client,
    ):
        calls: list[tuple[str, dict[str, Any]]] = [
            ("vps_stop", {"server": "db01", "reason": planted}),
            ("vps_reboot", {"server": planted, "reason": planted}),
            ("vps_create", {"hostname": planted, "plan": planted, planted: planted}),
            ("vps_list", {}),
        ]
        answers += [await client.call_tool(name, given) for name, given in calls]
        here.stage.fault(kind="status", status=422, body=f'{{"detail": "{planted}"}}', match={"operation": "get"})
        answers.append(await client.call_tool("vps_get", {"server": "web01"}))
    for text in (f"reboot {planted}", f"stop db01 {planted}", planted):
        await slack.command("alice", "ops", "/vps", text)
    change = await here.core.gate.get(here.change)
    person = Actor(ActorKind.PERSON, "U0BOB", planted, "U0BOB")
    with pytest.raises(NotAllowed):
        await here.core.gate.vote(change.id, person, Verdict.DENY, change.digest, reason=planted, evidence=planted)
    await here.core.gate.pause_agents(person, paused=True, reason=planted, evidence=planted)
    await here.settled()
    return read("\n".join(one.model_dump_json(by_alias=True) for one in answers))


async def exported(here: World) -> str:
    """Return the trail as `vpsops audit export` writes it."""
    lines: list[str] = []
    async for records, _ in pages(here.core.database, 0):
        lines += [record_line(record) for record in records]
    assert len(lines) >= 5
    return read("\n".join(lines))


def stored(folder: Path) -> dict[str, str]:
    """Return what stands in the database's files, as it is and with JSON's escapes read."""
    return {file.name: read(file.read_bytes().decode("utf-8", "ignore")) for file in folder.glob("bot.sqlite3*")}


@pytest.mark.requirement("no-secret-comes-in")
@pytest.mark.parametrize("split", SPLITS.values(), ids=list(SPLITS))
async def test_no_planted_secret_is_anywhere(tmp_path: Path, capsys: pytest.CaptureFixture[str], split: str) -> None:
    """Whatever stands in the database and its log, in Slack, in answers, in the export and in the log is swept."""
    async with world(tmp_path, with_settings(PRIVATE_SCENE, **SECRETS)) as here:
        configure_logging(here.core.settings)
        answers = await plant(here, split)
        slack = here.stage.slack
        posts = [*slack.messages("ops"), *slack.messages("approvals"), *slack.ephemerals("alice")]
        places = {
            "answers": answers,
            "slack": "\n".join(shown(one) for one in posts),
            "export": await exported(here),
            "log": capsys.readouterr().err,
        }
        places |= stored(tmp_path)
    assert {name: found(text) for name, text in places.items() if found(text)} == {}
    assert "•••" in places["export"]


@pytest.mark.requirement("no-secret-comes-in")
@settings(max_examples=examples(20))
@given(st.lists(st.sampled_from(EVERY + "\u200d\u2060\u00ad\x00\x07\n"), min_size=1, max_size=12), st.text(max_size=10))
def test_no_split_hides_a_secret(between: list[str], around: str) -> None:
    """Whatever is put between its characters, and wherever it stands in its own words."""
    secret = SECRETS["WAYSCLOUD_TOKEN"]
    split = "".join(f"{char}{between[place % len(between)]}" for place, char in enumerate(secret))
    assert secret not in "".join(Redactor((secret,)).text(f"{around}{split}{around}").split())


def test_a_wide_spelling_is_one_too() -> None:
    """Letters of another width are the same key to whoever reads them."""
    wide = "".join(chr(ord(char) + 0xFEE0) if "!" <= char <= "~" else char for char in "hunter2hunter2")
    assert Redactor(("hunter2hunter2",)).text(f"it is {wide}.") == "it is •••."


def test_every_configured_secret_is_known() -> None:
    """The sweep plants what a process is told."""
    assert set(SECRETS.values()) <= set(secrets_of(load_settings(SECRETS)))
