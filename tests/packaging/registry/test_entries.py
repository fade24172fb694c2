"""The registry's entry and the bundle's manifest: as their formats want them, with the code's version and tools."""

import json
from pathlib import Path

import pytest
from jsonschema import Draft202012Validator
from jsonschema.exceptions import ValidationError

from tests.harness.repository import ROOT
from tests.packaging.registry.entries import NAMESPACE, bundle_project, project, server_json
from vpsops.cli.main import COMMANDS
from vpsops.core.config.secret_values import SECRETS

SCHEMA = json.loads((Path(__file__).parent / "server.schema.json").read_text(encoding="utf-8"))
MANIFEST = json.loads((ROOT / "packaging/registry/manifest.json").read_text(encoding="utf-8"))
check = Draft202012Validator(SCHEMA).validate


def test_the_entry_is_as_the_registry_wants_it() -> None:
    check(json.loads(server_json()))


@pytest.mark.parametrize("wrong", [{"description": "d" * 101}, {"name": "vpsops"}, {"version": "latest"}, {"more": 1}])
def test_a_wrong_entry_is_noticed(wrong: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        check(json.loads(server_json()) | wrong)


def test_the_readme_names_the_entry() -> None:
    """By that the registry knows that entry and package have one publisher."""
    assert f"mcp-name: {NAMESPACE}" in (ROOT / "README.md").read_text(encoding="utf-8")


def test_entry_bundle_and_package_have_one_version() -> None:
    entry = json.loads(server_json())
    versions = {entry["version"], MANIFEST["version"], *(package["version"] for package in entry["packages"])}
    assert versions == {project()["version"]}
    assert f'version = "{project()["version"]}"' in bundle_project("a.whl")


def test_neither_asks_for_a_secret() -> None:
    """A host keeps what it asks for; the configuration names files that it does not read."""
    (package,) = json.loads(server_json())["packages"]
    names = [variable["name"] for variable in package["environmentVariables"]]
    assert names == [*MANIFEST["server"]["mcp_config"]["env"]] == ["VPSOPS_CONFIG"]
    assert not SECRETS & {*names}
    assert [*MANIFEST["user_config"]] == ["config"]
    assert package["packageArguments"][0]["value"] in COMMANDS


def test_the_bundle_names_the_tools_that_a_server_has() -> None:
    early = json.loads((ROOT / "mcp_server/fast_start/early.json").read_text(encoding="utf-8"))
    tools = json.loads(early["legacy"]["tools/list"])["tools"]
    assert [tool["name"] for tool in MANIFEST["tools"]] == [tool["name"] for tool in tools]
    assert (ROOT / "packaging/registry" / MANIFEST["server"]["entry_point"]).is_file()
