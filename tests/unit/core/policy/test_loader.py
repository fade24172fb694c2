"""Loading is strict: each error has file, line and a hint."""
# ruff: noqa: E501 - a row of the table is easier to read whole

from pathlib import Path

import pytest
from inline_snapshot import snapshot

from vpsops.core.common.errors import ConfigurationError
from vpsops.core.config.settings import Settings
from vpsops.core.identity.actors import Approvers
from vpsops.core.policy import load_policy, parse_policy
from vpsops.core.policy.decision import Decision
from vpsops.core.policy.loader import MAX_RULES

FILE = "vpsops.toml"
DENY, APPROVE = 'decision = "deny"', 'decision = "approve"'
BY_S1 = 'approvers = { groups = ["S1"] }'
UTC = 'time_zone = "UTC"'


def rule(*lines: str, ident: str = "one") -> str:
    return "\n".join(["[[rule]]", f'id = "{ident}"', *lines]) + "\n"


def refused(text: str, channel: str = "") -> str:
    with pytest.raises(ConfigurationError) as caught:
        parse_policy(text, FILE, channel)
    return str(caught.value)


def errors_by_text(texts: list[str]) -> dict[str, str]:
    """Return the errors of each text, which is shortened to its mistake."""
    return {" | ".join(text.removeprefix('[[rule]]\nid = "one"\n').splitlines())[:70]: refused(text) for text in texts}


WRONG = [
    rule('decison = "deny"'),
    rule(DENY, 'approvers.group = "S1"'),
    rule('operation = "stpo"', DENY),
    rule('operation = ["stop",\n  "STOP"]', DENY),
    rule('risk = ["read", "hot"]', DENY),
    rule('actor = "robot"', DENY),
    rule('origin = "slak"', DENY),
    rule("operation = []", DENY),
    rule("operation = 5", DENY),
    rule('server = ["db1", "db1"]', DENY),
    rule('server = "db 1"', DENY),
    rule('person = "a b"', DENY),
    rule('decision = "maybe"'),
    rule('decision = "Deny"'),
    rule("decision = 7"),
    rule('operation = "stop"'),
    "[[rule]]\n" + DENY + "\n",
    rule(DENY, ident="Upper Case"),
    rule("cost_above = -1", DENY),
    rule("cost_above = nan", DENY),
    rule('cost_above = "100"', DENY),
    rule('reason = "a\\u202eb"', DENY),
    rule(f'reason = "{"a" * 301}"', DENY),
    rule(DENY, 'reason = """\nTwo\nlines"""', "vots = 1"),
    "rule = [5]\n",
]


@pytest.mark.requirement("policy-loads-strictly")
def test_a_wrong_key_or_word_is_named_with_its_line() -> None:
    """Each error names the place and the correction."""
    assert errors_by_text(WRONG) == snapshot(
        {
            'decison = "deny"': "vpsops.toml:3: rule one: unknown key decison. Did you mean decision?",
            'decision = "deny" | approvers.group = "S1"': "vpsops.toml:4: rule one: unknown key approvers.group. Did you mean groups?",
            'operation = "stpo" | decision = "deny"': "vpsops.toml:3: rule one: operation: unknown operation stpo. Did you mean stop?",
            'operation = ["stop", |   "STOP"] | decision = "deny"': "vpsops.toml:3: rule one: operation: unknown operation STOP. Did you mean stop?",
            'risk = ["read", "hot"] | decision = "deny"': "vpsops.toml:3: rule one: risk: unknown risk hot. There are read, change, disruptive, destructive.",
            'actor = "robot" | decision = "deny"': "vpsops.toml:3: rule one: actor: unknown actor robot. There are person, agent.",
            'origin = "slak" | decision = "deny"': "vpsops.toml:3: rule one: origin: unknown origin slak. Did you mean slack?",
            'operation = [] | decision = "deny"': "vpsops.toml:3: rule one: operation: an empty list matches nothing. Leave the key out to match everything.",
            'operation = 5 | decision = "deny"': "vpsops.toml:3: rule one: operation: it takes a text or a list of texts.",
            'server = ["db1", "db1"] | decision = "deny"': "vpsops.toml:3: rule one: server: db1 stands there twice.",
            'server = "db 1" | decision = "deny"': "vpsops.toml:3: rule one: server: db 1 is not a hostname, a pattern or an id. For example web01, db*, *.example.com.",
            'person = "a b" | decision = "deny"': "vpsops.toml:3: rule one: person: a b is not an id. An id has no spaces.",
            'decision = "maybe"': "vpsops.toml:3: rule one: unknown decision maybe. There are allow, confirm, approve, deny.",
            'decision = "Deny"': "vpsops.toml:3: rule one: unknown decision Deny. Did you mean deny?",
            "decision = 7": "vpsops.toml:3: rule one: unknown decision 7. There are allow, confirm, approve, deny.",
            'operation = "stop"': "vpsops.toml:1: rule one: decision is missing. There are allow, confirm, approve, deny.",
            '[[rule]] | decision = "deny"': 'vpsops.toml:1: id is missing. For example id = "databases-need-two".',
            '[[rule]] | id = "Upper Case" | decision = "deny"': 'vpsops.toml:2: rule Upper Case: id: it takes lower-case letters, digits and hyphens, at most 64. For example id = "databases-need-two".',
            'cost_above = -1 | decision = "deny"': "vpsops.toml:3: rule one: cost_above: input should be greater than or equal to 0.",
            'cost_above = nan | decision = "deny"': "vpsops.toml:3: rule one: cost_above: input should be a finite number.",
            'cost_above = "100" | decision = "deny"': "vpsops.toml:3: rule one: cost_above: it takes a number.",
            'reason = "a\\u202eb" | decision = "deny"': "vpsops.toml:3: rule one: reason: it has signs that cannot be shown.",
            'reason = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa': "vpsops.toml:3: rule one: reason: string should have at most 300 characters.",
            'decision = "deny" | reason = """ | Two | lines""" | vots = 1': "vpsops.toml:7: rule one: unknown key vots. Did you mean votes?",
            "rule = [5]": "vpsops.toml:1: rule: it takes a table of keys.",
        }
    )


