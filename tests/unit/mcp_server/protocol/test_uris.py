"""Addresses are unambiguous: every written address is read back, and nothing else is read at all."""

from hypothesis import given
from hypothesis import strategies as st

from vpsops.mcp_server.protocol.uris import ResourceAddress, ResourceKind, change_uri, page_uri, parse_uri, server_uri

WORDS = st.text(alphabet="abz019.-_/%?#:@ \n\x00é", max_size=30)


@given(WORDS)
def test_a_servers_address_leads_back_to_it(ref: str) -> None:
    """Whatever id has an address is found under it, letter by letter; what could be taken for a path has none."""
    uri = server_uri(ref)
    if uri is None:
        assert parse_uri(f"vps://servers/{ref}") is None
    else:
        assert parse_uri(uri) == ResourceAddress(ResourceKind.SERVER, ref)
        assert not set(ref) & set("/%?#:@ \n\x00")


@given(st.text(min_size=1, max_size=60).filter(str.isprintable))
def test_a_pages_address_holds_any_cursor(cursor: str) -> None:
    """A cursor comes back as it was, whatever a hostname puts into it."""
    uri = page_uri(cursor)
    result = parse_uri(uri)
    assert result == (ResourceAddress(ResourceKind.SERVERS, cursor) if len(uri) <= 600 else None)


@given(st.text(max_size=40) | WORDS.map("vps://changes/".__add__) | WORDS.map("vps://catalogue/".__add__))
def test_no_text_is_more_than_it_says(uri: str) -> None:
    """Any other text leads nowhere, and breaks nothing."""
    result = parse_uri(uri)
    assert result is None or uri in {"vps://servers", "vps://catalogue/plans"} or uri == change_uri(result.ref)
