"""Reads: both slash forms, lists that are missing, and an error for every code."""

import pytest

from tests.fakes.provider import (
    KEY,
    SERVER,
    SERVER_ID,
    Provider,
    Reply,
)
from vpsops.core.wayscloud.answers.errors import (
    ConflictError,
    InvalidRequestError,
    MalformedAnswerError,
    NotAuthenticatedError,
    NotFoundError,
    NotOfferedError,
    NotPermittedError,
    ProviderFaultError,
    ProviderRefusedError,
    RateLimitedError,
    WayscloudError,
    WrongShapeError,
)

LIST = Reply(200, {"instances": [SERVER], "total": 1})
PLANS = Reply(200, [{"plan_code": "vps-2gb"}])
GET = f"/v1/vps/{SERVER_ID}"


async def test_a_list_is_read_from_the_documented_path() -> None:
    """The documented path is asked first, with the key in its header, and it is enough."""
    provider = Provider().on("GET", "/v1/vps", LIST)
    async with provider.client() as client:
        servers = await client.list_servers()
    assert [server.hostname for server in servers] == ["web01.example.com"]
    assert provider.paths() == ["GET /v1/vps"]
    assert provider.received[0].headers["x-api-key"] == KEY
    assert "authorization" not in provider.received[0].headers


@pytest.mark.parametrize("status", [404, 405])
async def test_the_other_slash_form_is_found_and_remembered(status: int) -> None:
    """Where the documented form is missing the other one is tried, and asked first from then on."""
    provider = Provider().on("GET", "/v1/vps", Reply(status)).on("GET", "/v1/vps/", LIST)
    async with provider.client() as client:
        assert len(await client.list_servers()) == len(await client.list_servers()) == 1
    assert provider.paths() == ["GET /v1/vps", "GET /v1/vps/", "GET /v1/vps/"]


async def test_a_form_that_stops_working_is_given_up() -> None:
    """A remembered form is a habit, not a law: the provider may be upgraded under a running client."""
    provider = Provider().on("GET", "/v1/vps/", LIST, Reply(404)).on("GET", "/v1/vps", Reply(404), LIST)
    async with provider.client() as client:
        await client.list_servers()
        assert len(await client.list_servers()) == 1
    assert provider.paths() == ["GET /v1/vps", "GET /v1/vps/", "GET /v1/vps/", "GET /v1/vps"]


async def test_a_server_in_place_of_the_plans_is_not_taken_for_them() -> None:
    """A greedy `/v1/vps/{vps_id}` may answer for the plans with a server: the other form is tried."""
    provider = Provider().on("GET", "/v1/vps/plans/", Reply(200, SERVER)).on("GET", "/v1/vps/plans", PLANS)
    async with provider.client() as client:
        assert [plan.code for plan in await client.list_plans()] == ["vps-2gb"]


async def test_plans_that_are_nowhere_a_list_are_reported_as_the_wrong_shape() -> None:
    """When neither form gives a list, the first one's failure is reported."""
    provider = Provider().on("GET", "/v1/vps/plans/", Reply(200, SERVER)).on("GET", "/v1/vps/plans", Reply(422))
    async with provider.client() as client:
        with pytest.raises(WrongShapeError, match="not a list"):
            await client.list_plans()


async def test_a_slash_redirect_is_followed_and_remembered() -> None:
    """A 307 to the other form, on the same origin, leads to the answer; the next read goes there at once."""
    redirect = Reply(307, headers={"Location": "http://provider.test:80/v1/vps/os-templates/"})
    provider = Provider().on("GET", "/v1/vps/os-templates", redirect)
    provider.on("GET", "/v1/vps/os-templates/", Reply(200, [{"id": "debian-12"}]))
    async with provider.client() as client:
        await client.list_os_templates()
        await client.list_os_templates()
    assert provider.paths()[1:] == ["GET /v1/vps/os-templates/"] * 2


