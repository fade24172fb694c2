"""Slash forms: tried at the configured origin, learned per path, and used for reads and writes."""

import pytest

from tests.fakes.provider import KEY, SERVER, SERVER_ID, Provider, Reply
from vpsops.core.wayscloud.answers.errors import NotFoundError, NotOfferedError, WayscloudError
from vpsops.core.wayscloud.answers.models import NewServer
from vpsops.core.wayscloud.requests.redirects import RedirectKind, redirect_kind

NEW = NewServer(hostname="new.example.com", plan="vps-2gb", region="oslo", os_template="debian-12")
LIST = Reply(200, {"instances": [SERVER], "total": 1})
CREATED = Reply(201, {"id": SERVER_ID, "hostname": "new.example.com", "status": "provisioning"})
STOP = f"/v1/vps/{SERVER_ID}/stop"


@pytest.mark.parametrize(
    ("location", "lead"),
    [
        ("/v1/vps/", RedirectKind.OTHER_FORM),
        ("http://api.test/v1/vps/", RedirectKind.OTHER_FORM),
        ("https://api-7.internal:8000/v1/vps/", RedirectKind.OTHER_FORM),
        ("/base/v1/vps/", RedirectKind.OTHER_FORM),
        ("", RedirectKind.INVALID),
        ("http://[broken/", RedirectKind.INVALID),
        ("file:///v1/vps/", RedirectKind.INVALID),
        ("/base/v1/vps", RedirectKind.SAME_ORIGIN),
        ("https://api.test:443/login", RedirectKind.SAME_ORIGIN),
        ("https://api.test/v1/vps/?next=1", RedirectKind.SAME_ORIGIN),
        ("http://api.test/base/v1/vps", RedirectKind.ELSEWHERE),
        ("https://user@api.test/base/v1/vps/", RedirectKind.ELSEWHERE),
        ("https://api.test:8443/login", RedirectKind.ELSEWHERE),
    ],
)
def test_where_a_redirect_leads_is_told_by_its_path(location: str, lead: RedirectKind) -> None:
    """Behind a proxy the scheme, the host and a path prefix get lost."""
    assert redirect_kind(location, "https://api.test/base/v1/vps", "/base/") is lead


SHAPES = {
    "307 with http": Reply(307, headers={"Location": "https://provider.test/v1/vps/"}),
    "308 internal host": Reply(308, headers={"Location": "http://api-7.internal:8000/v1/vps/"}),
    "301 same origin": Reply(301, headers={"Location": "/v1/vps/"}),
    "302 same origin": Reply(302, headers={"Location": "/v1/vps/"}),
    "307 same origin": Reply(307, headers={"Location": "/v1/vps/"}),
    "404": Reply(404, {"detail": "Not Found"}),
    "405": Reply(405, {"detail": "Method Not Allowed"}),
}


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.requirement("slash-forms-are-learned")
async def test_a_service_of_the_other_form_works_for_reads_and_writes(shape: str) -> None:
    """After one answer of the list, the list and the create go to the form that is served, and the key stays here."""
    provider = Provider().on("GET", "/v1/vps", SHAPES[shape]).on("GET", "/v1/vps/", LIST)
    provider.on("POST", "/v1/vps", SHAPES[shape]).on("POST", "/v1/vps/", CREATED)
    async with provider.client() as client:
        assert len(await client.list_servers()) == 1
        assert len(await client.list_servers()) == 1
        assert (await client.create_server(NEW)).id == SERVER_ID
    assert provider.paths() == ["GET /v1/vps", *["GET /v1/vps/"] * 2, "POST /v1/vps/"]
    assert {item.headers["host"] for item in provider.received} == {"provider.test"}
    assert all(KEY in item.headers.values() for item in provider.received)


@pytest.mark.parametrize("status", [404, 405])
@pytest.mark.requirement("slash-forms-are-learned")
async def test_a_write_learns_from_an_absent_route(status: int) -> None:
    """The list answers in the documented form and the create only in the other: the next write goes there."""
    provider = (
        Provider().on("GET", "/v1/vps", LIST).on("POST", "/v1/vps", Reply(status)).on("POST", "/v1/vps/", CREATED)
    )
    async with provider.client() as client:
        await client.list_servers()
        with pytest.raises(NotOfferedError) as caught:
            await client.create_server(NEW)
        assert caught.value.again
        await client.create_server(NEW)
        assert len(await client.list_servers()) == 1
    assert provider.paths()[1:] == ["POST /v1/vps", "POST /v1/vps/", "GET /v1/vps"]


async def test_a_power_operation_takes_the_form_of_its_servers_path() -> None:
    """A service that answers only with a slash is likely to want one after the operation too."""
    provider = Provider().on("GET", f"/v1/vps/{SERVER_ID}/", Reply(200, SERVER)).on("POST", f"{STOP}/", Reply(200, {}))
    async with provider.client() as client:
        await client.get_server(SERVER_ID)
        assert (await client.stop_server(SERVER_ID)).ok
    assert provider.paths()[-1] == f"POST {STOP}/"


async def test_both_forms_absent_is_an_answer() -> None:
    """A server that is gone is tried in both forms at most, and never again in the first."""
    provider = Provider()
    async with provider.client() as client:
        for again in (True, False):
            with pytest.raises(NotFoundError) as caught:
                await client.stop_server(SERVER_ID)
            assert caught.value.again is again
    assert provider.paths() == [f"POST {STOP}", f"POST {STOP}/"]


