"""Settings change in an existing file, and everything else stays: comments, rules, their order."""

import tomllib

import pytest

from vpsops.cli.setup.config_text import changed_text, new_text
from vpsops.core.common.errors import ConfigurationError

BEFORE = """# ours
[settings]  # of this machine
VPSOPS_CHANNEL = "C0OPS"  # notices
VPSOPS_ACTOR = "ann@example.com"

[[rule]]
id = "all"   # for now
decision = "allow"
"""


@pytest.mark.parametrize(
    ("settings", "old", "new"),
    [
        ({"VPSOPS_CHANNEL": "C1"}, 'VPSOPS_CHANNEL = "C0OPS"  # notices\n', 'VPSOPS_CHANNEL = "C1"\n'),
        ({"VPSOPS_CHANNEL": None}, 'VPSOPS_CHANNEL = "C0OPS"  # notices\n', ""),
        ({"VPSOPS_CHANNEL": "C0OPS"}, "", ""),
        ({"SLACK_APP_TOKEN": None}, "", ""),
        ({"A": 'q"\\'}, "# of this machine\n", '# of this machine\nA = "q\\"\\\\"\n'),
    ],
)
def test_one_setting_changes_one_line(settings: dict[str, str | None], old: str, new: str) -> None:
    """Replaced, removed, as it was, not there, added."""
    assert changed_text(BEFORE, "v.toml", settings) == (BEFORE.replace(old, new) if old else BEFORE)


@pytest.mark.parametrize("before", ["", "# nothing yet\n", '[[rule]]\nid = "all"\ndecision = "allow"\n', "[settings]"])
def test_a_table_is_made_where_there_is_none(before: str) -> None:
    """Before the other tables, so that it ends none of them."""
    after = tomllib.loads(changed_text(before, "v.toml", {"A": "b"}))
    assert after["settings"] == {"A": "b"}
    assert after.get("rule") == tomllib.loads(before).get("rule")


def test_rules_are_added_at_the_end() -> None:
    """Where the file has none."""
    after = changed_text('[settings]\nA = "b"\n', "v.toml", {}, '[[rule]]\nid = "all"\ndecision = "allow"\n')
    assert tomllib.loads(after) == {"settings": {"A": "b"}, "rule": [{"id": "all", "decision": "allow"}]}


@pytest.mark.parametrize(
    "before",
    [
        'settings = { VPSOPS_CHANNEL = "C0OPS", SLACK_API_URL = "https://slack.example/api/" }\n',
        '[settings]\nVPSOPS_CHANNEL = """\nC0OPS"""\n',
    ],
)
def test_a_file_that_lines_cannot_change_is_left_alone(before: str) -> None:
    """The result is parsed and compared: nothing is guessed."""
    with pytest.raises(ConfigurationError, match=r"v\.toml is written in a way that init cannot change"):
        changed_text(before, "v.toml", {"VPSOPS_CHANNEL": "C1", "VPSOPS_ACTOR": "a@b.example"})


def test_a_new_file_says_where_it_came_from() -> None:
    """And holds the settings and the rules."""
    text = new_text({"A": "b"}, '[[rule]]\nid = "all"\ndecision = "allow"\n')
    assert text.startswith("# Written by `vpsops init`")
    assert tomllib.loads(text) == {"settings": {"A": "b"}, "rule": [{"id": "all", "decision": "allow"}]}
