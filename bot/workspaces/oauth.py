"""The two pages on which a workspace installs the app, based on Bolt's OAuth flow."""

import html
import logging
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final

import aiohttp
import structlog
from slack_bolt.adapter.starlette.async_handler import to_async_bolt_request, to_starlette_response
from slack_bolt.error import BoltError
from slack_bolt.oauth.async_callback_options import AsyncCallbackOptions, AsyncFailureArgs, AsyncSuccessArgs
from slack_bolt.oauth.async_oauth_flow import AsyncOAuthFlow
from slack_bolt.oauth.async_oauth_settings import AsyncOAuthSettings
from slack_bolt.request.async_request import AsyncBoltRequest
from slack_bolt.response import BoltResponse
from slack_sdk.errors import SlackApiError
from slack_sdk.oauth.installation_store import Installation
from slack_sdk.web.async_client import AsyncWebClient
from slack_sdk.web.async_slack_response import AsyncSlackResponse
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from vpsops.bot.slack_api.web_client import SlackWebClient
from vpsops.bot.workspaces.installations import (
    STATE_SECONDS,
    Installations,
    InstallRefusedError,
    OAuthStates,
    encryption_keys,
)
from vpsops.bot.workspaces.scopes import INSTALL_PATH, REDIRECT_PATH, bot_scopes
from vpsops.bot.workspaces.token_encryption import TokenCipher
from vpsops.core.app import Core
from vpsops.core.common.clock import Clock
from vpsops.core.common.errors import StorageError
from vpsops.core.common.timings import SLACK_SECONDS
from vpsops.core.config.settings import Settings
from vpsops.core.workspaces.slack_tables import SlackTables

FAILURE_TEXTS: Final = {
    "access_denied": "Nothing was installed: it was cancelled in Slack.",
    "invalid_browser": "This page was not opened by the browser that began. Begin again.",
    "invalid_state": "This installation was finished already, or took longer than ten minutes. Begin again.",
    "missing_code": "Slack sent no code. Begin again.",
    "invalid_code": "Slack does not take the code, or the app's client secret. Begin again.",
}
RETRY_LINK: Final = f'<p><a href="{INSTALL_PATH}">Begin again</a></p>'
HEADERS: Final = {
    "Content-Type": "text/html; charset=utf-8",
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'",
    "Cache-Control": "no-store",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}

logger = structlog.get_logger(__name__)
oauth_logger: Final = logging.getLogger("vpsops.slack.oauth")
"""Bolt's flow logs rejected OAuth codes, so its logger is silenced; failures are logged here without codes."""
oauth_logger.setLevel(logging.CRITICAL)


class InstallFlow(AsyncOAuthFlow):
    """Bolt's OAuth flow; revokes the token of a refused installation immediately."""

    async def store_installation(self, request: AsyncBoltRequest, installation: Installation) -> None:
        """Store the installation; on `BoltError`, revoke its token and re-raise."""
        try:
            await super().store_installation(request, installation)
        except BoltError:
            await self._give_back(installation)
            raise

    async def build_install_page_html(self, url: str, request: AsyncBoltRequest) -> str:
        """Render the install page; it names no workspace, so that visitors learn nothing."""
        del request
        button = f'<p><a class="button" href="{html.escape(url)}">Add to Slack</a></p>'
        return html_page(
            "Add vpsops to a workspace", "Slack asks you which workspace, and what the app may do there.", button
        )

    async def _give_back(self, installation: Installation) -> None:
        try:
            await self.client.auth_revoke(token=installation.bot_token)
        except (SlackApiError, aiohttp.ClientError, TimeoutError, OSError) as error:
            logger.warning("refused_token_not_revoked", error=type(error).__name__)


class OAuthClient(SlackWebClient):
    """Sends the app's credentials as form fields; the SDK uses a header built with deprecated aiohttp code."""

    async def oauth_v2_access(self, *, client_id: str, client_secret: str, **form: Any) -> AsyncSlackResponse:
        """Exchange a code; raises `SlackApiError`."""
        data = {"client_id": client_id, "client_secret": client_secret, **form}
        return await self.api_call(
            "oauth.v2.access", data={name: value for name, value in data.items() if value is not None}
        )


@dataclass(frozen=True, slots=True)
class InstallService:
    """Installation support of a multi-workspace bot: the stored installations and the HTTP routes."""

    kept: Installations
    routes: Sequence[Route]


