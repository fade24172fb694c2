"""`vpsops slack-simulator`: its options, and what it refuses in one line."""

import argparse
from pathlib import Path
from typing import Any

import pytest

from tests.harness.virtual_time import VirtualClock
from vpsops.core.common.errors import ConfigurationError
from vpsops.playground.slack.serve import running_workspace
from vpsops.playground.slack.workspace.config import WorkspaceConfig
from vpsops.playground.slack_simulator import command


def configured(**given: Any) -> WorkspaceConfig:
    arguments = argparse.Namespace(**{"port": 0, "manifest": None, "request_url": None} | given)
    return command._config(command._manifest(arguments.manifest), arguments)


def test_the_app_has_the_scopes_of_its_manifest(tmp_path: Path) -> None:
    """Its own, where it has one; those of vpsops otherwise."""
    own = tmp_path / "manifest.yml"
    own.write_text(
        'oauth_config:\n  scopes:\n    bot:\n      - "chat:write"  # posts\n      # - users:read\n    user: []\n'
    )
    assert configured(manifest=own).scopes == {"chat:write"}
    assert {"commands", "usergroups:read"} <= configured().scopes
    assert configured().bot_name == "vpsops"


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"manifest": Path("/nowhere/m.yml")}, "/nowhere/m.yml cannot be read: No such file"),
        ({"request_url": "localhost:3000"}, "--request-url is no address"),
    ],
)
def test_what_cannot_be_used_is_refused(given: dict[str, Any], says: str) -> None:
    with pytest.raises(ConfigurationError, match=says):
        configured(**given)


@pytest.mark.parametrize("text", [b"", b"\xff\xfe", b"oauth_config: {scopes: {bot: [chat:write]}}", b"{}"])
def test_a_manifest_that_is_not_read_is_refused(tmp_path: Path, text: bytes) -> None:
    """Rather than served with no scopes."""
    own = tmp_path / "manifest.yml"
    own.write_bytes(text)
    with pytest.raises(ConfigurationError, match=r"lists no scopes|not UTF-8"):
        configured(manifest=own)


async def test_what_it_prints_connects_an_app() -> None:
    """The address first, alone in its line; variables as a shell takes them, ids of channels and people."""
    async with running_workspace(WorkspaceConfig(), VirtualClock()) as workspace:
        lines = command.announcement(workspace).splitlines()
        assert lines[0] == f"slack-simulator: {workspace.base_url}"
        assert f"  export SLACK_API_URL={workspace.api_url}" in lines
        assert "  C0APPROVALS    #approvals  private" in lines
        assert not any("#old" in line or "erin" in line for line in lines)
