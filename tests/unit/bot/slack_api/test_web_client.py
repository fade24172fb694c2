"""What a call of Slack's Web API comes to where the server is not Slack."""

from collections.abc import Mapping
from typing import Any, Final

import aiohttp
import pytest
from slack_sdk.errors import SlackApiError

from tests.fakes.not_slack import answering
from vpsops.bot.blocks.elements import Post
from vpsops.bot.diagnostics.workspace import SlackProbe
from vpsops.bot.slack_api.client import SlackClient, SlackError

BODIES: Final[Mapping[str, tuple[int, str, bytes]]] = {
    "text": (200, "text/plain", b"It works"),
    "text that is not found": (404, "text/plain", b"Not Found"),
    "bytes that are no text": (200, "text/plain", b"\xff\xfe\xfd"),
    "a page": (200, "text/html", b"<html>"),
    "a list": (200, "application/json", b"[1]"),
    "a word": (200, "application/json", b'"ok"'),
    "no JSON": (200, "application/json", b"<html>"),
    "no JSON, and an error": (502, "application/json", b"<html>"),
    "an archive": (200, "application/gzip", b"\x1f\x8b"),
}


@pytest.mark.parametrize("name", BODIES)
async def test_an_answer_that_is_not_slacks_is_a_slack_error(name: str) -> None:
    """With the status and no data, for the SDK's own calls, the bot's and doctor's."""
    status, kind, body = BODIES[name]
    async with answering(status, kind, body) as settings, aiohttp.ClientSession() as session:
        slack = SlackClient(settings, session)
        with pytest.raises(SlackApiError) as failed:
            await slack.client.auth_test()
        assert (failed.value.response.status_code, failed.value.response.data) == (status, {})
        with pytest.raises(SlackError) as ended:
            await slack.update("C0OPS", "1.0", Post((), "text"))
        assert ended.value.code == f"http_{status}"
        reply = await SlackProbe(settings, session).ask("auth.test")
        assert (reply.error, reply.away) == (f"HTTP {status}", True)


async def test_an_answer_of_slacks_passes_as_it_is() -> None:
    """Data, headers and Slack's error codes."""
    async with aiohttp.ClientSession() as session:
        async with answering(200, "application/json", b'{"ok": true, "user": "vpsops"}') as settings:
            answer: Any = await SlackClient(settings, session).client.auth_test()
            assert (answer.data, answer.headers["Content-Type"]) == ({"ok": True, "user": "vpsops"}, "application/json")
        async with answering(200, "application/json", b'{"ok": false, "error": "invalid_auth"}') as settings:
            with pytest.raises(SlackApiError) as failed:
                await SlackClient(settings, session).client.auth_test()
            assert failed.value.response["error"] == "invalid_auth"
