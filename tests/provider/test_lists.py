"""Lists that are not whole: pages in every form that is known, caps, unreadable entries, the same one twice."""

from collections.abc import Mapping, Sequence
from typing import Any

import httpx
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from tests.fakes.clock import FakeClock
from tests.fakes.provider import BASE, KEY, QUICK, Provider, Reply
from vpsops.core.operations import OPERATIONS
from vpsops.core.wayscloud.answers.pages import next_page_of
from vpsops.core.wayscloud.client import Wayscloud
from vpsops.core.wayscloud.requests.connection import ProviderConnection
from vpsops.core.wayscloud.requests.credentials import Credentials
from vpsops.mcp_server.presenters.pagination import page_from
from vpsops.mcp_server.presenters.projection import ReadArguments

EACH = 20


def entry(number: int) -> dict[str, Any]:
    """Return a server as the list has it."""
    return {"id": f"id-{number:03}", "hostname": f"x{number}.example.com", "status": "running"}


FLEET = [entry(number) for number in range(45)]


def marks(url: str | None, after: int | None) -> dict[str, dict[str, Any]]:
    """Return how each form marks where a list continues."""
    number = (after or 4) - 1
    return {
        "next": {"next": url and f"{BASE}{url}"},
        "internal next": {"next": url and f"http://10.0.0.7:8000{url}"},
        "links.pages.next": {"links": {"pages": {"next": url} if url else {}}},
        "_links.next.href": {"_links": {"next": {"href": url}} if url else {}},
        "meta.pagination": {"meta": {"pagination": {"page": number, "next_page": after, "total_entries": 45}}},
        "page and total_pages": {"page": number, "total_pages": 3},
        "next_cursor": {"next_cursor": f"c{after}" if after else None, "has_more": bool(after)},
        "next_page_token": {"pagination": {"next_page_token": f"c{after}" if after else ""}},
        "has_more alone": {"has_more": bool(after)},
        "next elsewhere": {"next": after and "https://other.example.net/export"},
        "next is itself": {"next": "/v1/vps?page=1"},
    }


class Paged:
    """A list of 45 servers in pages of 20, under one cloud's names for where it continues."""

    def __init__(self, form: str, *, total: bool = False, broken: int = 0) -> None:
        self.form, self.total, self.broken = form, total, broken
        self.asked: list[str] = []

    def answer(self, request: Request) -> Response:
        """Return one page."""
        query = request.query_params
        self.asked.append(str(query))
        token = query.get("page") or query.get("cursor") or query.get("page_token") or "1"
        number = int(token.removeprefix("c"))
        if number == self.broken:
            return JSONResponse({"detail": "Internal error"}, 500)
        start = (number - 1) * EACH
        body: dict[str, Any] = {"instances": FLEET[start : start + EACH]}
        after = number + 1 if start + EACH < len(FLEET) else None
        headers = self._mark(body, after)
        if self.total:
            body["total"] = len(FLEET)
        return JSONResponse(body, headers=headers)

    def _mark(self, body: dict[str, Any], after: int | None) -> Mapping[str, str]:
        url = f"/v1/vps?page={after}" if after else None
        if self.form == "Link":
            return {"Link": f'<{url}>; rel="next", </v1/vps?page=1>; rel="first"'} if url else {}
        body |= marks(url, after).get(self.form, {})
        return {}

    def client(self) -> Wayscloud:
        """Return a client that talks to it in process."""
        app = Starlette(routes=[Route("/v1/vps", self.answer)])
        transport = httpx.ASGITransport(app)
        return Wayscloud(
            ProviderConnection(
                Credentials(KEY), base_url=BASE, clock=FakeClock(), settings=QUICK, http_transport=transport
            )
        )


FOLLOWED = [
    "next",
    "internal next",
    "Link",
    "links.pages.next",
    "_links.next.href",
    "meta.pagination",
    "page and total_pages",
    "next_cursor",
    "next_page_token",
]


