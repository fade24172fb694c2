"""Before agreeing to a new server a person sees what it is made from and every key with access, on every front end."""

import base64
from dataclasses import replace

import pytest

from tests.unit.bot.changes_in_every_state import AGENT, APPROVE, NOW, change
from vpsops.bot.messages.change_card import Audience, change_card
from vpsops.bot.views.home import HomePage, home_view
from vpsops.core.changes.create_spec import fingerprint, key_words, label_of, system_of
from vpsops.core.changes.model import Change
from vpsops.core.operations.target import Target
from vpsops.mcp_server.protocol.elicitation import form_text

KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIOMqqnkVzrm0SdG6UOoqKLsabgH5C9okWi0dh2l9GKJl me@laptop"
KEYS = [f"ssh-ed25519 {base64.b64encode(bytes([number] * 51)).decode()} {'x' * 400}{number}" for number in range(20)]


def create(**arguments: object) -> Change:
    made = {"hostname": "app01.example.com", "os_template": "ubuntu-24.04", "plan": "S", "region": "oslo", **arguments}
    return change(operation="create", arguments=made, target=Target("", "app01.example.com"), actor=AGENT)


def test_a_fingerprint_is_as_people_know_it() -> None:
    """The fingerprint is what `ssh-keygen -l` prints; a text that is no key has none."""
    assert fingerprint(KEY) == "SHA256:+DiY3wvvV6TuJJhbpZisF/zLDA0zPMSvHdkr4UvCOqU"
    assert fingerprint("ssh-ed25519 !!") == fingerprint("") == "a key that cannot be read"


@pytest.mark.parametrize("keys", [[KEY], KEYS])
def test_every_key_that_gets_in_is_shown_before_anybody_agrees(keys: list[str]) -> None:
    """On the card, on Home and in the client's question: none is behind the end of a line."""
    asked = create(ssh_keys=keys, display_name="Shop")
    voted = replace(asked, ruling=APPROVE)
    card, home = change_card(voted, NOW, Audience.VOTERS), home_view(HomePage(now=NOW, votes=[voted]))
    for text in (str(card.blocks), str(home), form_text(asked)):
        assert all(fingerprint(key)[:23] in text for key in keys)
        assert f"{len(keys)} SSH key" in text
        assert "ubuntu-24.04" in text
        assert "Shop" in text


def test_what_makes_no_server_is_made_from_nothing() -> None:
    """Other changes, and orders without keys, have no such field."""
    reboot = change(arguments={"server": "1", "ssh_keys": [KEY], "os_template": "x", "display_name": "x"})
    assert (system_of(reboot), label_of(reboot), key_words(reboot)) == ("", "", "")
    assert key_words(create()) == key_words(create(ssh_keys="x")) == ""
