"""Addresses mean one thing each: what is written is read back, and nothing else is read at all."""

from hypothesis import given
from hypothesis import strategies as st

from vpsops.mcp_server.protocol.uris import Address, Kind, address_of, change_address, page_address, server_address

WORDS = st.text(alphabet="abz019.-_/%?#:@ \n\x00é", max_size=30)


@given(WORDS)
def test_a_servers_address_leads_back_to_it(ref: str) -> None:
    """Whatever id has an address is found under it, letter by letter; what could be taken for a path has none."""
    uri = server_address(ref)
    if uri is None:
        assert address_of(f"vps://servers/{ref}") is None
    else:
        assert address_of(uri) == Address(Kind.SERVER, ref)
        assert not set(ref) & set("/%?#:@ \n\x00")


@given(st.text(min_size=1, max_size=60).filter(str.isprintable))
def test_a_pages_address_holds_any_cursor(cursor: str) -> None:
    """A cursor comes back as it was, whatever a hostname puts into it."""
    uri = page_address(cursor)
    found = address_of(uri)
    assert found == (Address(Kind.SERVERS, cursor) if len(uri) <= 600 else None)


@given(st.text(max_size=40) | WORDS.map("vps://changes/".__add__) | WORDS.map("vps://catalogue/".__add__))
def test_no_text_is_more_than_it_says(uri: str) -> None:
    """Any other text leads nowhere, and breaks nothing."""
    found = address_of(uri)
    assert found is None or uri in {"vps://servers", "vps://catalogue/plans"} or uri == change_address(found.ref)
