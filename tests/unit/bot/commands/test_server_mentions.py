"""Which servers a message names: full names, addresses and ids, in the order they appear; never a part of a name."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vpsops.bot.commands.server_mentions import MOST_TEXT, mentioned_servers, message_text
from vpsops.bot.protocol.payloads import MessageContent
from vpsops.core.wayscloud.answers.models import Server

WEB = Server(
    id="b5c6d7e8-f9a0", hostname="web01.example.com", status="running", ipv4="185.35.202.45", ipv6="2a01:4f9::1"
)
DB = Server(id="c6d7e8f9-a0b1", hostname="db01.example.com", status="running", display_name="Ledger")
TWIN = Server(id="d7e8f9a0-b1c2", hostname="web01.example.org", status="running")
ALL = [WEB, DB, TWIN]


@pytest.mark.parametrize(
    ("text", "servers"),
    [
        ("web01.example.com is slow", [WEB]),
        ("Is WEB01.EXAMPLE.COM. up?", [WEB]),
        ("web01 is slow", [WEB, TWIN]),
        ("<http://web01.example.com|web01.example.com> and <https://db01.example.com/x?y=1|the db>", [WEB, DB]),
        ("ssh root@185.35.202.45:22", []),
        ("ping 185.35.202.45:443, then db01!", [WEB, DB]),
        ("from [2a01:4f9::1] to LEDGER", [WEB, DB]),
        ("chg on b5c6d7e8-f9a0", [WEB]),
        ("db01 web01.example.com db01.example.com", [DB, WEB]),
        ("web010.example.com, myweb01.example.com, web01.example.comm", []),
        ("*db01* `db01` ~db01~ (db01) 'db01' \"db01\"", [DB]),
        ("", []),
    ],
)
def test_what_is_named_in_full_is_found_in_order(text: str, servers: list[Server]) -> None:
    """Links, ports, quotes and punctuation do not hide a name; another name that contains it is another name."""
    assert [server.hostname for server in mentioned_servers(text, ALL)] == [item.hostname for item in servers]


@given(st.text(max_size=500))
def test_no_text_breaks_it_and_a_name_put_into_it_is_found(text: str) -> None:
    """Whatever else stands in a message."""
    assert WEB in mentioned_servers(f"{text} web01.example.com", ALL)


def test_alarms_that_write_into_blocks_and_attachments_are_read() -> None:
    """Other apps put their words there; how deep and how long they are is bounded."""
    deep: object = {"text": "too deep db01"}
    for _ in range(40):
        deep = [deep]
    content = MessageContent(
        text="Alarm",
        blocks=[{"type": "section", "text": {"type": "mrkdwn", "text": "web01.example.com"}}, deep],
        attachments=[{"fallback": "x", "fields": [{"title": "Host", "value": "db01.example.com"}]}, 7, None],
    )
    assert mentioned_servers(message_text(content), ALL) == [WEB, DB]
    assert len(message_text(MessageContent(text="x" * 90_000))) == MOST_TEXT
    assert mentioned_servers(message_text(MessageContent(text=None, blocks=None)), ALL) == []
