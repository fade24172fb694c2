"""What editors and slips of the pen put into a policy: words that seem right, and would never match."""
# ruff: noqa: E501 - a row of the table is easier to read whole

from pathlib import Path

import pytest
from inline_snapshot import snapshot

from vpsops.cli import main as console
from vpsops.core.common.errors import ConfigurationError
from vpsops.core.policy import parse_policy

BODY = '[[rule]]\nid = "one"\ndecision = "deny"\n'
APPROVED = '[[rule]]\nid = "one"\ndecision = "approve"\n'


def refused(text: str) -> str:
    with pytest.raises(ConfigurationError) as caught:
        parse_policy(text, "vpsops.toml")
    return str(caught.value)


def test_a_server_that_no_hostname_can_match_is_refused() -> None:
    """A deny that silently never matches would be a hole: line ends, open brackets, ranges that run backwards."""
    words = ["db01\\n", "db[", "db]", "db[]", "db[!]", "db[z-a]", "db!1", ".db", "", "d" * 254]
    assert {word[:20]: refused(f'{BODY}server = "{word}"\n')[:75] for word in words} == snapshot(
        {
            "db01\\n": "vpsops.toml:4: rule one: server: 'db01\\n' is not a hostname, a pattern or a",
            "db[": "vpsops.toml:4: rule one: server: db[ is not a hostname, a pattern or an id.",
            "db]": "vpsops.toml:4: rule one: server: db] is not a hostname, a pattern or an id.",
            "db[]": "vpsops.toml:4: rule one: server: db[] is not a hostname, a pattern or an id",
            "db[!]": "vpsops.toml:4: rule one: server: db[!] is not a hostname, a pattern or an i",
            "db[z-a]": "vpsops.toml:4: rule one: server: db[z-a] has a range that runs backwards, s",
            "db!1": "vpsops.toml:4: rule one: server: db!1 is not a hostname, a pattern or an id",
            ".db": "vpsops.toml:4: rule one: server: .db is not a hostname, a pattern or an id.",
            "": "vpsops.toml:4: rule one: server: '' is not a hostname, a pattern or an id. ",
            "dddddddddddddddddddd": "vpsops.toml:4: rule one: server: 'ddddddddddddddddddddddddddddddddddddddddd",
        }
    )


def test_patterns_with_ranges_match_in_any_case() -> None:
    """A range is one, and is as blind to case as the rest."""
    policy = parse_policy(BODY + 'server = ["db[0-3]*", "WEB[!A-C]", "[a-c]x"]\n', "vpsops.toml")
    assert policy.rules[0].match.server == {"db[0-3]*", "web[!a-c]", "[a-c]x"}


def test_ids_with_a_line_end_are_refused() -> None:
    """They seem right, and would match no person."""
    for key, word in (("groups", "S1"), ("people", "U1"), ("people", "a@example.com"), ("channels", "C1")):
        refusal = refused(f'{APPROVED}approvers.{key} = "{word}\\n"\n')
        assert refusal.startswith(f"vpsops.toml:4: rule one: approvers.{key}: '{word}\\n' is not ")


def test_days_without_an_end_are_refused() -> None:
    """`Mon-` is not taken for Monday alone."""
    for hours in ("Mon-", "Mon- 08:00-18:00", "Mon-08:00-18:00", "-Mon", "Mon,", "Mon-Tue-Wed", "Mon--Tue"):
        assert refused(f'{BODY}time_zone = "UTC"\nhours = "{hours}"\n').startswith("vpsops.toml:5: rule one: '")


def test_a_value_of_another_type_is_told_in_plain_words() -> None:
    """No word of the validator's own shows, and true is not one."""
    lines = {
        "votes": ["true", "1.5", "0", "21", '"2"'],
        "expires": ["3600", '"5s"', '"8d"', '"soon"', '""'],
        "approvers": ['"S1"', "[]", "{}"],
        "reason": ["5", "[]"],
        "id": ["5", '""'],
    }
    refusals = {}
    for key, values in lines.items():
        for value in values:
            text = APPROVED.replace('id = "one"\n', "") if key == "id" else APPROVED
            text += 'approvers.people = "U1"\n' if key == "expires" else ""
            refusals[f"{key} = {value}"] = refused(f"{text}{key} = {value}\n")
    assert refusals == snapshot(
        {
            "votes = true": "vpsops.toml:4: rule one: votes: it takes a whole number.",
            "votes = 1.5": "vpsops.toml:4: rule one: votes: it takes a whole number.",
            "votes = 0": "vpsops.toml:4: rule one: votes: input should be greater than or equal to 1.",
            "votes = 21": "vpsops.toml:4: rule one: votes: input should be less than or equal to 20.",
            'votes = "2"': "vpsops.toml:4: rule one: votes: it takes a whole number.",
            "expires = 3600": "vpsops.toml:5: rule one: expires: it takes a text, in quotes.",
            'expires = "5s"': "vpsops.toml:5: rule one: expires is a time from 1m to 7d, such as 30m or 2h.",
            'expires = "8d"': "vpsops.toml:5: rule one: expires is a time from 1m to 7d, such as 30m or 2h.",
            'expires = "soon"': "vpsops.toml:5: rule one: expires is a time from 1m to 7d, such as 30m or 2h.",
            'expires = ""': "vpsops.toml:5: rule one: expires is a time from 1m to 7d, such as 30m or 2h.",
            'approvers = "S1"': "vpsops.toml:4: rule one: approvers: it takes a table of keys.",
            "approvers = []": "vpsops.toml:4: rule one: approvers: it takes a table of keys.",
            "approvers = {}": 'vpsops.toml:4: rule one: approvers is empty. For example approvers = { groups = ["S0ONCALL"] }.',
            "reason = 5": "vpsops.toml:4: rule one: reason: it takes a text, in quotes.",
            "reason = []": "vpsops.toml:4: rule one: reason: it takes a text, in quotes.",
            "id = 5": "vpsops.toml:3: id: it takes a text, in quotes.",
            'id = ""': "vpsops.toml:3: rule '': id: it takes lower-case letters, digits and hyphens, at most 64. For example id = \"databases-need-two\".",
        }
    )


def test_true_is_no_price() -> None:
    """TOML's booleans and infinite numbers are not numbers of anything."""
    for value in ("true", "inf", "-inf", "nan", '"5"'):
        assert refused(f'{BODY}operation = "create"\ncost_above = {value}\n').startswith(
            "vpsops.toml:5: rule one: cost_above: "
        )


def test_double_brackets_within_a_rule_have_their_own_line() -> None:
    """`[[rule.approvers]]` is a slip for `[rule.approvers]`."""
    assert refused(f'{APPROVED}[[rule.approvers]]\npeople = "U1"\n') == snapshot(
        "vpsops.toml:4: rule one: approvers: it takes a table of keys."
    )


def test_a_file_of_an_editor_that_marks_the_byte_order_is_read(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The mark and the line ends of Windows are no part of the first rule, and move no line."""
    path = tmp_path / "vpsops.toml"
    path.write_bytes(b"\xef\xbb\xbf" + BODY.replace("\n", "\r\n").encode())
    assert console.main(["policy", "check", str(path)]) == 0
    assert "1 rules (1 deny)" in capsys.readouterr().out
    path.write_bytes(path.read_bytes() + b"votes = 1\r\n")
    assert console.main(["policy", "check", str(path)]) == 2
    assert f"{path}:4: rule one: votes goes with" in capsys.readouterr().err
