"""`vpsops.toml` is read once, and every section reports its errors in the same form."""

from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from vpsops.core.common.errors import ConfigurationError
from vpsops.core.config.config_file import MAX_CONFIG_BYTES, parse_config, read_config
from vpsops.core.config.schema import WrittenTable, schema_problem
from vpsops.core.config.settings import load_settings
from vpsops.core.limits.config_schema import WrittenLimits
from vpsops.core.limits.loader import load_limits
from vpsops.core.policy import load_policy
from vpsops.core.policy.config_schema import WrittenRule
from vpsops.core.policy_register.declaration import declaration_of
from vpsops.core.workspaces.loader import WrittenWorkspace, load_workspaces

WHOLE = """
[settings]
VPSOPS_APPROVAL_CHANNEL = "C0APPROVALS"

[[rule]]
id = "all"
decision = "approve"

[limits]
max_servers = 20
"""
PLACES = """limits.mcp.tools = ["vps_list"]
top = 1

[[rule]]
id = "one"
[rule.approvers]
groups = ["S1"]

[[rule]]
id = "two"

[settings]
VPSOPS_CHANNEL = "C1"

[table.inner]
key = 1
"""


def test_a_start_reads_the_file_once(tmp_path: Path) -> None:
    """Settings, rules, limits and workspaces are of one content, also where the file is replaced meanwhile."""
    path = tmp_path / "vpsops.toml"
    path.write_text(WHOLE, encoding="utf-8")
    settings = load_settings({"VPSOPS_CONFIG": str(path)})
    path.unlink()
    assert [rule.id for rule in load_policy(settings).rules] == ["all"]
    assert load_limits(settings).max_servers == 20
    assert load_workspaces(settings).known == ()
    assert [rule["id"] for rule in declaration_of(settings).rules or ()] == ["all"]


def test_settings_for_another_file_read_that_one(tmp_path: Path) -> None:
    """The cached file is not used for another, and a missing file is not an empty file."""
    path, other = tmp_path / "vpsops.toml", tmp_path / "other.toml"
    path.write_text(WHOLE, encoding="utf-8")
    settings = load_settings({"VPSOPS_CONFIG": str(path)}).model_copy(update={"config": other})
    with pytest.raises(ConfigurationError, match=r"other\.toml cannot be read"):
        load_limits(settings)
    other.write_text("[limits]\nmax_servers = 3\n", encoding="utf-8")
    assert load_limits(settings).max_servers == 3


@pytest.mark.parametrize(
    ("key", "line"),
    [
        (("limits", "mcp", "tools"), 1),
        (("limits", "absent"), 1),
        (("top",), 2),
        (("rule",), 4),
        (("settings", "VPSOPS_CHANNEL"), 13),
        (("settings", "absent"), 12),
        (("table", "inner", "key"), 16),
        (("table",), 15),
        (("absent",), 1),
    ],
    ids=lambda value: ".".join(value) if isinstance(value, tuple) else None,
)
def test_each_key_has_its_line(key: tuple[str, ...], line: int) -> None:
    """A key that is not written has the line of its surroundings."""
    assert parse_config(PLACES, "f").line(*key) == line


def test_each_element_of_an_array_has_its_table() -> None:
    """Of one that is written in a line, that line."""
    assert [(table.line, table.key("id")) for table in parse_config(PLACES, "f").elements("rule")] == [(4, 5), (9, 10)]
    inline = parse_config('# rules\nrule = [{ id = "a" }, { id = "b" }]\n', "f")
    assert [table.key("id") for table in inline.elements("rule")] == [2, 2]
    assert parse_config("rule = 5\n", "f").elements("rule") == []


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"[limits\n", "line 1"),
        (b"a = '\xff'\n", "must be TOML in UTF-8"),
        (b"#" * (MAX_CONFIG_BYTES + 1), "over a megabyte"),
        (b"a = " + b"[" * 20_000, "nested too deeply"),
        (b"a = " + b"1" * 5_000, "too long"),
    ],
    ids=["syntax", "encoding", "size", "depth", "number"],
)
def test_a_file_that_is_none_is_refused(tmp_path: Path, content: bytes, why: str) -> None:
    """The error has the file's path and what to do."""
    path = tmp_path / "vpsops.toml"
    path.write_bytes(content)
    with pytest.raises(ConfigurationError, match=why) as refused:
        read_config(str(path))
    assert str(path) in str(refused.value)


@pytest.mark.parametrize(
    ("model", "written", "message", "hint"),
    [
        (WrittenRule, {"id": "a", "decision": "dney"}, "unknown decision dney.", "Did you mean deny?"),
        (WrittenRule, {"decison": "deny"}, "unknown key decison.", "Did you mean decision?"),
        (
            WrittenRule,
            {"id": "a", "decision": "deny", "approvers": {"group": []}},
            "unknown key approvers.group.",
            "Did you mean groups?",
        ),
        (WrittenRule, {"id": "a"}, "decision is missing.", "There are allow, confirm, approve, deny."),
        (WrittenRule, {"id": "a", "decision": "deny", "votes": "2"}, "votes: it takes a whole number.", ""),
        (WrittenLimits, {"mcp": {"tool": []}}, "unknown key mcp.tool.", "Did you mean tools?"),
        (WrittenLimits, {"mcp": 5}, "mcp: it takes a table of keys.", ""),
        (WrittenLimits, {"mcp": {"read_only": 1}}, "mcp.read_only: it takes true or false.", ""),
        (
            WrittenLimits,
            {"currency": "eur"},
            "currency: it takes a currency's three capital letters.",
            "For example EUR.",
        ),
        (WrittenWorkspace, {}, "team is missing.", 'Write team = "T…".'),
        (WrittenWorkspace, {"team": "T1", "chanel": "C1"}, "unknown key chanel.", "Did you mean channel?"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_is_wrong_is_said_in_one_way(
    model: type[WrittenTable], written: dict[str, Any], message: str, hint: str
) -> None:
    """For rules, limits and workspaces alike: the key, what it takes, and what to write."""
    with pytest.raises(ValidationError) as refused:
        model.model_validate(written)
    problem = schema_problem(refused.value, model, "table")
    assert (problem.message, problem.hint) == (message, hint)