MISFITS = [
    rule('operation = "list"', 'risk = "change"', DENY),
    rule('operation = ["stop", "list"]', 'risk = "disruptive"', DENY),
    rule('operation = "stop"', 'risk = ["disruptive", "read"]', DENY),
    rule('operation = "list"', 'server = "db*"', DENY),
    rule('operation = ["get", "plans"]', 'region = "oslo"', DENY),
    rule('operation = "stop"', "cost_above = 10", DENY),
    rule('risk = "read"', "cost_above = 10", DENY),
    rule('operation = "get"', 'decision = "confirm"'),
    rule('risk = ["read", "change"]', APPROVE, BY_S1),
    rule(DENY, "votes = 2"),
    rule(DENY, BY_S1),
    rule('decision = "confirm"', 'expires = "1h"'),
    rule('hours = "Mon-Fri 08:00-18:00"', DENY),
    rule('outside_hours = "Mon-Fri 08:00-18:00"', DENY),
    rule(UTC, DENY),
    rule('hours = "noon"', UTC, DENY),
    rule('hours = "Mon"', 'outside_hours = "Mon 00:00-24:00"', UTC, DENY),
    rule('hours = "08:00-18:00"', 'time_zone = "Mars/Base"', DENY),
    rule(APPROVE),
    rule(APPROVE, "approvers = {}"),
    rule(APPROVE, "votes = 0", BY_S1),
    rule(APPROVE, "votes = true", BY_S1),
    rule(APPROVE, "votes = 3", 'approvers = { people = ["U1", "U2"] }'),
    rule(APPROVE, "votes = 2", 'approvers = { people = ["a@b.no", "A@B.no"] }'),
    rule(APPROVE, 'approvers = { group = ["S1"] }'),
    rule(APPROVE, "[rule.approvers]", 'groups = ["S1"]', 'people = ["@alice"]'),
    rule(APPROVE, 'approvers.channels = ["#ops"]'),
    rule(APPROVE, 'approvers = { groups = ["oncall"] }'),
    rule(APPROVE, BY_S1, 'expires = "5s"'),
    rule(APPROVE, BY_S1, 'expires = "8d"'),
]


