"""An answer must be about its request: the server it names is compared with the one that was asked about."""

from typing import Any

import pytest

from tests.fakes.provider import SERVER, SERVER_ID, Provider, Reply
from vpsops.core.wayscloud.answers.errors import OtherServerError, OutcomeUnknownError
from vpsops.core.wayscloud.answers.models import NewServer

OTHER = "0a1b2c3d-0000-4000-8000-000000000001"
NEW = NewServer(hostname="new.example.com", plan="vps-2gb", region="oslo", os_template="debian-12")
STOP = f"/v1/vps/{SERVER_ID}/stop"


@pytest.mark.parametrize("body", [SERVER | {"id": OTHER}, {"server": SERVER | {"id": OTHER}}])
@pytest.mark.requirement("answers-about-what-was-asked")
async def test_a_server_that_was_not_asked_for_is_not_taken(body: Any) -> None:
    """A poisoned cache or a mixed-up connection answers in full and in order, about another server."""
    provider = Provider().on("GET", f"/v1/vps/{SERVER_ID}", Reply(200, body))
    async with provider.client() as client:
        with pytest.raises(OtherServerError, match=f"about {OTHER} and not about {SERVER_ID}") as caught:
            await client.get_server(SERVER_ID)
    assert "report it to the provider" in caught.value.hint


async def test_an_id_may_come_back_in_other_letters() -> None:
    """A UUID means the same in capitals."""
    provider = Provider().on("GET", f"/v1/vps/{SERVER_ID}", Reply(200, SERVER | {"id": SERVER_ID.upper()}))
    async with provider.client() as client:
        assert (await client.get_server(SERVER_ID)).hostname == "web01.example.com"


@pytest.mark.parametrize("name", ["id", "vps_id", "server_id", "instance_id", "VPS_ID"])
async def test_figures_of_another_server_are_not_taken(name: str) -> None:
    """Figures need not name their server; where they do, the name is right."""
    path = f"/v1/vps/{SERVER_ID}/status"
    provider = Provider().on("GET", path, Reply(200, {"uptime_seconds": 5, name: OTHER}))
    async with provider.client() as client:
        with pytest.raises(OtherServerError, match=OTHER):
            await client.server_status(SERVER_ID)
        provider.on("GET", path, Reply(200, {"uptime_seconds": 5, name: SERVER_ID}))
        assert (await client.server_status(SERVER_ID)).uptime_seconds == 5


@pytest.mark.parametrize(
    "body", [{"success": True, "vps_id": OTHER}, SERVER | {"id": OTHER}, {"vps": SERVER | {"id": OTHER}}]
)
@pytest.mark.requirement("answers-about-what-was-asked")
async def test_a_yes_about_another_server_leaves_the_outcome_unknown(body: Any) -> None:
    """Which of the two was stopped is not known."""
    provider = Provider().on("POST", STOP, Reply(200, body))
    async with provider.client() as client:
        with pytest.raises(OutcomeUnknownError, match=f"about {OTHER} and not about {SERVER_ID}"):
            await client.stop_server(SERVER_ID)
    assert provider.paths() == [f"POST {STOP}"]


@pytest.mark.parametrize(
    "body", [{"id": "task-1"}, {"vps_id": SERVER_ID}, SERVER, {"vps": SERVER}, {"task": {"id": OTHER}}]
)
async def test_the_id_of_a_task_is_no_other_server(body: Any) -> None:
    """An id beside no hostname may be that of a task."""
    provider = Provider().on("POST", STOP, Reply(202, body))
    async with provider.client() as client:
        assert (await client.stop_server(SERVER_ID)).ok


@pytest.mark.parametrize(
    ("hostname", "taken"),
    [
        ("new.example.com", True),
        ("NEW.Example.com.", True),
        ("new", True),
        ("web01.example.com", False),
        ("new.example.net", False),
        ("new2", False),
    ],
)
@pytest.mark.requirement("answers-about-what-was-asked")
async def test_a_new_server_of_another_name_is_not_the_one_that_was_ordered(hostname: str, taken: bool) -> None:
    """The name may come back in another spelling, but not as another name."""
    provider = Provider().on("POST", "/v1/vps", Reply(201, {"id": OTHER, "hostname": hostname}))
    async with provider.client() as client:
        if taken:
            assert (await client.create_server(NEW)).id == OTHER
        else:
            with pytest.raises(OutcomeUnknownError, match=f"about {hostname} and not about new.example.com"):
                await client.create_server(NEW)
    assert len(provider.received) == 1
