"""A table in a host's TOML: it goes in and out, and every line that is not ours stays."""

import tomllib

import pytest

from vpsops.cli.hosts.catalogue import NAME, Entry
from vpsops.cli.hosts.json_tokens import HostTextError
from vpsops.cli.hosts.toml_document import TomlDocument

ENTRY: Entry = {"command": 'C:\\v "x"\x7f', "args": ["mcp"], "env": {"VPSOPS_CONFIG": "/etc/é.toml"}}
SECTION = "mcp_servers"
TEXTS = {
    "empty": "",
    "plain": 'model = "x"  # mine\n',
    "no end": 'model = "x"',
    "others": 'model = "x"\n\n[mcp_servers.docs]\ncommand = "d"\n\n# about the next\n[tui]\ntheme = "dark"\n',
    "windows": 'model = "x"\r\n[tui]\r\na = 1\r\n',
    "strings": 'text = """\n[mcp_servers.vpsops]\ncommand = "no"\n"""\n[mcp_servers]\n',
}


@pytest.mark.parametrize("text", TEXTS.values(), ids=TEXTS)
def test_a_table_goes_in_and_out(text: str) -> None:
    document = TomlDocument(text, SECTION)
    after = document.with_server(ENTRY)
    assert after.startswith(text)
    assert tomllib.loads(after)[SECTION][NAME] == ENTRY
    back = TomlDocument(after, SECTION).without_server()
    assert back.rstrip() == text.rstrip()


def test_our_table_is_found_wherever_it_stands() -> None:
    """With a table inside it, between others, and with comments that belong to the next one."""
    text = (
        '[mcp_servers.vpsops]\ncommand = "old"\nargs = [\n  "mcp", # a word\n]\n\n[mcp_servers.vpsops.env]\nA = "b"\n'
        '\n# about docs\n[mcp_servers.docs]\ncommand = "d"\n'
    )
    back = TomlDocument(text, SECTION).without_server()
    assert tomllib.loads(back) == {SECTION: {"docs": {"command": "d"}}}
    assert "# about docs\n[mcp_servers.docs]" in back
    after = TomlDocument(text, SECTION).with_server(ENTRY)
    assert tomllib.loads(after)[SECTION] == {"docs": {"command": "d"}, NAME: ENTRY}


@pytest.mark.parametrize(
    "text",
    [
        "mcp_servers = 1\n",
        "mcp_servers = { docs = { command = 'd' } }\n",
        "[mcp_servers]\nvpsops.command = 'v'\n",
        "a = \n",
        "[[mcp_servers]]\na = 1\n",
    ],
)
def test_a_text_that_a_table_cannot_be_put_into_is_refused(text: str) -> None:
    with pytest.raises(HostTextError):
        TomlDocument(text, SECTION).with_server(ENTRY)
