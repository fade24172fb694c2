"""`vpsops grant`: a request at the terminal is held for people, and what cannot be granted is said."""

from pathlib import Path

import pytest

from tests.fakes.accounts import EVERYBODY
from tests.unit.cli.operations.terminal import FakeTerminal
from vpsops.core.app import open_core
from vpsops.core.changes.requests import Held, Request
from vpsops.core.changes.scope import OPERATOR
from vpsops.core.common.errors import InvalidInputError
from vpsops.core.config.settings import load_settings
from vpsops.core.identity.actors import Actor, ActorKind, Origin
from vpsops.playground.wayscloud.serve import SimulatorHandle

POLICY = """
[[rule]]
id = "reads"
risk = "read"
decision = "allow"

[[rule]]
id = "agents"
actor = "agent"
operation = "reboot"
decision = "approve"
approvers = { people = ["bob@example.com"] }
grant = { max = "2h", uses = 3 }
"""


@pytest.fixture
def terminal(provider: SimulatorHandle, database_url: str, tmp_path: Path) -> FakeTerminal:
    (tmp_path / "vpsops.toml").write_text(POLICY)
    values = {"WAYSCLOUD_API_KEY": "wayscloud_vps_test1_SECRET", "WAYSCLOUD_API_URL": provider.url}
    values |= {"VPSOPS_DATABASE_URL": database_url, "VPSOPS_ACTOR": "ann@example.com"}
    return FakeTerminal(load_settings(values | {"VPSOPS_CONFIG": str(tmp_path / "vpsops.toml")}))


AGENT = Actor(ActorKind.AGENT, "mcp:assistant", "assistant", "carol@example.com")
ASKED = ("grant", "assistant", "reboot", "web01", "--for", "1h")


async def known(terminal: FakeTerminal) -> None:
    """Let the agent ask for a change, so that it is known."""
    async with open_core(terminal.settings, front="cli", clock=terminal.clock, accounts=EVERYBODY) as core:
        asked = Request("reboot", {"server": "web01"}, AGENT, Origin("mcp", credential="token-1"))
        outcome = await core.gate.submit(asked, scope=OPERATOR)
        assert isinstance(outcome, Held)
        await core.gate.cancel(outcome.change.id, AGENT, scope=OPERATOR)


async def test_a_request_is_shown_and_held_for_people(terminal: FakeTerminal) -> None:
    """Exit code 5; the terminal shows all that is asked for, and asks nothing."""
    await known(terminal)
    assert await terminal.run(*ASKED, "--uses", "2", "--because", "on call", "--wait", "0s") == 5
    assert terminal.asked == []
    for words in ("Grant to reboot web01.example.com", "assistant", "1 h from the last vote", "at most 2", "on call"):
        assert words in terminal.shown, words


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        ((*ASKED[:4], "--for", "3h"), "cannot be granted here"),
        ((*ASKED[:4], "--for", "ever"), "is no time"),
        ((*ASKED, "--uses", "4"), "4 uses cannot be granted here"),
        (("grant", "stranger", "reboot", "web01", "--for", "1h"), "No agent stranger is known"),
        (("grant", "assistant", "delete", "web01", "--for", "1h"), "cannot be granted"),
    ],
)
async def test_what_cannot_be_granted_is_said(terminal: FakeTerminal, words: tuple[str, ...], reason: str) -> None:
    """Nothing is held."""
    await known(terminal)
    with pytest.raises(InvalidInputError, match=reason):
        await terminal.run(*words)


async def test_a_script_asks_for_no_agent(terminal: FakeTerminal) -> None:
    """It counts as an agent itself."""
    await known(terminal)
    terminal.person = False
    with pytest.raises(InvalidInputError, match="for itself alone"):
        await terminal.run(*ASKED)