@pytest.mark.parametrize(
    "reply",
    [
        Reply(404, {"detail": "VPS not found"}),
        Reply(422, {"detail": [{"loc": ["path", "vps_id"], "msg": "not a UUID"}]}),
        Reply(400, {"detail": "bad id"}),
        Reply(405),
        Reply(501),
        Reply(200, SERVER),
    ],
)
async def test_a_missing_list_of_regions_is_no_obstacle(reply: Reply) -> None:
    """Where the API has no such route, whatever it answers instead, the error states what to do."""
    provider = Provider().on("GET", "/v1/vps/regions", reply).on("GET", "/v1/vps/regions/", reply)
    async with provider.client() as client:
        with pytest.raises(NotOfferedError, match=r"list the regions.*name the region"):
            await client.list_regions()


async def test_a_troubled_list_of_regions_is_not_called_missing() -> None:
    """A fault of the moment is a fault, in the first form asked and in the second."""
    for first, second in ((Reply(500), Reply(404)), (Reply(404), Reply(500))):
        provider = Provider().on("GET", "/v1/vps/regions", first).on("GET", "/v1/vps/regions/", second)
        async with provider.client() as client:
            with pytest.raises(ProviderFaultError):
                await client.list_regions()


async def test_a_server_that_is_not_there_is_not_found() -> None:
    """A 404 in both forms is about the server; once the route is known, one request suffices for that."""
    provider = Provider().on("GET", GET, Reply(200, SERVER))
    async with provider.client() as client:
        with pytest.raises(NotFoundError, match="Not Found"):
            await client.get_server("other")
        assert (await client.get_server(SERVER_ID)).id == SERVER_ID
        with pytest.raises(NotFoundError):
            await client.get_server("other")
    assert provider.paths()[-3:] == ["GET /v1/vps/other/", f"GET {GET}", "GET /v1/vps/other"]


async def test_usage_is_read() -> None:
    """The figures of one server come from its own route."""
    provider = Provider().on("GET", f"{GET}/status", Reply(200, {"status": "running", "uptime_seconds": 7}))
    async with provider.client() as client:
        assert (await client.server_status(SERVER_ID)).uptime_seconds == 7


ERRORS: list[tuple[int, type[WayscloudError]]] = [
    (400, InvalidRequestError),
    (401, NotAuthenticatedError),
    (402, ProviderRefusedError),
    (403, NotPermittedError),
    (409, ConflictError),
    (422, InvalidRequestError),
    (423, ConflictError),
    (429, RateLimitedError),
    (500, ProviderFaultError),
    (502, ProviderFaultError),
    (503, ProviderFaultError),
    (504, ProviderFaultError),
    (410, NotFoundError),
    (404, NotFoundError),
    (405, NotOfferedError),
    (501, NotOfferedError),
    (300, MalformedAnswerError),
]


@pytest.mark.parametrize(("status", "kind"), ERRORS)
async def test_each_code_has_its_error(status: int, kind: type[WayscloudError]) -> None:
    """The error's class, code, words and operation follow from the answer; a key in it is masked."""
    body = {"detail": f"the reason, {KEY}"}
    provider = Provider().on("GET", GET, Reply(status, body)).on("GET", f"{GET}/", Reply(404))
    async with provider.client() as client:
        with pytest.raises(kind) as caught:
            await client.get_server(SERVER_ID)
    error = caught.value
    assert type(error) is kind
    assert (error.status, error.operation) == (status, "get_server")
    assert error.detail.startswith("the reason")
    assert KEY not in f"{error} {error!r} {error.detail}"
    assert str(status) in error.message
    assert error.hint or kind in {ProviderRefusedError, MalformedAnswerError}


async def test_a_limit_may_be_a_quota_and_says_so() -> None:
    """A 429 that stays names the waiting time and the other explanation."""
    provider = Provider().on("GET", "/v1/vps", Reply(429, {"detail": "Rate limit exceeded"}, {"Retry-After": "60"}))
    async with provider.client() as client:
        with pytest.raises(RateLimitedError, match=r"wait 60 s.*quota") as caught:
            await client.list_servers()
    assert caught.value.retry_after == 60.0
    assert len(provider.received) == 1, "beyond the cap nothing is gained by waiting here"
