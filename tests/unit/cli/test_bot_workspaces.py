"""Starting a bot of several workspaces: its requirements, and its errors without them."""

import pytest

from vpsops.cli.bot import address_of, require_settings
from vpsops.cli.main import main
from vpsops.core.common.errors import ConfigurationError
from vpsops.core.config.settings import Settings
from vpsops.core.console.exit_codes import USAGE

SEVERAL = {"SLACK_CLIENT_ID": "1.2", "SLACK_SIGNING_SECRET": "x"}


def several_settings(**more: str) -> Settings:
    return Settings.model_validate(SEVERAL | more)


def test_no_bot_token_is_needed_but_the_signing_secret_is() -> None:
    """Each workspace brings its token; requests are still proved to be Slack's."""
    require_settings(several_settings(), http=True)
    with pytest.raises(ConfigurationError, match="SLACK_SIGNING_SECRET"):
        require_settings(Settings.model_validate({"SLACK_CLIENT_ID": "1.2"}), http=True)


def test_socket_mode_alone_cannot_install_the_app_anywhere() -> None:
    """The refusal names what serves both; with an address the bot listens."""
    settings = several_settings(SLACK_APP_TOKEN="xapp-1")
    with pytest.raises(ConfigurationError, match="vpsops serve"):
        address_of(None, settings)
    for port in ("9" * 5_000, "65536", "²", ""):
        with pytest.raises(ConfigurationError, match="is not HOST:PORT"):
            address_of(f"127.0.0.1:{port}", settings)
    assert address_of("127.0.0.1:3000", settings) == ("127.0.0.1", 3000)
    assert address_of(None, several_settings()) == ("127.0.0.1", 3000)


def test_serve_without_slack_says_what_serves_assistants_alone(capsys: pytest.CaptureFixture[str]) -> None:
    """An operator who wants MCP over HTTP and no Slack is not sent to make an app."""
    assert main(["serve", "--http", "127.0.0.1:0"]) == USAGE
    error = capsys.readouterr().err
    assert "The Slack bot needs SLACK_BOT_TOKEN" in error
    assert "vpsops mcp --http" in error
