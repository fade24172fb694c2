"""One POST to a webhook: no redirect is followed, and nothing of the answer but its status is read."""

from collections.abc import Mapping

import httpx

from vpsops.core.common import timings


async def post(url: str, body: bytes, headers: Mapping[str, str]) -> str:
    """Post a body; return why it was not taken, or nothing."""
    try:
        async with (
            httpx.AsyncClient(timeout=timings.ANCHOR_POST_SECONDS) as client,
            client.stream("POST", url, content=body, headers=dict(headers)) as answer,
        ):
            return "" if answer.is_success else f"it answered {answer.status_code}"
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        return f"it could not be reached ({type(error).__name__})"
