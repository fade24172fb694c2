"""An entry in a host's JSON: it goes in and out, and every character that is not ours stays."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vpsops.cli.hosts.catalogue import NAME, Entry
from vpsops.cli.hosts.json_document import JsonDocument
from vpsops.cli.hosts.json_tokens import HostTextError, tokens_of

ENTRY: Entry = {"command": "/opt/vpsops/bin/vpsops", "args": ["mcp"], "env": {"VPSOPS_CONFIG": "/etc/vpsops.toml"}}
SECTION = "mcpServers"
OURS = json.dumps(ENTRY)
LAYOUTS = {
    "spaces": '{\n  "mcpServers": {\n    "other": {"command": "x"}\n  }\n}\n',
    "tabs": '{\n\t"theme": "dark",\n\t"mcpServers": {\n\t\t"other": {"command": "x"}\n\t}\n}',
    "four": '{\n    "mcpServers": {},\n    "z": [1, 2.50, 1e3, "\\u00e9é"]\n}\n',
    "one line": '{"a":1,"mcpServers":{"other":{"command":"x"}}}',
    "windows": '{\r\n  "mcpServers": {\r\n    "other": {}\r\n  }\r\n}\r\n',
    "absent": '{\n  "numStartups": 17,\n  "projects": {"/a": {"mcpServers": {"x": {}}}}\n}\n',
    "bare": "{}",
    "spaced": "{ }\n",
    "odd": '{ "mcpServers" : { "other" : { } , "third":null } , "b" : "}{,:" }',
}
COMMENTS = {
    "above": '{\n  // all of them\n  "servers": {\n    // the first\n    "other": {} // note, with a comma\n  }\n}\n',
    "trailing": '{\n  "servers": {\n    "other": {}, // last\n  },\n}\n',
    "block": '{"servers": {/* none */}}',
    "empty": '{\n  "servers": {\n    // none yet\n  }\n}\n',
    "url": '{"servers": {"other": {"url": "http://127.0.0.1:8900/mcp"}}}',
}


def is_subsequence(before: str, after: str) -> bool:
    """Return whether a text is another one with characters left out."""
    rest = iter(after)
    return all(char in rest for char in before if char not in " \t\r\n")


@pytest.mark.parametrize("text", LAYOUTS.values(), ids=LAYOUTS)
def test_an_entry_goes_in_and_out(text: str) -> None:
    """One stretch is added, in the file's own layout, and what is left afterwards says the same."""
    document = JsonDocument(text, SECTION)
    after = document.with_server(ENTRY)
    assert json.loads(after)[SECTION] == {**document.servers, NAME: ENTRY}
    assert is_subsequence(text, after)
    back = JsonDocument(after, SECTION).without_server()
    assert json.loads(back) == {**document.values, SECTION: document.servers}
    if document.servers:
        assert back == text


@pytest.mark.parametrize("text", COMMENTS.values(), ids=COMMENTS)
def test_comments_and_trailing_commas_stay(text: str) -> None:
    document = JsonDocument(text, "servers", comments=True)
    after = document.with_server(ENTRY)
    assert JsonDocument(after, "servers", comments=True).servers == {**document.servers, NAME: ENTRY}
    assert is_subsequence(text, after)
    back = JsonDocument(after, "servers", comments=True).without_server()
    assert JsonDocument(back, "servers", comments=True).servers == document.servers
    assert [t.text for t in tokens_of(back) if t.kind == "comment"] == [
        t.text for t in tokens_of(text) if t.kind == "comment"
    ]


