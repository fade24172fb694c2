"""Line numbers match TOML's own count, whatever strings and comments contain."""

import tomllib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vpsops.core.config.toml_locations import tables


def test_lines_are_right_around_comments_strings_and_brackets() -> None:
    """Only what TOML takes for a table or a key counts."""
    text = (
        '# [[rule]]\n\n[[ rule ]] # first ]\nid = "a"\nreason = """\n[[rule]]\nid = "no"\n"""\nserver = [\n  "x", # ]\n'
        '  "[[rule]]",\n]\n\n[["rule"]]\n"id" = "b"\r\n'
    )
    results = tables(text)
    assert [(table.name, table.line) for table in results] == [((), 1), (("rule",), 3), (("rule",), 14)]
    assert results[1].keys == {"id": 4, "reason": 5, "server": 9}
    assert results[2].keys == {"id": 15}


@pytest.mark.parametrize(
    "value",
    [
        '"""a\n\\""" b = 1\n[[rule]]\n"""',
        '"""a\n"" two\n""""',
        "'''a\n\"\"\"\n'''",
        "'''\n'' two'''''",
        '"""\\\\\n"""',
        '["]", \'"""\', [\n"[["\n],\n# """\n]',
        '{ a = "}", "b=c" = [\n1,\n] }',
        '"#" # "',
        "'\\' # '",
        '""',
        '"""\n\n"""',
    ],
)
def test_awkward_values_move_no_line(value: str) -> None:
    """A key after such a value has its right line."""
    text = f'first = 1\nodd = {value}\nlast = 2\n[[rule]]\n"a=b" = 3\n'
    assert tomllib.loads(text)["last"] == 2
    line = 3 + value.count("\n")
    top, rule = tables(text)
    assert (top.key("first"), top.key("odd"), top.key("last")) == (1, 2, line)
    assert (rule.line, rule.key("a=b")) == (line + 1, line + 2)


def test_a_table_within_a_rule_is_a_key_of_it() -> None:
    """A table's own keys have lines, too; a key without a line has that of its surroundings."""
    first = '[[rule]]\nid = "a"\n[rule.approvers]\ngroups = ["S1"]\n'
    _, entry, two, other = tables(f'{first}[[rule]]\napprovers.people = ["U1"]\n[other.thing]\nx = 1\n')
    assert entry.keys == {"id": 2, "approvers": 3, "approvers.groups": 4}
    assert (entry.key("approvers", "groups"), entry.key("approvers", "people"), entry.key("votes")) == (4, 3, 1)
    assert (two.line, two.key("approvers", "people"), other.name) == (5, 6, ("other", "thing"))


PIECES = st.sampled_from(
    ['"', '""', '"""', "'", "''", "'''", "\\", "#", "[", "]", "[[rule]]", "{", "}", "=", "a", " ", "\n", ","]
)


@given(st.lists(PIECES, max_size=14).map("".join))
def test_any_text_that_is_toml_keeps_its_lines(middle: str) -> None:
    """Whatever stands between, as a value or as more lines: if TOML reads it, the rule behind it is found."""
    for text in (f"odd = {middle}\n[[rule]]\nid = 1\n", f"{middle}\n[[rule]]\nid = 1\n"):
        try:
            data = tomllib.loads(text)
        except tomllib.TOMLDecodeError:
            continue
        line = text.count("\n") - 1
        assert tables(text)[-1].line == line
        assert len([table for table in tables(text) if table.name == ("rule",)]) == len(data["rule"])


def test_a_dotted_table_that_is_inside_none_has_its_keys_by_their_own_names() -> None:
    """`[limits.agents]` is a table of its own, and no key of what stands before it."""
    (_, rule, limits) = tables('[[rule]]\nid = "a"\n[limits.agents]\nservers = 1\n')
    assert (rule.name, limits.name) == (("rule",), ("limits", "agents"))
    assert (rule.keys, limits.keys) == ({"id": 2}, {"servers": 4})
