"""The policy as one document: equal decisions have one text and version, and a file that states the same."""

from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from vpsops.core.common.errors import ConfigurationError
from vpsops.core.common.timings import DEFAULT_TIMING
from vpsops.core.config.settings import Settings, load_settings
from vpsops.core.policy.model import short_version
from vpsops.core.policy_register.declaration import Declaration, declaration_of
from vpsops.core.policy_register.document import Document, document_from, ruleset_from
from vpsops.core.policy_register.file_text import file_text

RULES = """
[[rule]]
id = "reads"
risk = "read"
decision = "allow"

[[rule]]
id = "databases"
server = ["DB*", "web01.example.com."]
decision = "approve"
votes = 2
reason = 'Ask a "second" one: \\ ü'
approvers = { groups = ["S1"], people = ["U2", "U1"] }
grant = { max = "2h", uses = 20, states = ["running"] }

[[rule]]
id = "by-day"
actor = "agent"
outside_hours = ["Sat", "Sun"]
time_zone = "Europe/Oslo"
decision = "approve"
expires = "2h"

[limits]
protected = ["db1", "Db2"]
max_monthly_spend = 100
[limits.mcp]
deny_tools = "vps_create"
read_only = false
"""
SHUFFLED = """
# The same in other words.
[limits]
max_monthly_spend = 100.0
protected = ["db2", "db1"]
mcp = { read_only = false, deny_tools = ["vps_create"] }

[[rule]]
decision = "approve"
id = "by-day"
actor = ["agent"]
outside_hours = ["Sun", "Sat"]
time_zone = "Europe/Oslo"
expires = "2h"
votes = 1

[[rule]]
id = "databases"
reason = 'Ask a "second"   one: \\ ü'
server = ["web01.example.com", "db*"]
decision = "approve"
votes = 2
approvers = { people = ["U1", "U2"], groups = "S1" }
grant = { uses = 20, states = "Running", max = "2h" }

[[rule]]
id = "reads"
risk = ["read"]
decision = "allow"
"""
CHANNEL = '[settings]\nVPSOPS_APPROVAL_CHANNEL = "C0APP"\n'


def settings(tmp_path: Path, text: str = "", **environ: str) -> Settings:
    """Return settings of a file, if there is to be one, and of an environment."""
    path = tmp_path / "vpsops.toml"
    path.write_text(text, encoding="utf-8")
    return load_settings({**environ, **({"VPSOPS_CONFIG": str(path)} if text else {})})


def declared(tmp_path: Path, text: str = "", base: Document | None = None, **environ: str) -> Document:
    return declaration_of(settings(tmp_path, text, **environ)).document(base)


@pytest.mark.requirement("policy-version-whole")
def test_the_same_policy_has_one_text_and_version(tmp_path: Path) -> None:
    """Order, comments and spelling decide nothing; every other letter does, and the version is a whole SHA-256."""
    first, other = declared(tmp_path, CHANNEL + RULES), declared(tmp_path, CHANNEL + SHUFFLED)
    assert first.text == other.text
    assert first.version == other.version
    assert len(first.version.removeprefix("pol_")) == 64
    assert short_version(first.version) == first.version[:12]
    changed = declared(tmp_path, CHANNEL + RULES.replace("max_monthly_spend = 100", "max_monthly_spend = 101"))
    assert changed.version != first.version
    assert document_from(first.text) == first


def test_a_document_is_applied_as_its_file_is(tmp_path: Path) -> None:
    """The rules, limits and channels of the text are those of the file."""
    ruleset = ruleset_from(declared(tmp_path, CHANNEL + RULES))
    assert [rule.id for rule in ruleset.policy.rules] == ["by-day", "databases", "reads"]
    by_day = next(rule for rule in ruleset.policy.rules if rule.id == "by-day")
    assert (by_day.approvers.channels, by_day.expires) == (("C0APP",), 7200.0)
    assert ruleset.limits.protected == {"db1", "db2"}
    assert ruleset.stewards.channels == ("C0APP",)
    assert ruleset.policy.version == ruleset.version


def test_what_is_shown_can_be_applied_again(tmp_path: Path) -> None:
    """The file that `policy show` prints is exactly the policy in force."""
    for text in (
        CHANNEL + RULES,
        RULES.replace('decision = "approve"\nexpires = "2h"', 'decision = "confirm"'),
        CHANNEL,
    ):
        document = declared(tmp_path, text)
        again = declaration_of(settings(tmp_path, file_text(document)), whole=True).document(document)
        assert again == document


def test_the_embedded_default_is_written_out(tmp_path: Path) -> None:
    """A release with another default has another version; with an approval channel people approve there."""
    bare, slack = declared(tmp_path), declared(tmp_path, VPSOPS_APPROVAL_CHANNEL="C0APP")
    assert bare.embedded
    assert slack.embedded
    decisions = {rule.id: rule.decision.value for rule in ruleset_from(slack).policy.rules}
    assert decisions["default-agents"] == "approve"
    assert ruleset_from(bare).stewards.channels == ()
    assert declared(tmp_path, base=bare, VPSOPS_APPROVAL_CHANNEL="C0APP") == slack


