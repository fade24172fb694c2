"""What Bolt and the SDK may log."""

import logging

import pytest
from slack_bolt.async_app import AsyncApp
from slack_bolt.authorization import AuthorizeResult
from slack_sdk.web.async_client import AsyncWebClient

from vpsops.bot.protocol.logging import slack_logger


def test_bolt_says_nothing_of_a_token_it_finds_by_itself(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """A start with the token in the environment, as every start is, has no warning in its log; others come through."""
    monkeypatch.setenv("SLACK_BOT_TOKEN", "xoxb-0123")
    caplog.set_level(logging.DEBUG)

    async def authorize() -> AuthorizeResult:
        return AuthorizeResult(enterprise_id=None, team_id=None)

    AsyncApp(logger=slack_logger, client=AsyncWebClient(), signing_secret="s", authorize=authorize)
    slack_logger.warning("something else")
    assert [record.getMessage() for record in caplog.records] == ["something else"]