OTHER_ID = "0b0b0b0b-1111-4222-8333-444444444444"
NO_METHOD = Reply(405, {"detail": "Method Not Allowed"})
LOCKED = Reply(405, {"detail": "Deletion is locked while a task runs."})
NOWHERE = Reply(404, {"detail": "Not Found"})
NO_PLAN = Reply(404, {"detail": "No such plan"})
MOVED = Reply(307, headers={"Location": f"/v1/vps/{SERVER_ID}/"})


async def refusals(provider: Provider, *server_ids: str) -> list[WayscloudError]:
    """Ask to delete servers one after another, and return how each was refused."""
    errors = []
    async with provider.client() as client:
        for server_id in server_ids:
            with pytest.raises(WayscloudError) as caught:
                await client.delete_server(server_id)
            errors.append(caught.value)
    return errors


@pytest.mark.requirement("not-offered-is-remembered")
@pytest.mark.parametrize(
    ("first", "second", "in_no_form"),
    [
        pytest.param(NO_METHOD, NOWHERE, True, id="no such method, not found"),
        pytest.param(NOWHERE, NOWHERE, True, id="not found twice"),
        pytest.param(LOCKED, NOWHERE, False, id="a method refused to one server"),
        pytest.param(NO_METHOD, NO_PLAN, False, id="something named is not found"),
        pytest.param(NO_PLAN, NOWHERE, False, id="something named is not found in the first form"),
        pytest.param(MOVED, NOWHERE, False, id="the first form redirects to the second"),
    ],
)
async def test_a_404_in_the_last_form_may_be_about_the_route(first: Reply, second: Reply, in_no_form: bool) -> None:
    """Only where both forms were refused in words that name nothing but a path; the message names both codes."""
    path = f"/v1/vps/{SERVER_ID}"
    provider = Provider().on("DELETE", path, first).on("DELETE", f"{path}/", second)
    before, after = await refusals(provider, SERVER_ID, SERVER_ID)
    assert (before.again, after.again) == (True, False)
    assert isinstance(after, NotFoundError)
    assert after.in_no_form is in_no_form
    assert (f"and {first.status} in the other form" in after.message) is (first is not MOVED)
    assert provider.paths() == [f"DELETE {path}", f"DELETE {path}/"]


@pytest.mark.requirement("not-offered-is-remembered")
@pytest.mark.parametrize("answer", [NO_METHOD, NOWHERE])
async def test_a_404_of_one_server_says_nothing_of_a_form_for_another(answer: Reply) -> None:
    """The first server was gone and its form is served: the second server's call goes to that form after the other."""
    gone, there = f"/v1/vps/{SERVER_ID}", f"/v1/vps/{OTHER_ID}"
    provider = Provider().on("DELETE", gone, NOWHERE).on("DELETE", f"{there}/", answer)
    provider.on("DELETE", there, Reply(200, {"ok": True}))
    async with provider.client() as client:
        for server_id in (SERVER_ID, OTHER_ID):
            with pytest.raises(WayscloudError) as caught:
                await client.delete_server(server_id)
            assert caught.value.again
            assert not getattr(caught.value, "in_no_form", False)
        assert (await client.delete_server(OTHER_ID)).ok


async def test_a_method_that_is_absent_counts_for_every_server() -> None:
    """Another server's 404 in the other form is enough after a 405 of the path."""
    first, second = f"/v1/vps/{SERVER_ID}", f"/v1/vps/{OTHER_ID}"
    provider = Provider().on("DELETE", first, NO_METHOD).on("DELETE", f"{second}/", NOWHERE)
    _, after = await refusals(provider, SERVER_ID, OTHER_ID)
    assert isinstance(after, NotFoundError)
    assert after.in_no_form


async def test_a_known_form_answers_for_the_server() -> None:
    """Once an operation was carried out, a 404 is about the server and not about the slash."""
    provider = Provider().on("POST", STOP, Reply(200, {}), Reply(404))
    async with provider.client() as client:
        await client.stop_server(SERVER_ID)
        with pytest.raises(NotFoundError) as caught:
            await client.stop_server(SERVER_ID)
    assert not caught.value.again


async def test_a_form_that_moves_is_found_again() -> None:
    """A service that begins to redirect is read in its other form at once, even where only one form was known."""
    path = f"/v1/vps/{SERVER_ID}"
    moved = Reply(301, headers={"Location": f"{path}/"})
    provider = Provider().on("GET", path, Reply(200, SERVER), moved).on("GET", f"{path}/", Reply(200, SERVER))
    async with provider.client() as client:
        for _ in range(3):
            await client.get_server(SERVER_ID)
    assert provider.paths() == [f"GET {path}", f"GET {path}", f"GET {path}/", f"GET {path}/"]


async def test_no_cookie_is_kept() -> None:
    """The key is all that a call carries from the last one."""
    cookie = Reply(200, {"instances": []}, {"Set-Cookie": "session=1; Path=/"})
    provider = Provider().on("GET", "/v1/vps", cookie)
    async with provider.client() as client:
        await client.list_servers()
        await client.list_servers()
    assert all("cookie" not in item.headers for item in provider.received)