def test_what_is_not_said_is_what_is_in_force(tmp_path: Path) -> None:
    """A process without a file, or with a file that only sets addresses, agrees with any policy."""
    base = declared(tmp_path, CHANNEL + RULES)
    assert declared(tmp_path, base=base) == base
    assert declared(tmp_path, '[settings]\nVPSOPS_LOG_LEVEL = "debug"\n', base=base) == base
    assert declared(tmp_path, base=base, VPSOPS_CHANNEL="C0NEWS") == base  # only a place for notices here
    assert Declaration().document(base) == base
    assert declared(tmp_path, base=base, VPSOPS_APPROVAL_CHANNEL="C0OTHER") != base
    assert declared(tmp_path, "[limits]\nmax_servers = 3\n", base=base) != base


def test_settings_that_decide_come_from_the_document(tmp_path: Path) -> None:
    """A process uses the channels that are in force; its own place for notices stays where another one decides."""
    base = ruleset_from(declared(tmp_path, CHANNEL, VPSOPS_ACCEPT_APPROVERS="public-channels, shared-channels"))
    own = base.settings_from(settings(tmp_path, VPSOPS_CHANNEL="C0NEWS"))
    assert (own.approval_channel, own.channel) == ("C0APP", "C0NEWS")
    assert own.accepted_approvers == {"public-channels", "shared-channels"}
    notices = ruleset_from(declared(tmp_path, VPSOPS_CHANNEL="C0NEWS"))
    assert notices.stewards.channels == ("C0NEWS",)
    assert notices.settings_from(settings(tmp_path)).channel == "C0NEWS"


def test_holds_are_part_of_it(tmp_path: Path) -> None:
    """How long a hold waits is the same for all processes."""
    timing = DEFAULT_TIMING.with_holds(5.0, 6.0)
    document = declaration_of(settings(tmp_path)).document(None, timing)
    assert ruleset_from(document).timing_from(DEFAULT_TIMING) == timing


def test_no_secret_gets_in(tmp_path: Path) -> None:
    """A configured secret in a rule is refused, and settings that are secrets are no part of the text."""
    key = "wayscloud_vps_abc1_VERYSECRETVERYSECRET"
    assert key not in declared(tmp_path, CHANNEL + RULES, WAYSCLOUD_API_KEY=key).text
    with pytest.raises(ConfigurationError, match="configured secret"):
        declared(tmp_path, CHANNEL + RULES.replace('Ask a "second"', f"{key}"), WAYSCLOUD_API_KEY=key)
    with pytest.raises(ConfigurationError, match="configured secret"):
        declaration_of(
            Settings.model_validate({"WAYSCLOUD_TOKEN": SecretStr("C0SECRET"), "VPSOPS_APPROVAL_CHANNEL": "C0SECRET"})
        )


WORKSPACES = """
[settings]
VPSOPS_SLACK_TEAMS = "T2, T1"
SLACK_CLIENT_ID = "1.2"
VPSOPS_SLACK_URL = "https://vpsops.example.com"
[[workspace]]
team = "T2"
channel = "C2"
agents = false
[[workspace]]
team = "T1"
approval_channel = "C1"
agents = true
"""


def test_workspaces_are_part_of_it(tmp_path: Path) -> None:
    """Which workspace decides for agents, and where, is the same for all processes."""
    secrets: Any = {"SLACK_CLIENT_SECRET": "x" * 32, "VPSOPS_STATE_KEY": "y" * 32}
    document = declared(tmp_path, WORKSPACES, **secrets)
    ruleset = ruleset_from(document)
    assert document.several
    assert (ruleset.workspaces.home, [item.team for item in ruleset.workspaces.known]) == ("T1", ["T1", "T2"])
    assert document.settings == {"VPSOPS_SLACK_TEAMS": "T1,T2"}
    assert declared(tmp_path, base=document) == document
    assert declared(tmp_path, base=document, SLACK_BOT_TOKEN="xoxb-1-abcdefghijkl") != document


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "{}",
        "7",
        '{"format":2}',
        '{"format":1,"rules":[],"surprise":1}',
        '{"format": 1,"rules":[]}',
        "[" * 100_000,
    ],
)
def test_what_cannot_be_read_decides_nothing(text: str) -> None:
    """A text of another release, or of unknown origin, is no policy."""
    with pytest.raises(ConfigurationError, match="cannot be read by this version"):
        document_from(text)


def test_an_unknown_condition_decides_nothing() -> None:
    """To leave out a condition that a newer release wrote would widen a rule."""
    newer = Document(rules=({"id": "new", "decision": "allow", "moon": "full"},), holds={"confirm": 1, "approve": 1})
    with pytest.raises(ConfigurationError, match="cannot be read by this version"):
        ruleset_from(newer)