def open_install_service(core: Core, session: aiohttp.ClientSession) -> InstallService:
    """Return the installations of a core and their pages."""
    kept = Installations(core.slack_tables, core.clock, core.settings, TokenCipher(encryption_keys(core.settings)))
    url = core.settings.slack_api_url
    base_url = url if url.endswith("/") else f"{url}/"
    client = OAuthClient(base_url=base_url, session=session, timeout=SLACK_SECONDS, logger=oauth_logger)
    return InstallService(kept, routes_of(flow_of(core.settings, core.slack_tables, core.clock, client, kept)))


def flow_of(
    settings: Settings, tables: SlackTables, clock: Clock, client: AsyncWebClient, kept: Installations
) -> InstallFlow:
    """Build the flow of these settings, which are several workspaces'."""
    secret = settings.slack_client_secret.get_secret_value() if settings.slack_client_secret else ""
    return InstallFlow(
        client=client,
        logger=oauth_logger,
        settings=AsyncOAuthSettings(
            client_id=settings.slack_client_id,
            client_secret=secret,
            scopes=bot_scopes(),
            user_scopes=[],
            redirect_uri=settings.slack_url.rstrip("/") + REDIRECT_PATH,
            install_path=INSTALL_PATH,
            redirect_uri_path=REDIRECT_PATH,
            authorization_url=authorize_url(settings.slack_api_url),
            callback_options=AsyncCallbackOptions(success=_success, failure=_failure),
            installation_store=kept,
            state_store=OAuthStates(tables, clock),
            state_expiration_seconds=STATE_SECONDS,
            logger=oauth_logger,
        ),
    )


def authorize_url(api_url: str) -> str:
    """Return Slack's authorization URL, derived from the Web API URL so that simulators work."""
    return api_url.rstrip("/").removesuffix("/api") + "/oauth/v2/authorize"


def routes_of(flow: InstallFlow) -> Sequence[Route]:
    """Return the two pages."""
    return [
        Route(INSTALL_PATH, _endpoint(flow.handle_installation), methods=["GET"]),
        Route(REDIRECT_PATH, _endpoint(flow.handle_callback), methods=["GET"]),
    ]


def _endpoint(
    handle: Callable[[AsyncBoltRequest], Awaitable[BoltResponse]],
) -> Callable[[Request], Awaitable[Response]]:
    async def endpoint(request: Request) -> Response:
        try:
            answer = await handle(to_async_bolt_request(request, b""))
        except InstallRefusedError as error:
            answer = failure_page(str(error), 429)
        except StorageError as error:
            logger.error("installation_not_stored", error=error.message, error_id=error.error_id)
            answer = failure_page(
                f"The database cannot be used just now; nothing was installed. ({error.error_id})", 503
            )
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            logger.warning("installation_slack_unreachable", error=type(error).__name__)
            answer = failure_page("Slack cannot be reached just now; nothing was installed.", 502)
        response = to_starlette_response(answer)
        response.headers.update(HEADERS)
        return response

    return endpoint


async def _success(args: AsyncSuccessArgs) -> BoltResponse:
    name = args.installation.team_name or args.installation.team_id or ""
    words = f"vpsops is in {name} now. Type /vps help there. You may close this page."
    return _without_state_cookie(args, BoltResponse(status=200, body=html_page("Installed", words)))


async def _failure(args: AsyncFailureArgs) -> BoltResponse:
    refused = isinstance(args.error, InstallRefusedError)
    words = str(args.error) if refused else FAILURE_TEXTS.get(args.reason, "Nothing was installed. Begin again.")
    logger.warning("installation_refused", reason=words if refused else args.reason[:40])
    return _without_state_cookie(args, failure_page(words, 403 if refused else args.suggested_status_code))


def _without_state_cookie(args: AsyncSuccessArgs | AsyncFailureArgs, response: BoltResponse) -> BoltResponse:
    response.headers["set-cookie"] = [args.settings.state_utils.build_set_cookie_for_deletion()]
    return response


def failure_page(words: str, status: int) -> BoltResponse:
    """Return a page that explains why nothing was installed."""
    return BoltResponse(status=status, body=html_page("Not installed", words, RETRY_LINK))


def html_page(title: str, words: str, more: str = "") -> str:
    """Render a page; `title` and `words` are escaped, `more` is trusted HTML."""
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width"><meta name="robots" content="noindex">'
        f"<title>{html.escape(title)}</title><style>"
        "body{font:16px/1.5 system-ui,sans-serif;max-width:34rem;margin:4rem auto;padding:0 1rem;color:#1d1c1d}"
        ".button{display:inline-block;padding:.6rem 1.2rem;border-radius:.3rem;background:#4a154b;color:#fff;"
        "text-decoration:none}</style></head>"
        f"<body><h1>{html.escape(title)}</h1><p>{html.escape(words)}</p>{more}</body></html>"
    )
