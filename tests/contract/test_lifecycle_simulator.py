"""The client's calls that change a whole server, against the simulated provider, in every dialect of the service."""

import pytest

from tests.contract.test_backups_simulator import provided
from vpsops.core.wayscloud.answers.errors import (
    InvalidRequestError,
    NotFoundError,
    NotOfferedError,
    ProviderRefusedError,
)

LARGER = {"live": "vps-8gb-4cpu", "sdk": "NO-Medium-Linux-4cpu-8192mb-60gb"}


@pytest.mark.parametrize("dialect", ["live", "sdk", "terraform"])
async def test_a_server_is_renamed_and_deleted_where_the_clients_do_it(dialect: str) -> None:
    """The name is read back; a deleted server is not found, nor deleted again."""
    api, _ = provided(dialect)
    async with api as client:
        server = (await client.list_servers())[0].id
        await client.rename_server(server, "Web, main")
        assert (await client.get_server(server)).display_name == "Web, main"
        with pytest.raises(InvalidRequestError):
            await client.rename_server(server, "")
        await client.delete_server(server)
        with pytest.raises(NotFoundError):
            await client.get_server(server)
        with pytest.raises(NotFoundError):
            await client.delete_server(server)
        assert server not in {each.id for each in await client.list_servers()}


@pytest.mark.parametrize("dialect", ["live", "sdk"])
async def test_a_server_moves_to_a_larger_plan(dialect: str) -> None:
    """The plan is read back; a smaller or unknown plan is refused."""
    api, _ = provided(dialect)
    async with api as client:
        server = (await client.list_servers())[0].id
        before = (await client.get_server(server)).plan or ""
        await client.upgrade_server(server, LARGER[dialect])
        assert (await client.get_server(server)).plan == LARGER[dialect]
        for plan in (before, "no-such-plan"):
            with pytest.raises(ProviderRefusedError):
                await client.upgrade_server(server, plan)


@pytest.mark.parametrize("dialect", ["live", "sdk", "terraform"])
async def test_labels_and_tags_are_replaced_where_the_clients_do_it(dialect: str) -> None:
    """The whole of them is read back, also when that is nothing; the list tells neither, which is not none."""
    api, _ = provided(dialect)
    async with api as client:
        listed = (await client.list_servers())[0]
        assert (listed.labels, listed.tags) == (None, None)
        for labels, tags in (({"team": "shop", "env": "prod"}, ("web",)), ({"env": "dev"}, ()), ({}, ("a", "b"))):
            await client.label_server(listed.id, labels)
            await client.tag_server(listed.id, tags)
            server = await client.get_server(listed.id)
            assert (server.labels, server.tags) == (labels, tags)


async def test_what_is_not_offered_is_refused_as_that() -> None:
    """The documented API has none of these calls; Terraform's has no upgrade."""
    api, _ = provided("seed")
    async with api as client:
        server = (await client.list_servers())[0].id
        with pytest.raises(NotOfferedError):
            await client.delete_server(server)
        with pytest.raises(NotOfferedError):
            await client.rename_server(server, "Web 01")
        with pytest.raises(ProviderRefusedError):  # a 404, which a missing server has too
            await client.upgrade_server(server, "vps-8gb-4cpu")
        assert server in {each.id for each in await client.list_servers()}


async def test_the_documented_api_has_no_labels() -> None:
    """They are not known there, and cannot be set."""
    api, _ = provided("seed")
    async with api as client:
        server = (await client.list_servers())[0].id
        assert (await client.get_server(server)).labels is None
        with pytest.raises(NotOfferedError, match="labels"):
            await client.label_server(server, {"team": "shop"})
