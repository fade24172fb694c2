"""Who may approve is called by the group's handle in the results of assistants, which have no access to Slack."""

from pathlib import Path
from typing import Final

import pytest

from tests.e2e.test_slack_confirmations import assistant
from tests.harness.patience import eventually
from tests.unit.mcp_server.harness import text

RULE: Final = """
[[rule]]
id = "approved"
actor = "agent"
operation = "stop"
decision = "approve"
approvers = { groups = ["S0APPROVERS"] }
"""
NAMED: Final = "from @approvers (S0APPROVERS)"
STOP: Final = {"server": "web01", "reason": "disk swap"}


@pytest.mark.requirement("agents-human-asked-in-slack")
async def test_an_assistant_reads_what_slack_calls_the_approvers(tmp_path: Path) -> None:
    """The bot has stored the handle once the card is posted; a check and a request name it from then on."""
    async with assistant(tmp_path, RULE) as case:
        held = text(await case.client.call_tool("vps_stop", STOP))
        assert "(S0APPROVERS)" in held
        await case.world.card("approvals", words="Stop web01.example.com")
        change = (await case.change()).id

        async def is_named() -> bool:
            result = await case.client.call_tool("vps_change_get", {"change": change})
            return NAMED in text(result)

        assert await eventually(is_named)
        again = text(await case.client.call_tool("vps_reboot", STOP))
        assert "In the way: Stop of web01.example.com" in again
        assert NAMED in again
        assert NAMED in text(await case.client.call_tool("vps_stop", {"server": "db01", "reason": "disk swap"}))