def test_the_layout_of_the_file_is_kept() -> None:
    """Indented by tabs where it is, and behind a comment on the last line."""
    assert JsonDocument(LAYOUTS["tabs"], SECTION).with_server({"command": "v"}) == (
        '{\n\t"theme": "dark",\n\t"mcpServers": {\n\t\t"other": {"command": "x"},\n'
        '\t\t"vpsops": {\n\t\t\t"command": "v"\n\t\t}\n\t}\n}'
    )
    assert JsonDocument(COMMENTS["above"], "servers", comments=True).with_server({}) == (
        '{\n  // all of them\n  "servers": {\n    // the first\n    "other": {}, // note, with a comma\n'
        '    "vpsops": {}\n  }\n}\n'
    )
    assert "\r\n" in JsonDocument(LAYOUTS["windows"], SECTION).with_server(ENTRY)
    assert "\n" not in JsonDocument(LAYOUTS["one line"], SECTION).with_server(ENTRY)
    assert JsonDocument(LAYOUTS["windows"], SECTION).with_server(ENTRY).count("\n") == (
        JsonDocument(LAYOUTS["windows"], SECTION).with_server(ENTRY).count("\r\n")
    )


@pytest.mark.parametrize("place", [0, 1, 2])
def test_another_entry_of_that_name_is_replaced_where_it_stands(place: int) -> None:
    names = ["a", "b"]
    names.insert(place, NAME)
    text = json.dumps({SECTION: {name: {"command": name} for name in names}}, indent=1)
    after = JsonDocument(text, SECTION).with_server(ENTRY)
    assert list(json.loads(after)[SECTION]) == names
    assert json.loads(after)[SECTION][NAME] == ENTRY
    assert json.loads(JsonDocument(after, SECTION).without_server()) == {
        SECTION: {"a": {"command": "a"}, "b": {"command": "b"}}
    }


@pytest.mark.parametrize(
    "text",
    [
        "{",
        "[]",
        '{"mcpServers": []}',
        '{"mcpServers": null}',
        '{"mcpServers": {}, "mcpServers": {}}',
        '{"mcpServers": {"a": 1, "a": 2}}',
        '{"mcpServers": {},}',
        '// words\n{"mcpServers": {}}',
        "{'mcpServers': {}}",
        "[" * 100_000,
        '{"a": "\n"}',
    ],
)
def test_a_text_that_its_host_would_not_read_is_refused(text: str) -> None:
    with pytest.raises(HostTextError):
        JsonDocument(text, SECTION).with_server(ENTRY)


@pytest.mark.parametrize(
    "text", ['{"servers": {,}}', '{,"servers": {}}', '{"servers": {"a": 1,,}}', "{/* ", '{"a": /}']
)
def test_comments_excuse_nothing_else(text: str) -> None:
    with pytest.raises(HostTextError):
        JsonDocument(text, "servers", comments=True).with_server(ENTRY)


@pytest.mark.parametrize("text", ["", "  \n"])
def test_an_empty_file_is_a_new_one(text: str) -> None:
    assert json.loads(JsonDocument(text, SECTION).with_server(ENTRY)) == {SECTION: {NAME: ENTRY}}


WORDS = st.text(max_size=8)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | WORDS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(WORDS, inner, max_size=3),
    max_leaves=8,
)
SERVERS = st.dictionaries(WORDS, VALUES, max_size=3)
FILES = st.builds(
    lambda other, servers, last: {**other, SECTION: servers, **{k: v for k, v in last.items() if k != SECTION}},
    st.dictionaries(WORDS, VALUES, max_size=3),
    SERVERS,
    st.dictionaries(WORDS, VALUES, max_size=2),
)


@given(FILES, st.sampled_from([None, 2, 4, "\t"]), st.sampled_from([(",", ":"), (", ", ": ")]), st.booleans())
def test_whatever_a_file_says_stays(
    values: dict[str, object], indent: int | str | None, separators: tuple[str, str], comments: bool
) -> None:
    """For any content, in any usual layout, read with comments or without."""
    text = json.dumps(values, indent=indent, separators=separators)
    document = JsonDocument(text, SECTION, comments=comments)
    after = document.with_server(ENTRY)
    rest = {name: value for name, value in document.servers.items() if name != NAME}
    assert json.loads(after) == {**values, SECTION: {**rest, NAME: ENTRY}}
    if NAME not in document.servers:
        assert is_subsequence(text, after)
        back = JsonDocument(after, SECTION, comments=comments).without_server()
        assert back == text if rest else json.loads(back) == values
