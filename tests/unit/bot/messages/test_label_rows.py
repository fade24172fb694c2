"""Labels, tags and the owner of a server on its page, in the list and on cards."""

from tests.fakes.clock import START
from tests.fakes.slack_bot import words_of
from tests.unit.core.sample import change
from vpsops.bot.messages.change_card import CardOptions, change_card
from vpsops.bot.messages.servers import OperationCall, server_details, server_page
from vpsops.core.operations.servers import ServerList
from vpsops.core.wayscloud.answers.models import Server

WEB = Server(
    id="a1",
    hostname="web01",
    status="running",
    labels={"kontakt": "Kari <!channel>", "env": "prod"},
    tags=("web", "public"),
)
SHOW, LIST = OperationCall("get", {"server": "a1"}), OperationCall("list", {})


def page(server: Server, owner: str = "kontakt") -> str:
    """Return the words of a server's page."""
    return " ".join(words_of(list(server_details(server, SHOW, owner=owner).blocks)))


def test_a_page_shows_owner_labels_and_tags() -> None:
    """The owner is the label that the settings name; no labels are none, and what is not known is not shown."""
    assert "env=prod, kontakt=Kari" in page(WEB)
    assert "web, public" in page(WEB)
    assert "Owner" in page(WEB)
    assert "Owner" not in page(WEB, "owner")
    assert "Labels none" in " ".join(
        page(WEB.model_copy(update={"labels": {}})).replace("*", "").replace(":", "").split()
    )
    assert "Labels" not in page(WEB.model_copy(update={"labels": None}))


def test_a_list_and_a_card_name_the_owner() -> None:
    """Where it is known."""
    listed = server_page(ServerList(servers=[WEB], total=1), LIST, owner="kontakt")
    assert "owner Kari" in " ".join(words_of(list(listed.blocks)))
    assert "owner Kari" not in " ".join(words_of(list(server_page(ServerList(servers=[WEB], total=1), LIST).blocks)))
    card = change_card(change("stop"), START, options=CardOptions(owner="Kari"))
    assert "Kari" in " ".join(words_of(list(card.blocks)))