def test_keys_that_do_not_fit_together_are_refused() -> None:
    """A rule that could never match, never be met, or that sets something without effect is a mistake."""
    assert errors_by_text(MISFITS) == snapshot(
        {
            'operation = "list" | risk = "change" | decision = "deny"': "vpsops.toml:4: rule one: list has the risk read, so it never matches. Leave out the one or the other.",
            'operation = ["stop", "list"] | risk = "disruptive" | decision = "deny"': "vpsops.toml:4: rule one: list has the risk read, so it never matches. Leave out the one or the other.",
            'operation = "stop" | risk = ["disruptive", "read"] | decision = "deny"': "vpsops.toml:4: rule one: none of its operations has the risk read. Leave out the one or the other.",
            'operation = "list" | server = "db*" | decision = "deny"': "vpsops.toml:4: rule one: list is not about a server, so it never matches.",
            'operation = ["get", "plans"] | region = "oslo" | decision = "deny"': "vpsops.toml:4: rule one: plans is not about a server, so it never matches.",
            'operation = "stop" | cost_above = 10 | decision = "deny"': "vpsops.toml:4: rule one: stop has no price, so it never matches.",
            'risk = "read" | cost_above = 10 | decision = "deny"': "vpsops.toml:4: rule one: what has the risk read has no price, so it never matches.",
            'operation = "get" | decision = "confirm"': "vpsops.toml:3: rule one: get is a read and cannot be decided by confirm. A read is allowed or denied, without a question.",
            'risk = ["read", "change"] | decision = "approve" | approvers = { group': "vpsops.toml:3: rule one: a read cannot be decided by approve. A read is allowed or denied, without a question.",
            'decision = "deny" | votes = 2': 'vpsops.toml:4: rule one: votes goes with decision = "approve" only.',
            'decision = "deny" | approvers = { groups = ["S1"] }': 'vpsops.toml:4: rule one: approvers goes with decision = "approve" only.',
            'decision = "confirm" | expires = "1h"': 'vpsops.toml:4: rule one: expires goes with decision = "approve" only.',
            'hours = "Mon-Fri 08:00-18:00" | decision = "deny"': 'vpsops.toml:3: rule one: hours need a time_zone. For example time_zone = "Europe/Oslo".',
            'outside_hours = "Mon-Fri 08:00-18:00" | decision = "deny"': 'vpsops.toml:3: rule one: hours need a time_zone. For example time_zone = "Europe/Oslo".',
            'time_zone = "UTC" | decision = "deny"': "vpsops.toml:3: rule one: time_zone goes with hours or outside_hours only.",
            'hours = "noon" | time_zone = "UTC" | decision = "deny"': "vpsops.toml:3: rule one: 'noon' is not a day: use Mon, Tue, Wed, Thu, Fri, Sat or Sun.",
            'hours = "Mon" | outside_hours = "Mon 00:00-24:00" | time_zone = "UTC" ': "vpsops.toml:3: rule one: no minute of the week is left, so it never matches.",
            'hours = "08:00-18:00" | time_zone = "Mars/Base" | decision = "deny"': "vpsops.toml:4: rule one: 'Mars/Base' is not a time zone such as Europe/Oslo.",
            'decision = "approve"': 'vpsops.toml:3: rule one: no one could approve. Name approvers = { groups = ["S…"] }, or set VPSOPS_APPROVAL_CHANNEL.',
            'decision = "approve" | approvers = {}': 'vpsops.toml:4: rule one: approvers is empty. For example approvers = { groups = ["S0ONCALL"] }.',
            'decision = "approve" | votes = 0 | approvers = { groups = ["S1"] }': "vpsops.toml:4: rule one: votes: input should be greater than or equal to 1.",
            'decision = "approve" | votes = true | approvers = { groups = ["S1"] }': "vpsops.toml:4: rule one: votes: it takes a whole number.",
            'decision = "approve" | votes = 3 | approvers = { people = ["U1", "U2"]': "vpsops.toml:4: rule one: it wants 3 votes of 2 people.",
            'decision = "approve" | votes = 2 | approvers = { people = ["a@b.no", "': "vpsops.toml:4: rule one: it wants 2 votes of 1 people.",
            'decision = "approve" | approvers = { group = ["S1"] }': "vpsops.toml:4: rule one: unknown key approvers.group. Did you mean groups?",
            'decision = "approve" | [rule.approvers] | groups = ["S1"] | people = [': "vpsops.toml:6: rule one: approvers.people: @alice is not a Slack user's id, such as U0ALICE, or an e-mail.",
            'decision = "approve" | approvers.channels = ["#ops"]': "vpsops.toml:4: rule one: approvers.channels: #ops is not the id of a Slack channel, such as C0APPROVALS.",
            'decision = "approve" | approvers = { groups = ["oncall"] }': "vpsops.toml:4: rule one: approvers.groups: oncall is not the id of a Slack user group, such as S0ONCALL.",
            'decision = "approve" | approvers = { groups = ["S1"] } | expires = "5s': "vpsops.toml:5: rule one: expires is a time from 1m to 7d, such as 30m or 2h.",
            'decision = "approve" | approvers = { groups = ["S1"] } | expires = "8d': "vpsops.toml:5: rule one: expires is a time from 1m to 7d, such as 30m or 2h.",
        }
    )


