"""Configured secrets in words from outside, plain and split: none is stored, posted, answered, logged or exported."""

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.adversary.harness import PRIVATE_SCENE, with_settings, world
from tests.adversary.secrets import sweep
from tests.adversary.secrets.sweep import EVERY, OWN_TOKEN, PLANTED, Sweep
from tests.harness.profiles import examples
from vpsops.core.common.redaction import Redactor
from vpsops.core.config.logging import configure_logging, secrets_of
from vpsops.core.config.secret_values import SECRETS
from vpsops.core.config.settings import load_settings

SCENE = with_settings(PRIVATE_SCENE, **PLANTED, VPSOPS_ACTOR="slack:U0ALICE", VPSOPS_CHANNEL="C0OPS")


@pytest.mark.requirement("no-secret-comes-in")
async def test_no_planted_secret_is_anywhere(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """What the database and its log hold, what Slack and clients got, the export, doctor and the log are searched."""
    async with world(tmp_path, SCENE) as here:
        configure_logging(here.core.settings)
        swept = Sweep(here, (*secrets_of(here.core.settings), OWN_TOKEN))
        await sweep.by_mcp(swept)
        await sweep.by_slack(swept)
        await sweep.by_provider(swept)
        await here.settled()
        places = await sweep.places(swept, tmp_path) | {"log": sweep.read(capsys.readouterr().err)}
        places["doctor"] = await sweep.by_doctor(swept, capsys)
    assert {name: swept.found(text) for name, text in places.items() if swept.found(text)} == {}
    kept = "".join(text for name, text in places.items() if name.startswith("bot.sqlite3"))
    assert all("•••" in text for text in (places["answers"], places["calls of Slack"], places["export"], kept))


@pytest.mark.requirement("no-secret-comes-in")
@settings(max_examples=examples(20))
@given(st.lists(st.sampled_from(EVERY + "\u200d\u2060\u00ad\x00\x07\n"), min_size=1, max_size=12), st.text(max_size=10))
def test_no_split_hides_a_secret(between: list[str], around: str) -> None:
    """Whatever is put between its characters, and wherever it stands in its own words."""
    secret = PLANTED["WAYSCLOUD_TOKEN"]
    split = "".join(f"{char}{between[place % len(between)]}" for place, char in enumerate(secret))
    assert secret not in "".join(Redactor((secret,)).text(f"{around}{split}{around}").split())


def test_a_wide_spelling_is_one_too() -> None:
    """Letters of another width are the same key to a reader."""
    wide = "".join(chr(ord(char) + 0xFEE0) if "!" <= char <= "~" else char for char in "hunter2hunter2")
    assert Redactor(("hunter2hunter2",)).text(f"it is {wide}.") == "it is •••."


def test_every_configured_secret_is_known() -> None:
    """Each setting that is one, older keys behind a comma, and passwords in addresses; no address as a whole."""
    urls = {"VPSOPS_DATABASE_URL", "VPSOPS_DATABASE_LISTEN_URL", "VPSOPS_AUDIT_ANCHOR_WEBHOOK"}
    secrets = {name: f"{number}-planted-0123456789" for number, name in enumerate(sorted(SECRETS))}
    secrets |= {
        "VPSOPS_STATE_KEY": "new-key-0123456789, old-key-0123456789",
        "VPSOPS_DATABASE_URL": "postgresql://vps:database-p%40ss@db/vpsops",
        "VPSOPS_DATABASE_LISTEN_URL": "postgresql://vps:listen-p%40ss@db/vpsops",
        "VPSOPS_AUDIT_ANCHOR_WEBHOOK": "https://hooks.example.com/services/T0/B0/0123456789?sig=abc",
    }
    known = secrets_of(load_settings(secrets))
    passwords = {f"{name}-{word}" for name in ("database", "listen") for word in ("p%40ss", "p@ss")}
    keys = {"new-key-0123456789", "old-key-0123456789"}
    hook = {"services/T0/B0/0123456789?sig=abc"}
    assert {secrets[name] for name in SECRETS - urls} | passwords | keys | hook == set(known)
