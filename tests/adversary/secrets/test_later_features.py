"""Secrets in the words of plans, runbooks, times, grants, ends and runs without approval: none comes in anywhere."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Final

import pytest

from tests.adversary.harness import AGENT, PRIVATE_SCENE, AdversaryEnvironment, with_settings, world
from tests.adversary.secrets import sweep
from tests.adversary.secrets.sweep import Sweep
from tests.unit.core.runbooks.test_runbook_runs import GROW
from vpsops.core.changes.requests import Request
from vpsops.core.changes.scope import OPERATOR
from vpsops.core.common.errors import VpsopsError
from vpsops.core.common.json_types import Json
from vpsops.core.config.logging import configure_logging, secrets_of
from vpsops.core.grants.requests import GrantRequest
from vpsops.core.identity.actors import Actor, ActorKind, Origin
from vpsops.core.operations.traits import RUNBOOK
from vpsops.core.plans.model import PlanOptions
from vpsops.core.plans.requests import PlanRequest
from vpsops.core.plans.selection import Selection, selection_from
from vpsops.core.runbooks.loader import load_runbook
from vpsops.core.runbooks.requests import RunbookRequest, request_arguments
from vpsops.core.schedule.model import LaterRequest

SECRET: Final = "pLt-7Qx2mNpR4tVw8Yz3bCd6"
POLICY: Final = """
[[rule]]
id = "reads"
risk = "read"
decision = "allow"