@pytest.mark.parametrize("form", FOLLOWED)
@pytest.mark.requirement("partial-lists-are-partial")
async def test_a_list_in_a_known_form_of_pages_is_read_whole(form: str) -> None:
    """Each page is asked for once, on the configured origin."""
    paged = Paged(form)
    async with paged.client() as client:
        servers = await client.list_servers()
    assert [item.id for item in servers] == [item["id"] for item in FLEET]
    assert servers.complete
    assert len(paged.asked) == 3


@pytest.mark.parametrize(
    ("form", "total", "lack"),
    [
        ("has_more alone", False, "more than the 20 listed exist, which cannot be seen"),
        ("next elsewhere", False, "more than the 20 listed exist, which cannot be seen"),
        ("next is itself", False, "more than the 20 listed exist, which cannot be seen"),
        ("none", True, "20 of 45 are listed, the rest cannot be seen"),
        ("has_more alone", True, "20 of 45 are listed, the rest cannot be seen"),
    ],
)
@pytest.mark.requirement("partial-lists-are-partial")
async def test_what_cannot_be_followed_is_said(form: str, total: bool, lack: str) -> None:
    """An unknown mark for more, another origin, a loop, a total beyond the entries."""
    async with Paged(form, total=total).client() as client:
        servers = await client.list_servers()
    assert (len(servers), servers.complete, servers.lack) == (20, False, lack)


async def test_a_page_that_fails_makes_the_list_incomplete() -> None:
    """What came before it is not lost."""
    async with Paged("next", total=True, broken=3).client() as client:
        servers = await client.list_servers()
    assert (len(servers), servers.lack) == (40, "40 of 45 are listed, the rest cannot be seen")


@pytest.mark.parametrize(
    ("entries", "total", "ids", "lack"),
    [
        pytest.param([entry(1), entry(1), entry(2)], 3, ["id-001", "id-002"], "", id="the same one twice"),
        pytest.param(
            [entry(1), {"name": "odd"}, entry(2)], 3, ["id-001", "id-002"], "2 of 3 could be read", id="one odd"
        ),
        pytest.param([entry(1), None], 2, ["id-001"], "1 of 2 could be read", id="one is null"),
        pytest.param([entry(1)], None, ["id-001"], "", id="no total"),
        pytest.param([], 0, [], "", id="none"),
    ],
)
async def test_entries_are_counted_and_named_once(
    entries: Sequence[Any], total: int | None, ids: list[str], lack: str
) -> None:
    """A double is one server; an unreadable one is reported."""
    body = {"instances": entries} | ({} if total is None else {"total": total})
    async with Provider().on("GET", "/v1/vps", Reply(200, body)).client() as client:
        servers = await client.list_servers()
    assert [item.id for item in servers] == ids
    assert (servers.lack, servers.complete) == (lack, not lack)


@pytest.mark.parametrize(
    "body",
    [
        {"instances": [], "next": None},
        {"instances": [], "next": ""},
        {"instances": [], "has_more": False},
        {"instances": [], "meta": {"pagination": {"next_page": None, "page": 1, "last_page": 1}}},
        {"instances": [], "page": 2, "pages": 2},
        {"instances": [], "next": [], "links": "none", "meta": 3},
    ],
)
def test_a_last_page_has_no_sign_of_more(body: Any) -> None:
    """Empty marks are none."""
    sign = next_page_of(body, "", "/v1/vps", ())
    assert (sign.more and sign.query is not None) is False
    assert not sign.more or body.get("next") == []


@pytest.mark.parametrize(
    ("name", "read", "path"), [("plan_code", "plans", "/v1/vps/plans/"), ("code", "regions", "/v1/vps/regions")]
)
async def test_a_part_of_the_catalogue_says_what_it_lacks(name: str, read: str, path: str) -> None:
    """A model reads it below the table."""
    body = {read: [{name: "a"}], "total": 7}
    async with Provider().on("GET", path, Reply(200, body)).client() as client:
        result = await OPERATIONS[read].run(client, OPERATIONS[read].arguments(), None)
    text, _ = page_from(result, ReadArguments({}))
    assert text.split("\n")[-1] == "1 listed. 1 of 7 are listed, the rest cannot be seen."