FILES = [
    rule(DENY) + rule(DENY, 'actor = "agent"'),
    "[rules]\na = 1\n",
    '[settings]\n\n["a b"]\n',
    "# nothing\nlog = 1\n",
    '[rule]\nid = "x"\n',
    "rule = 5\n",
    "# none\nrule = []\n",
    "".join(rule(DENY, ident=f"r{number}") for number in range(MAX_RULES + 1)),
]


def test_what_is_wrong_with_the_file_is_named_too() -> None:
    """Sections, double brackets, and ids that are taken."""
    assert errors_by_text(FILES) == snapshot(
        {
            'decision = "deny" | [[rule]] | id = "one" | decision = "deny" | actor ': "vpsops.toml:4: rule one is there already, in line 1.",
            "[rules] | a = 1": "vpsops.toml:1: unknown section rules. Did you mean rule?",
            '[settings] |  | ["a b"]': "vpsops.toml:3: unknown section a b. There are settings, workspace, rule, limits, mcp, window, freeze.",
            "# nothing | log = 1": "vpsops.toml:2: unknown section log. There are settings, workspace, rule, limits, mcp, window, freeze.",
            '[rule] | id = "x"': "vpsops.toml:1: rules are written as [[rule]], in double brackets.",
            "rule = 5": "vpsops.toml:1: rules are written as [[rule]], in double brackets.",
            "# none | rule = []": "vpsops.toml:2: there is no rule in rule = []. Remove the line to run under the embedded policy.",
            '[[rule]] | id = "r0" | decision = "deny" | [[rule]] | id = "r1" | deci': "vpsops.toml: 501 rules are more than 500. Use lists in rules.",
        }
    )


@pytest.mark.requirement("policy-loads-strictly")
def test_a_rule_that_can_never_matter_is_refused() -> None:
    """A rule covered by a stricter one, wherever it stands, is a mistake that should be reported."""
    covered = rule('operation = "stop"', 'actor = "agent"', 'decision = "confirm"')
    stricter = rule(DENY, 'actor = "agent"', ident="all")
    assert refused(stricter + covered) == snapshot(
        "vpsops.toml:5: rule one can never matter: rule all in line 1 matches whenever it does and says deny. Remove one of them, or make their conditions differ."
    )
    assert "vpsops.toml:1: rule one can never matter" in refused(covered + stricter)


@pytest.mark.parametrize(
    ("cover", "covered"),
    [
        (['risk = "disruptive"', DENY], ['operation = ["stop", "reboot"]', 'decision = "confirm"']),
        (['server = "prod-*"', APPROVE, BY_S1], ['server = ["prod-db*", "prod-web.example.com"]', 'decision = "confirm"']),
        (['server = "*"', DENY], ['server = "web01"', 'decision = "allow"']),
        (["cost_above = 50", 'operation = "create"', DENY], ["cost_above = 100", 'operation = "create"', APPROVE, BY_S1]),
        (['hours = "Mon-Fri"', UTC, DENY], ['hours = "Tue 23:00-01:00"', UTC, 'decision = "confirm"']),
        (['region = ["oslo", "SE"]', DENY], ['region = "NO"', 'decision = "allow"']),
        (['decision = "confirm"'], ['decision = "confirm"']),
        (['decision = "allow"'], ['decision = "allow"', 'risk = "read"', 'reason = "Looking is free."']),
        ([DENY, 'reason = "No."'], [DENY, 'actor = "agent"']),
        ([APPROVE, BY_S1, "votes = 2"], [APPROVE, BY_S1]),
        ([APPROVE, BY_S1, 'expires = "30m"'], [APPROVE, BY_S1, 'expires = "1h"', 'actor = "agent"']),
    ],
)  # fmt: skip
def test_pointless_rules_are_found(cover: list[str], covered: list[str]) -> None:
    """Stricter or as strict, at least as wide, and asking no less."""
    assert "rule one can never matter: rule all" in refused(rule(*cover, ident="all") + rule(*covered))


