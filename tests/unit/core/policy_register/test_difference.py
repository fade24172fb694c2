"""What another policy would change, as people read it."""

from vpsops.core.common.timings import DEFAULT_TIMING
from vpsops.core.operations import OPERATIONS, Risk
from vpsops.core.policy.loader import parse_policy
from vpsops.core.policy_register.consequence import Direction, _bounded, _dimensions, consequences
from vpsops.core.policy_register.declaration import holds_of
from vpsops.core.policy_register.difference import changed_lines, meaning_lines, summary_of
from vpsops.core.policy_register.document import Document, ruleset_from

HOLDS = holds_of(DEFAULT_TIMING)
READS = {"id": "reads", "decision": "allow", "risk": ["read"]}
AGENTS = {
    "id": "agents",
    "decision": "approve",
    "actor": ["agent"],
    "risk": ["change", "disruptive"],
    "votes": 2,
    "approvers": {"groups": ["S1"]},
}
BEFORE = Document(rules=(READS, AGENTS), limits={"protected": ["db1"], "mcp": {"read_only": True}}, holds=HOLDS)
AFTER = Document(
    rules=({**AGENTS, "votes": 1}, {"id": "people", "decision": "confirm", "actor": ["person"]}, READS),
    limits={"max_servers": 4, "mcp": {"read_only": False}},
    settings={"VPSOPS_APPROVAL_CHANNEL": "C1"},
    holds={"confirm": 60.0, "approve": HOLDS["approve"]},
)
CHANGING = ", ".join(sorted(name for name, operation in OPERATIONS.items() if not operation.reads))
UNDESTRUCTIVE = ", ".join(
    sorted(name for name, entry in OPERATIONS.items() if not entry.reads and entry.risk is not Risk.DESTRUCTIVE)
)


def test_a_difference_names_every_rule_limit_and_setting() -> None:
    """`+` is new, `-` is gone, `~` has another value."""
    assert changed_lines(BEFORE, AFTER) == [
        "~ rule agents: votes 2 -> 1",
        "+ rule people: decision confirm, actor person",
        "+ limit max_servers 4",
        "~ limit mcp.read_only true -> false",
        "- limit protected db1",
        "+ setting VPSOPS_APPROVAL_CHANNEL C1",
        "~ hold in seconds: confirm 900 -> 60",
    ]
    assert changed_lines(BEFORE, BEFORE) == []


def test_a_difference_says_who_may_do_more() -> None:
    """Requests that are decided otherwise, the milder ones first."""
    assert meaning_lines(BEFORE, AFTER) == [
        "Milder, so more is let through:",
        f"  agents {UNDESTRUCTIVE}: approve (2 of S1) -> approve (1 of S1)",
        f"  people {UNDESTRUCTIVE}: deny -> confirm",
    ]
    assert meaning_lines(AFTER, BEFORE)[0] == "Stricter:"
    assert meaning_lines(BEFORE, BEFORE) == ["No request is decided otherwise by the rules."]


def test_conditions_are_told_apart() -> None:
    """Servers, regions, prices, people, groups, fronts and hours: each shows where it makes the difference."""
    rules = """
[[rule]]
id = "all"
decision = "allow"
{}
"""
    narrow = {
        'server = "db[12]*"\noperation = "stop"': "people and agents stop on db[12]*: deny -> allow",
        'region = "norway"\noperation = "stop"': "people and agents stop in NO: deny -> allow",
        'cost_above = 10\noperation = "create"': "people and agents create costing over 10: deny -> allow",
        'person = "ann@example.com"\noperation = "stop"': "people and agents (ann@example.com) stop: deny -> allow",
        'person = "U1"\noperation = "stop"\nactor = "person"': "people (u1) stop: deny -> allow",
        'group = "S1"\noperation = "stop"': "people and agents (group s1) stop: deny -> allow",
        'origin = "slack"\noperation = "stop"': "people and agents stop from slack: deny -> allow",
        'hours = "Mon-Fri 08:00-18:00"\ntime_zone = "Europe/Oslo"\noperation = "stop"': (
            "people and agents stop such as Mon 08:00 Europe/Oslo: deny -> allow"
        ),
    }
    before = parse_policy('[[rule]]\nid = "reads"\nrisk = "read"\ndecision = "allow"\n', "x")
    for words, line in narrow.items():
        after = parse_policy(rules.format(words) + '[[rule]]\nid = "reads"\nrisk = "read"\ndecision = "allow"\n', "x")
        results = consequences(before, after).items
        assert [line for item in results for line in item.lines] == [line], words
        assert results[0].direction is Direction.MILDER


def test_other_approvers_are_neither_milder_nor_stricter() -> None:
    """An equal number of votes from other people is reported as exactly that."""
    other = Document(rules=(READS, {**AGENTS, "approvers": {"groups": ["S2"]}}), limits=BEFORE.limits, holds=HOLDS)
    assert meaning_lines(BEFORE, other) == [
        "Decided by others, or in another time:",
        f"  agents {UNDESTRUCTIVE}: approve (2 of S1) -> approve (2 of S2)",
    ]


def test_many_combinations_are_bounded_and_said() -> None:
    """A policy that distinguishes very many requests is compared in part, and the report states so."""
    rules = tuple(
        {"id": f"r{n}", "decision": "allow", "server": [f"web{n}*"], "person": [f"u{n}"], "region": [f"r{n}"]}
        for n in range(40)
    )
    many = Document(rules=rules, holds=HOLDS)
    _, whole = _bounded(_dimensions((ruleset_from(many).policy,)))
    assert not whole


def test_a_summary_fits_into_a_record() -> None:
    """The trail has the difference in one line."""
    assert summary_of(BEFORE, AFTER).startswith("~ rule agents: votes 2 -> 1; + rule people")
    assert summary_of(BEFORE, AFTER).endswith("; and 3 more")
    assert summary_of(None, BEFORE) == "the first one: 2 rules"
