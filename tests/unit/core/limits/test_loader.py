"""`[limits]` of the file: the written limits apply, and an impossible one refuses to start with its line."""

from pathlib import Path

import pytest

from vpsops.core.common.errors import ConfigurationError
from vpsops.core.config.settings import Settings
from vpsops.core.limits.loader import load_limits, parse_limits, restriction_from
from vpsops.core.limits.model import UNLIMITED
from vpsops.core.policy import load_policy

WHOLE = """[limits]
protected = ["db*", "VPN01.example.com."]
protected_from_agents = "*.prod.example.com"
max_monthly_spend = 500
currency = "NOK"
max_servers = 20
max_changes_per_hour = 10
calls_per_minute = 120

[limits.mcp]
toolsets = ["servers", "catalogue"]
deny_tools = ["vps_cr*"]
servers = ["web*"]
"""


def refusal(text: str) -> str:
    with pytest.raises(ConfigurationError) as refused:
        parse_limits(text, "vpsops.toml")
    return str(refused.value)


def test_what_is_written_holds() -> None:
    """Every key arrives, names in the form they are compared in."""
    limits = parse_limits(WHOLE, "vpsops.toml")
    assert limits.protected == {"db*", "vpn01.example.com"}
    assert limits.protected_from_agents == {"*.prod.example.com"}
    assert (limits.max_monthly_spend, limits.currency, limits.max_servers) == (500.0, "NOK", 20)
    assert (limits.max_changes_per_hour, limits.calls_per_minute) == (10, 120)
    assert "vps_create" not in limits.mcp.tools
    assert set(limits.mcp.tools) == {
        *("vps_list", "vps_get", "vps_status", "vps_start", "vps_stop", "vps_reboot"),
        *("vps_plans", "vps_os_templates", "vps_regions", "vps_addons"),
    }
    assert limits.mcp.sight.sees("", "web01.example.com")
    assert not limits.mcp.sight.sees("", "db01.example.com")


def test_without_a_section_nothing_is_limited() -> None:
    """An empty file, or one with rules alone, has no limits."""
    assert parse_limits("", "vpsops.toml") == UNLIMITED
    assert UNLIMITED.described() == ()


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        ("[limits]\nmax_server = 3\n", "vpsops.toml:2: unknown key max_server. Did you mean max_servers?"),
        ("[limits]\nmax_servers = -1\n", "vpsops.toml:2: max_servers: "),
        ("[limits]\nmax_servers = 2.5\n", "vpsops.toml:2: max_servers: it takes a whole number."),
        ("[limits]\nmax_servers = true\n", "vpsops.toml:2: max_servers: it takes a whole number."),
        ("[limits]\nmax_monthly_spend = nan\n", "vpsops.toml:2: max_monthly_spend: "),
        ('[limits]\nmax_monthly_spend = "5"\n', "vpsops.toml:2: max_monthly_spend: it takes a number."),
        ('[limits]\nmax_monthly_spend = 5\ncurrency = "kr"\n', "vpsops.toml:3: currency: it takes a currency's three"),
        ('[limits]\n\ncurrency = "NOK"\n', "vpsops.toml:3: currency goes with max_monthly_spend only."),
        ('[limits]\nprotected = ["db 1"]\n', "vpsops.toml:2: protected: db 1 is not a hostname"),
        ('[limits]\nprotected = ["db[z-a]"]\n', "vpsops.toml:2: protected: db[z-a] has a range that runs backwards"),
        ("[limits]\nprotected = []\n", "vpsops.toml:2: protected: an empty list matches nothing."),
        (
            '[limits]\nprotected = "db*"\nprotected_from_agents = ["DB*"]\n',
            "vpsops.toml:3: protected_from_agents: db* is protected from every caller already.",
        ),
        (
            '# x\n[limits.mcp]\ntoolsets = ["server"]\n',
            "vpsops.toml:3: mcp.toolsets: unknown toolset server. Did you mean servers?",
        ),
        (
            '[limits.mcp]\ntools = ["vps_lst"]\n',
            "vpsops.toml:2: mcp.tools: vps_lst means no tool there is. Did you mean vps_list?",
        ),
        ('[limits.mcp]\ndeny_tools = ["VPS-*"]\n', "vpsops.toml:2: mcp.deny_tools: VPS-* is not the name of a tool"),
        (
            "[limits]\n[limits.mcp]\nreadonly = true\n",
            "vpsops.toml:3: unknown key mcp.readonly. Did you mean read_only?",
        ),
        ('[limits.mcp]\nread_only = "yes"\n', "vpsops.toml:2: mcp.read_only: it takes true or false."),
        (
            '\n[limits.mcp]\ntoolsets = "catalogue"\ndeny_tools = "vps_*"\n',
            "vpsops.toml:2: mcp: these limits together leave no tool.",
        ),
        ("x = 1\nlimits = 5\n", "vpsops.toml:2: [limits] must be a table."),
    ],
)
def test_what_cannot_hold_refuses_to_start(text: str, answer: str) -> None:
    """The message has file, line and what to do."""
    assert refusal(text).startswith(answer)


def test_the_file_is_read_once_for_limits_and_rules_alike(tmp_path: Path) -> None:
    """A file with limits alone keeps the embedded policy."""
    path = tmp_path / "vpsops.toml"
    path.write_text(WHOLE)
    settings = Settings.model_validate({"VPSOPS_CONFIG": str(path)})
    assert load_limits(settings).max_servers == 20
    assert all(rule.line == 0 for rule in load_policy(settings).rules)


def test_flags_are_checked_as_the_file_is() -> None:
    """A flag that cannot hold is named as it is typed."""
    with pytest.raises(ConfigurationError, match=r"--deny-tools: vps_x means no tool there is"):
        restriction_from({"deny_tools": ["vps_x"]}, "flags")
    assert restriction_from({"read_only": True}, "flags").why_not("vps_stop") == ("read_only", "true")


def test_a_longest_life_is_written_by_pattern_or_plan() -> None:
    """As pairs of a name in the form it is compared in and seconds; one word stands for a list."""
    limits = parse_limits('[limits]\nmax_life = ["Load-*=3d", "plan:vps-64gb=1d12h"]\n', "vpsops.toml")
    assert limits.max_life == (("load-*", 3 * 86_400), ("plan:vps-64gb", 36 * 3600))
    assert parse_limits('[limits]\nmax_life = "load-*=12h"\n', "vpsops.toml").max_life == (("load-*", 12 * 3600),)
    assert limits.deletion_at_end
    assert not parse_limits("[limits]\ndeletion_at_end = false\n", "vpsops.toml").deletion_at_end


@pytest.mark.parametrize(
    ("written", "why"),
    [
        ('"load-*"', "is no server pattern or plan:CODE with a duration"),
        ('"load-*=soon"', "is no server pattern or plan:CODE with a duration"),
        ('"=3d"', "is no server pattern or plan:CODE with a duration"),
        ('"plan:=3d"', "is no server pattern or plan:CODE with a duration"),
        ('"load-*=1m"', "load-*=1m: "),
        ('"load-*=900d"', "load-*=900d: "),
        ('["load-*=3d", "LOAD-*=2d"]', "is there twice"),
        ("[]", "empty list"),
        ("3", "takes a text or a list"),
    ],
)
def test_an_impossible_longest_life_refuses_to_start(written: str, why: str) -> None:
    """With its line."""
    text = refusal(f"[limits]\nmax_life = {written}\n")
    assert why in text
    assert "vpsops.toml:2" in text
