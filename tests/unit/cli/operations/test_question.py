"""What the terminal shows before a person agrees: all of it, for every operation."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.fakes.clock import START
from tests.harness.profiles import examples
from tests.unit.core.sample import change
from vpsops.cli.operations.question import approvers_text, question_facts, waiting_line
from vpsops.core.changes.model import State
from vpsops.core.console.layout import facts as lines
from vpsops.core.identity.actors import Approvers
from vpsops.core.operations import OPERATIONS
from vpsops.core.operations.facts import Fact
from vpsops.core.policy.decision import Decision, Ruling

words = st.text("abcdefgh0123456789", min_size=3, max_size=200)
facts = st.lists(st.builds(Fact, words.map(lambda text: text[:60]), words), min_size=1, max_size=6)
CHANGING = [name for name, operation in OPERATIONS.items() if not operation.reads]


@pytest.mark.parametrize("operation", CHANGING)
@given(facts)
@settings(max_examples=examples(8))
@pytest.mark.requirement("terminal-shows-all")
def test_each_fact_is_in_the_terminals_prompt(operation: str, shown: list[Fact]) -> None:
    """Server, effect, price, reason and every fact, of which each argument is one; as the card has them."""
    held = change(operation, State.HELD, facts=tuple(shown), effect="It drops.", cost="9 EUR", reason="why so")
    text = "\n".join(lines(question_facts(held)))
    for value in ("web01.example.com", "running", "It drops.", "9 EUR", "why so"):
        assert value in text
    for fact in shown:
        assert fact.label in text
        assert fact.value in text


@pytest.mark.requirement("terminal-shows-all")
def test_a_new_servers_arguments_are_in_the_prompt() -> None:
    """System, name and keys of a create, which are no facts of its entry."""
    key = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIGqq ann@laptop"
    more = {"os_template": "debian-12", "display_name": "Front", "ssh_keys": [key]}
    text = "\n".join(lines(question_facts(change("create", State.HELD, arguments=more))))
    for value in ("debian-12", "Front", "SHA256:", "ann@laptop"):
        assert value in text


def test_a_lookalike_is_flagged() -> None:
    """A name with letters of several scripts is compared by its id."""
    held = change("stop", State.HELD)
    odd = change("stop", State.HELD, target=type(held.target)("s1", "w\u0435b01.example.com", "running"))
    assert dict(question_facts(held))["Careful"] == ""
    assert "Compare its id" in dict(question_facts(odd))["Careful"]


@pytest.mark.parametrize(
    ("ruling", "text"),
    [
        (Ruling(Decision.ALLOW), "no one: it runs at once"),
        (Ruling(Decision.CONFIRM), "slack:U1, asked here"),
        (
            Ruling(Decision.APPROVE, votes=2, approvers=Approvers(channels=("C0OPS",), people=("U7",))),
            "2 people in Slack among a Slack account (U7) or the members of a Slack channel (C0OPS), not its asker",
        ),
        (Ruling(Decision.APPROVE, votes=1), "1 person in Slack, not its asker"),
    ],
)
def test_who_decides(ruling: Ruling, text: str) -> None:
    """By name, as the rules have them."""
    assert approvers_text(change("stop", State.HELD, ruling=ruling)) == text


def test_what_is_waited_for() -> None:
    """From whom, how many have agreed, and how long is left."""
    held = change("stop", State.HELD, expires_at=START)
    assert waiting_line(held, START).startswith("chg_1 waits for 2 people in Slack, not its asker")
    assert "0 of 2 approved" in waiting_line(held, START)


def test_groups_have_the_names_that_slack_gives_them() -> None:
    """Where a bot has stored them; the id stands beside the name."""
    ruling = Ruling(Decision.APPROVE, votes=1, approvers=Approvers(groups=("S0OPS", "S0DEV")))
    held = change("stop", State.HELD, ruling=ruling, group_names={"S0OPS": "on-call"})
    named = "@on-call (S0OPS) or a Slack user group (S0DEV)"
    assert approvers_text(held) == f"1 person in Slack among {named}, not its asker"
