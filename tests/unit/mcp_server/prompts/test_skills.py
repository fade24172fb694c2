"""Skills are listed with digests that hold, as far as a caller's tools reach, and name no tool that does not exist."""

import hashlib
import re
from typing import Any

import mcp.types as t
import pytest
import yaml
from mcp.shared.exceptions import MCPError
from pydantic import BaseModel, ConfigDict

from tests.unit.mcp_server.harness import ANN, Human, client_of
from vpsops.core.app import Core
from vpsops.core.limits.access import AccessScope, Restriction
from vpsops.core.operations import OPERATIONS
from vpsops.mcp_server.prompts.prompts import PROMPTS
from vpsops.mcp_server.prompts.skills import SKILLS
from vpsops.mcp_server.server import ServerOptions
from vpsops.mcp_server.tools.change_tools import CHANGE_TOOLS

ERA = "2026-07-28"
NAMES = ["provision-server", "incident", "cost-review", "morning-report"]
NAME = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")
TOOL = re.compile(r"\bvps_[a-z_]+")


class AnyResult(BaseModel):
    """An answer to a method that the SDK does not know."""

    model_config = ConfigDict(extra="allow")

    @property
    def fields(self) -> dict[str, Any]:
        return self.model_extra or {}


class AnyRequest(t.Request[dict[str, Any], str]):
    """A request of a method that the SDK does not know."""


async def ask(client: Any, method: str, **params: Any) -> dict[str, Any]:
    answer: AnyResult = await client.session.send_request(AnyRequest(method=method, params=params), AnyResult)
    return answer.fields


async def text_of(client: Any, uri: str) -> str:
    (content,) = (await client.read_resource(uri)).contents
    return str(content.text)


@pytest.mark.requirement("skills")
async def test_skills_are_listed_with_what_their_files_hold(core: Core) -> None:
    """A host verifies digest, size and frontmatter before it loads a file: all three must hold to the byte."""
    async with client_of(core, ERA, Human(), ServerOptions(human=ANN)) as client:
        listed = await ask(client, "skills/list")
        assert [entry["frontmatter"]["name"] for entry in listed["skills"]] == NAMES
        assert (listed["resultType"], listed["cacheScope"]) == ("complete", "private")
        for entry in listed["skills"]:
            text = await text_of(client, entry["uri"])
            (file,) = entry["resources"]
            content = text.encode()
            digest = hashlib.sha256(content).hexdigest()
            assert file == {"uri": entry["uri"], "digest": f"sha256:{digest}", "size": len(content)}
            assert entry["uri"].endswith(f"/{entry['frontmatter']['name']}/SKILL.md")
            assert yaml.safe_load(text.split("---\n")[1]) == entry["frontmatter"]
            assert (await ask(client, "skills/get", uri=entry["uri"]))["skill"] == entry


async def test_a_skill_is_there_only_for_a_caller_who_can_follow_it(core: Core) -> None:
    """Neither listed nor served: a model that reads of a tool it lacks looks for a way around."""
    no_create = AccessScope((Restriction("x", deny_tools=frozenset({"vps_create"})),))
    async with client_of(core, ERA, Human(), ServerOptions(human=ANN, reach=no_create)) as client:
        listed = await ask(client, "skills/list")
        assert [entry["frontmatter"]["name"] for entry in listed["skills"]] == NAMES[1:]
        for method in ("skills/get", "resources/read"):
            with pytest.raises(MCPError, match="No such skill") as caught:
                await ask(client, method, uri="skill://vpsops/provision-server/SKILL.md")
            assert caught.value.error.code == t.INVALID_PARAMS


@pytest.mark.parametrize(
    "uri", ["skill://vpsops/none/SKILL.md", "skill://vpsops", "skill://vpsops/incident", "vps://servers"]
)
async def test_what_is_no_skill_is_refused(core: Core, uri: str) -> None:
    """The protocol's error for a missing resource."""
    async with client_of(core, ERA, Human(), ServerOptions(human=ANN)) as client:
        with pytest.raises(MCPError) as caught:
            await ask(client, "skills/get", uri=uri)
        assert caught.value.error.code == t.INVALID_PARAMS


async def test_a_client_of_the_old_era_reads_a_skill_as_a_resource(core: Core) -> None:
    """Its handshake declares no extensions, so that it has no methods; an address that it was given works."""
    async with client_of(core, "legacy", Human(), ServerOptions(human=ANN)) as client:
        with pytest.raises(MCPError) as caught:
            await ask(client, "skills/list")
        assert caught.value.error.code == t.METHOD_NOT_FOUND
        assert (await text_of(client, "skill://vpsops/incident/SKILL.md")).startswith("---\nname:")


@pytest.mark.parametrize("entry", SKILLS, ids=lambda entry: str(entry.skill.name))
def test_a_skill_names_the_tools_that_it_needs(entry: Any) -> None:
    """All of them exist; what it changes stands apart from what it reads; no placeholder is left."""
    text = entry.skill.text
    exist = {f"vps_{name}" for name in OPERATIONS} | set(CHANGE_TOOLS)
    assert set(TOOL.findall(text)) == {*entry.reads, *entry.changes} <= exist
    changing = {f"vps_{name}" for name, operation in OPERATIONS.items() if not operation.reads}
    assert {*entry.changes} == {*entry.reads, *entry.changes} & changing
    assert "{" not in text
    assert NAME.fullmatch(entry.skill.name)
    assert len(entry.skill.name) <= 64
    assert len(entry.skill.description) <= 1024


def test_every_prompt_has_its_skill() -> None:
    """The prompts are what hosts without the extension have."""
    assert {name.replace("_", "-") for name in PROMPTS} == {entry.skill.name for entry in SKILLS}
