"""The policy page: its example loads, and decides and is explained as documented."""

import re
import shlex
from datetime import UTC, datetime
from pathlib import Path

import pytest

from tests.harness.repository import ROOT
from vpsops.cli import main as console
from vpsops.core.identity.actors import Actor, ActorKind
from vpsops.core.operations import OPERATIONS
from vpsops.core.operations.target import Target
from vpsops.core.policy import PolicyContext, parse_policy
from vpsops.core.policy.config_schema import WrittenRule

PAGE = (ROOT / "docs" / "policy.md").read_text(encoding="utf-8")
EXAMPLE = PAGE.split("```toml\n")[1].split("```")[0]
ROWS = [
    [cell.strip() for cell in line.removeprefix("|").removesuffix("|").split("|")]
    for line in PAGE.split("| who | operation |")[1].splitlines()
    if re.match(r"\| (agent|person) \|", line)
]
CONSOLES = re.findall(r"```console\n\$ vpsops (.*?)\n(.*?)```", PAGE, re.DOTALL)


@pytest.mark.parametrize(("who", "operation", "server", "when", "price", "decision"), ROWS)
def test_the_example_decides_as_documented(
    who: str, operation: str, server: str, when: str, price: str, decision: str
) -> None:
    """The rules decide as each row of the table shows."""
    facts = PolicyContext(
        operation,
        OPERATIONS[operation].risk,
        Actor(ActorKind(who), "U1", human="U1"),
        "mcp",
        datetime.strptime(when, "%Y-%m-%d %H:%M").replace(tzinfo=UTC),
        Target("", server) if server else None,
        cost=float(price) if price else None,
    )
    assert parse_policy(EXAMPLE, "docs/policy.md").decide(facts).decision.value == decision


@pytest.mark.parametrize(("words", "view"), CONSOLES)
def test_commands_print_what_the_page_shows(
    words: str,
    view: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Every console block is run under the example's rules."""
    path = tmp_path / "vpsops.toml"
    path.write_text(EXAMPLE, encoding="utf-8")
    monkeypatch.setenv("VPSOPS_CONFIG", str(path))
    console.main(shlex.split(words))
    assert capsys.readouterr().out == view


def test_the_page_has_rows_and_commands() -> None:
    """The parser found rows and commands."""
    assert len(ROWS) == 9
    assert len(CONSOLES) == 2


def test_every_key_is_documented() -> None:
    """No key of a rule is missing from the page, and every operation is named."""
    documented = set(re.findall(r"`([a-z_]+)`", PAGE))
    assert set(WrittenRule.model_fields) <= documented
    assert set(OPERATIONS) <= set(re.findall(r"\w+", PAGE))