@pytest.mark.parametrize(
    ("entry", "two"),
    [
        (['decision = "allow"'], ['server = "db*"', APPROVE, BY_S1]),
        (['decision = "allow"'], ['decision = "confirm"']),  # reads are allowed, changes confirmed
        (['server = "*"', DENY], ['decision = "allow"']),  # an operation without a server is allowed
        (['server = "db*"', DENY], ['server = "db01"', 'decision = "allow"']),  # db01 might be an id
        (['server = "db01.*"', DENY], ['server = "db01"', 'decision = "allow"']),
        ([APPROVE, BY_S1], [APPROVE, 'approvers = { groups = ["S2"] }']),
        ([APPROVE, BY_S1], [APPROVE, BY_S1, 'expires = "5m"', 'actor = "agent"']),
        ([APPROVE, BY_S1], [APPROVE, BY_S1, "votes = 2", 'actor = "agent"']),
        ([DENY, 'reason = "No."'], [DENY, 'actor = "agent"', 'reason = "Not while agents are paused."']),
        (['risk = "destructive"', APPROVE, BY_S1], ['operation = ["stop", "reboot"]', DENY]),
        (['operation = ["stop", "reboot"]', DENY], ['risk = "disruptive"', 'decision = "confirm"']),  # of later versions
        (['hours = "Mon-Fri"', UTC, DENY], ['hours = "Tue"', 'time_zone = "Europe/Oslo"', 'decision = "confirm"']),
    ],
)  # fmt: skip
def test_rules_that_can_matter_are_never_refused(entry: list[str], two: list[str]) -> None:
    """The usual shapes: something in general, more in particular, and reasons of one's own."""
    assert len(parse_policy(rule(*entry, ident="one") + rule(*two, ident="two"), FILE).rules) == 2


def test_the_approval_channel_stands_in_for_approvers() -> None:
    """An approve rule without approvers means the members of the configured channel."""
    policy = parse_policy(rule(APPROVE), FILE, "C1")
    assert policy.rules[0].approvers == Approvers(channels=("C1",))
    assert policy.rules[0].votes == 1


def test_all_ways_to_write_approvers_are_one() -> None:
    """Inline, dotted and as a table of its own; one word or a list."""
    ways = [(BY_S1,), ('approvers.groups = "S1"',), ("[rule.approvers]", 'groups = ["S1"]')]
    versions = {parse_policy(rule(APPROVE, *way), FILE).version for way in ways}
    assert len(versions) == 1


def test_reasons_over_several_lines_become_one() -> None:
    """A reason is shown within other sentences."""
    policy = parse_policy(rule(DENY, 'reason = """\nNot  today,\nsorry."""'), FILE)
    assert policy.rules[0].reason == "Not today, sorry."


def test_the_version_follows_what_rules_say_and_nothing_else() -> None:
    """Comments, order and spelling change nothing; any word of a rule does."""
    first, two = rule(DENY, 'server = "DB*"'), rule('decision = "allow"', ident="two")
    version = parse_policy(first + two, FILE).version
    assert version == parse_policy("# a comment\n\n" + two + first.replace("DB", "db"), FILE).version
    changed = [("deny", "confirm"), ("DB", "app"), ('id = "one"', 'id = "uno"'), (DENY, DENY + '\nreason = "No."')]
    others = {parse_policy(first.replace(*change) + two, FILE).version for change in changed}
    assert len(others | {version}) == 5


def test_a_file_without_rules_has_the_embedded_policy(tmp_path: Path) -> None:
    """Settings alone do not make a policy."""
    path = tmp_path / FILE
    path.write_text('[settings]\nVPSOPS_LOG_LEVEL = "debug"\n', encoding="utf-8")
    assert load_policy(Settings(config=path)) == load_policy(Settings())


def test_a_file_of_rules_is_loaded_as_it_stands(tmp_path: Path) -> None:
    """Line ends of another system move no line."""
    path = tmp_path / FILE
    path.write_bytes(rule(DENY).replace("\n", "\r\n").encode() + b'[[rule]]\r\nid = "b"\r\nvote = 1\r\n')
    with pytest.raises(ConfigurationError, match=rf"{path}:6: rule b: unknown key vote"):
        load_policy(Settings(config=path))
    path.write_text(rule(DENY), encoding="utf-8")
    assert [item.decision for item in load_policy(Settings(config=path)).rules] == [Decision.DENY]
