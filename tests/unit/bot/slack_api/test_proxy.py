"""Which proxy a call to Slack takes."""

import aiohttp
import pytest

from vpsops.bot.diagnostics.workspace import SlackProbe
from vpsops.bot.slack_api.client import SlackClient
from vpsops.bot.slack_api.proxy import proxy_for
from vpsops.core.config.settings import load_settings

PROXY = "http://127.0.0.1:9"
NAMES = ("HTTPS_PROXY", "https_proxy", "HTTP_PROXY", "http_proxy", "NO_PROXY", "no_proxy")


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Name a proxy that leads nowhere."""
    for name in NAMES:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HTTPS_PROXY", PROXY)


@pytest.mark.parametrize(
    ("excluded", "url", "proxy"),
    [
        ("", "https://slack.com/api/", PROXY),
        ("", "wss://wss-primary.slack.com/link/?ticket=a", PROXY),
        ("", "http://127.0.0.1:8080/api/", None),
        ("", "ws://localhost:8080/link/", None),
        ("", "http://[::1]:8080/api/", None),
        ("*", "https://slack.com/api/", None),
        ("example.com, *", "https://slack.com/api/", None),
        ("slack.com", "https://slack.com/api/", None),
        ("slack.com", "https://hooks.slack.com/commands/a", None),
        (".slack.com", "wss://wss-primary.slack.com/link/", None),
        ("*.slack.com", "wss://wss-primary.slack.com/link/", None),
        ("SLACK.com", "https://Slack.COM/api/", None),
        ("slack.com:443", "https://slack.com/api/", None),
        ("slack.com:8443", "https://slack.com/api/", PROXY),
        ("10.0.0.7:8080", "http://10.0.0.7:8080/api/", None),
        ("10.0.0.7", "http://10.0.0.70/api/", PROXY),
        ("lack.com", "https://slack.com/api/", PROXY),
        ("slack.com.example.org", "https://slack.com/api/", PROXY),
        (",,", "https://slack.com/api/", PROXY),
    ],
)
@pytest.mark.parametrize("name", ["NO_PROXY", "no_proxy"])
def test_what_no_proxy_names_takes_none(
    monkeypatch: pytest.MonkeyPatch, name: str, excluded: str, url: str, proxy: str | None
) -> None:
    """Names, domains, addresses and ports, as other programs read them; this machine never takes a proxy."""
    monkeypatch.setenv(name, excluded)
    assert proxy_for(url) == proxy


def test_without_a_proxy_there_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    """An empty variable counts as none."""
    monkeypatch.setenv("HTTPS_PROXY", "")
    assert proxy_for("https://slack.com/api/") is None


async def test_every_client_of_slack_respects_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """The SDK's clients read the environment themselves, and not NO_PROXY."""
    settings = load_settings({"SLACK_API_URL": "http://10.0.0.7:8080/api/", "SLACK_BOT_TOKEN": "xoxb-a"})
    for excluded, proxy in (("", PROXY), ("10.0.0.7", None)):
        monkeypatch.setenv("NO_PROXY", excluded)
        async with aiohttp.ClientSession() as session:
            slack = SlackClient(settings, session)
            clients = [slack.client, slack._once, SlackProbe(settings, session)._client]
            assert [client.proxy for client in clients] == [proxy] * 3


@pytest.mark.parametrize(
    ("excluded", "url"),
    [
        ("10.0.0.0/8", "http://10.1.2.3:8440"),
        ("2001:db8::/32", "http://[2001:db8::1]/"),
        ("[2001:db8::1]", "http://[2001:db8::1]/"),
        ("[2001:db8::1]:80", "http://[2001:db8::1]/"),
        ("slack.com.", "https://slack.com/"),
        ("slack.com", "https://slack.com./"),
        ("localhost slack.com", "https://slack.com/"),
        ("https://slack.com/", "https://slack.com/"),
        ("", "http://127.0.0.2:1"),
        ("", "http://simulator.localhost:1"),
    ],
)
def test_what_other_programs_take_in_no_proxy_is_taken(
    monkeypatch: pytest.MonkeyPatch, excluded: str, url: str
) -> None:
    """Networks, IPv6 in brackets, a full name's dot, blanks and schemes; all of this machine is reached directly."""
    monkeypatch.setenv("HTTPS_PROXY", PROXY)
    monkeypatch.setenv("NO_PROXY", excluded)
    assert proxy_for(url) is None


@pytest.mark.parametrize(
    "excluded", ["10.0.0.0/8", "not/a/network", "[2001:db8::2]", "2001:db8::/999", "slack.com:8443"]
)
def test_what_no_proxy_does_not_name_takes_one(monkeypatch: pytest.MonkeyPatch, excluded: str) -> None:
    monkeypatch.setenv("HTTPS_PROXY", PROXY)
    monkeypatch.setenv("NO_PROXY", excluded)
    for url in ("https://slack.com/", "http://11.1.2.3/", "http://[2001:db8::1]/"):
        assert proxy_for(url) == PROXY
