"""Loading is strict: what is wrong is named with file, line and a hint."""
# ruff: noqa: E501, Q000, Q003 - a row of the table is easier to read whole

import pytest

from core.changes.model import Approvers, Decision
from core.errors import ConfigurationError
from core.policy import parse_policy
from core.policy.lines import tables

FILE = "vpsops.toml"


def rule(*lines: str, ident: str = "one") -> str:
    return "\n".join(["[[rule]]", f'id = "{ident}"', *lines]) + "\n"


def refused(text: str, channel: str = "") -> str:
    with pytest.raises(ConfigurationError) as caught:
        parse_policy(text, FILE, channel)
    return str(caught.value)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (rule('decison = "deny"'), "vpsops.toml:3: unknown key decison. Did you mean decision?"),
        (rule('operation = "stpo"', 'decision = "deny"'), "vpsops.toml:3: rule one: unknown operation stpo. Did you mean stop?"),
        (rule('risk = ["read", "hot"]', 'decision = "deny"'), "vpsops.toml:3: rule one: unknown risk hot. There are read, change, disruptive, destructive."),
        (rule('actor = "robot"', 'decision = "deny"'), "vpsops.toml:3: rule one: unknown actor robot. There are person, agent."),
        (rule("operation = []", 'decision = "deny"'), "vpsops.toml:3: operation: value should have at least 1 item after validation, not 0."),
        (rule('decision = "maybe"'), "vpsops.toml:3: decision: input should be 'allow', 'confirm', 'approve' or 'deny'."),
        (rule('operation = "stop"'), "vpsops.toml:1: decision: field required."),
        (rule('operation = "list"', 'risk = "change"', 'decision = "deny"'), "vpsops.toml:4: rule one: none of its operations has that risk, so it never matches."),
        (rule('decision = "deny"', "votes = 2"), 'vpsops.toml:4: rule one: votes goes with decision = "approve" only.'),
        (rule('hours = "Mon-Fri 08:00-18:00"', 'decision = "deny"'), 'vpsops.toml:3: rule one: hours need a time_zone. For example time_zone = "Europe/Oslo".'),
        (rule('hours = "noon"', 'time_zone = "UTC"', 'decision = "deny"'), "vpsops.toml:3: rule one: 'noon' is not like 'Mon-Fri 08:00-18:00'."),
        (rule('hours = "08:00-18:00"', 'time_zone = "Mars/Base"', 'decision = "deny"'), "vpsops.toml:3: rule one: 'Mars/Base' is not a time zone such as Europe/Oslo."),
        (rule('decision = "approve"'), "vpsops.toml:3: rule one: nobody could approve. Name approvers = { groups = [\"S…\"] }, or set VPSOPS_APPROVAL_CHANNEL."),
        (rule('decision = "approve"', "votes = 3", 'approvers = { people = ["U1", "U2"] }'), "vpsops.toml:4: rule one: it wants 3 votes of 2 people."),
        (rule('decision = "approve"', 'approvers = { group = ["S1"] }'), "vpsops.toml:4: unknown key approvers.group. Did you mean groups?"),
        (rule('decision = "approve"', 'approvers = { groups = ["S1"] }', 'expires = "5s"'), "vpsops.toml:5: rule one: expires is a time from 1m to 7d, such as 30m or 2h."),
        (rule('decision = "deny"') + rule('decision = "deny"', 'actor = "agent"'), "vpsops.toml:4: rule one is there already, in line 1."),
        ('[rules]\na = 1\n', "vpsops.toml:1: unknown section rules. Did you mean rule?"),
        ('[rule]\nid = "x"\n', "vpsops.toml: rules are written as [[rule]], in double brackets."),
        ("rule = 5\n", "vpsops.toml: rules are written as [[rule]], in double brackets."),
    ],
)  # fmt: skip
def test_a_wrong_rule_is_named_with_its_line(text: str, said: str) -> None:
    """Each mistake says where it is and what to do."""
    assert refused(text) == said


def test_a_rule_that_can_never_matter_is_refused() -> None:
    """A rule covered by a stricter one, or by the same one, is a mistake somebody should see."""
    stricter = rule('decision = "deny"', 'actor = "agent"', ident="all") + rule(
        'operation = "stop"', 'actor = "agent"', 'decision = "confirm"', ident="one"
    )
    assert refused(stricter) == (
        "vpsops.toml:5: rule one can never matter: rule all in line 1 matches whenever it does and says deny. "
        "Remove one of them, or make their conditions differ."
    )
    twin = rule('decision = "confirm"', ident="a") + rule('decision = "confirm"', ident="b")
    assert "rule b can never matter" in refused(twin)


def test_a_milder_rule_around_a_stricter_one_is_fine() -> None:
    """The usual shape: something in general, more in particular."""
    policy = parse_policy(
        rule('decision = "allow"', ident="all")
        + rule('server = "db*"', 'decision = "approve"', 'approvers = { groups = ["S1"] }', ident="db")
        + rule('server = "db*"', 'decision = "approve"', "votes = 2", 'approvers = { groups = ["S1"] }', 'region = "NO"', ident="no"),
        FILE,
    )  # fmt: skip
    assert [one.decision for one in policy.rules] == [Decision.ALLOW, Decision.APPROVE, Decision.APPROVE]


def test_the_approval_channel_stands_in_for_approvers() -> None:
    """An approve rule without approvers means the members of the configured channel."""
    policy = parse_policy(rule('decision = "approve"'), FILE, "C1")
    assert policy.rules[0].approvers == Approvers(channels=("C1",))
    assert policy.rules[0].votes == 1


def test_lines_are_right_around_comments_strings_and_brackets() -> None:
    """Only what TOML takes for a table or a key counts as one."""
    text = '# [[rule]]\n\n[[rule]] # first\nid = "a"\nreason = """\n[[rule]]\nid = "no"\n"""\nserver = [\n  "x", # ]\n  "[[rule]]",\n]\n\n[[rule]]\n"id" = "b"\r\n'
    found = tables(text)
    assert [(table.name, table.line) for table in found] == [("", 1), ("rule", 3), ("rule", 14)]
    assert found[1].keys == {"id": 4, "reason": 5, "server": 9}
    assert found[2].keys == {"id": 15}


def test_the_version_changes_with_any_rule() -> None:
    """What was decided under another policy can be told apart."""
    one = parse_policy(rule('decision = "deny"'), FILE)
    same = parse_policy("# a comment\n\n" + rule('decision = "deny"'), FILE)
    other = parse_policy(rule('decision = "allow"'), FILE)
    assert one.version == same.version
    assert one.version != other.version