[[rule]]
id = "all"
risk = ["change", "disruptive"]
decision = "approve"
grant = { max = "2h", uses = 3 }
"""
ALICE: Final = Actor(ActorKind.PERSON, "U0ALICE", "alice", "U0ALICE", account="U0ALICE")
SLACK: Final = Origin("slack", "T0ACME", "C0OPS")
LABELLED: Final = """
name = "mark"
description = "Marks servers."
[[step]]
operation = "label"
servers = ["db01"]
arguments = { labels = ["team=shop"] }
probe = "tcp:22"
"""
Ask = Callable[[AdversaryEnvironment], Awaitable[object]]


def plan(probe: str = "", *words: str, at: str = "", **arguments: Json) -> Ask:
    """Ask for a plan as a person does."""
    operation = "label" if "labels" in arguments else "snapshot_create" if "snapshot" in arguments else "reboot"
    later = LaterRequest(at) if at else None
    request = Request(operation, arguments, ALICE, SLACK, reason="night", can_confirm=True, later=later)
    asked = PlanRequest(request, selection_from(words or ("web01", "db01")), PlanOptions(probe=probe))
    return lambda here: here.core.gate.submit_plan(asked, scope=OPERATOR)


def dry_plan(probe: str) -> Ask:
    """Say what a plan would do."""
    request = Request("reboot", {}, ALICE, SLACK)
    asked = PlanRequest(request, Selection(("web01", "db01")), PlanOptions(probe=probe))
    return lambda here: here.core.gate.dry_run_plan(asked, scope=OPERATOR)


def runbook(text: str, **given: str) -> Ask:
    """Ask for a runbook as a person at a terminal does."""
    loaded = load_runbook(text, "mark.toml")
    request = Request(RUNBOOK.name, request_arguments(loaded, given), ALICE, SLACK, can_confirm=True)
    return lambda here: here.core.gate.submit_plan(RunbookRequest(request, loaded), scope=OPERATOR)


def grant(actor: Actor = ALICE, **more: str) -> Ask:
    """Ask for a grant."""
    request = Request("reboot", {}, actor, SLACK, reason=more.pop("reason", "on call"), can_confirm=True)
    asked = GrantRequest(request, (more.pop("server", "db01"),), 3600.0, **more)  # type: ignore[arg-type]
    return lambda here: here.core.gate.ask_grant(asked, scope=OPERATOR)


def keep(**words: str) -> Ask:
    """Keep a server that has no end."""
    request = Request("keep", {"server": "web01", "lifetime": "2d", **words}, ALICE, SLACK, reason=SECRET)
    return lambda here: here.core.gate.keep_server(request, scope=OPERATOR)


def later(words: str) -> Ask:
    """Ask for a change at a time."""
    request = Request("reboot", {"server": "db01"}, ALICE, SLACK, can_confirm=True, later=LaterRequest(words, words))
    return lambda here: here.core.gate.submit(request, scope=OPERATOR)


async def end(here: AdversaryEnvironment) -> object:
    """End a grant that is not there."""
    return await here.core.gate.end_grant(f"gr_{SECRET}", ALICE, evidence=SECRET, scope=OPERATOR)


WAYS: Final[dict[str, Ask]] = {
    "a plan's probe": plan(f"http:80/{SECRET}"),
    "a probe that is none": plan(SECRET),
    "a plan's names": plan("", f"web{SECRET}*", SECRET),
    "a plan's filter": plan("", f"label:key={SECRET}"),
    "a plan's labels": plan("", labels=[f"key={SECRET}"]),
    "a plan's snapshot": plan("", snapshot=SECRET),
    "a plan's time": plan("", at=f"in window {SECRET.lower()}"),
    "a dry run's probe": dry_plan(f"http:80/{SECRET}"),
    "a runbook's description": runbook(LABELLED.replace("Marks servers.", f"With {SECRET}.")),
    "a runbook's argument": runbook(LABELLED.replace("team=shop", f"key={SECRET}")),
    "a runbook's probe": runbook(LABELLED.replace("tcp:22", f"http:80/{SECRET}")),
    "a runbook's servers": runbook(LABELLED.replace("db01", SECRET)),
    "a runbook's value": runbook(GROW.replace("ORDER", ""), servers="db01", plan=SECRET),
    "a runbook's default": runbook(GROW.replace("ORDER", "").replace("vps-8gb-4cpu", SECRET), servers="db01"),
    "a grant's reason": grant(AGENT, reason=SECRET),
    "a grant's agent": grant(agent=SECRET),
    "a grant's person": grant(agent="helper", human=SECRET),
    "a grant's server": grant(AGENT, server=SECRET),
    "a grant's pattern": grant(AGENT, server=f"{SECRET}*"),
    "an end": end,
    "a server that is kept": keep(server=SECRET),
    "a time that a server is kept for": keep(lifetime=SECRET),
    "a reason that a server is kept": keep(),
    "a time": later(f"at {SECRET}"),
    "a window": later(f"in window {SECRET.lower()}"),
}


@pytest.fixture
async def here(tmp_path: Path) -> AsyncIterator[AdversaryEnvironment]:
    config = tmp_path / "vpsops.toml"
    config.write_text(POLICY)
    scene = with_settings(
        PRIVATE_SCENE,
        WAYSCLOUD_TOKEN=SECRET,
        VPSOPS_CONFIG=str(config),
        VPSOPS_CHANNEL="C0OPS",
        VPSOPS_LOG_LEVEL="debug",
    )
    async with world(tmp_path, scene, replace(AGENT, account="U0ALICE")) as made:
        configure_logging(made.core.settings)
        yield made


@pytest.mark.requirement("no-secret-comes-in")
async def test_no_word_brings_a_secret_in(
    here: AdversaryEnvironment, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Neither on a card, in the database and its trail, in the answer, nor in the log at its most talkative."""
    swept, taken = Sweep(here, secrets_of(here.core.settings)), set[str]()
    for name, ask in WAYS.items():
        with suppress(VpsopsError):  # its asker reads it; what is stored and logged of it is searched
            swept.answers.append(f"{name}: {await ask(here)!r}")
            taken.add(name)
    await here.settled()
    await here.stage.card("approvals", words="With •••.")
    places = await sweep.places(swept, tmp_path) | {"log": sweep.read(capsys.readouterr().err)}
    assert {name: around(text) for name, text in places.items() if swept.found(text)} == {}
    assert {"a runbook's description", "a grant's reason"} <= taken


def around(text: str) -> list[str]:
    """Return what stands around a secret, to tell by which way it came."""
    return [text[max(0, at - 150) : at + 60] for at in range(len(text)) if text.startswith(SECRET[:12], at)][:5]
