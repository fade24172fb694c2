"""slack_sdk's client of the Web API, also for a server that is not Slack.

The SDK expects a JSON object. Over any other body it raises `AttributeError`, or a `SlackApiError` that holds aiohttp's
response in place of its own. Here each is a `SlackApiError` whose response has the status and no data.
"""

from typing import Any

from slack_sdk.errors import SlackApiError
from slack_sdk.web.async_client import AsyncWebClient


class SlackWebClient(AsyncWebClient):
    """The SDK's client, for which an answer without a JSON object is empty."""

    async def _request(self, *, http_verb: str, api_url: str, req_args: dict[str, Any]) -> dict[str, Any]:
        try:
            answer = await super()._request(http_verb=http_verb, api_url=api_url, req_args=req_args)
        except SlackApiError as error:  # here only over a body that is no JSON
            return {"data": {}, "headers": error.response.headers, "status_code": error.response.status}
        except UnicodeDecodeError:
            return {"data": {}, "headers": {}, "status_code": 200}
        return answer if isinstance(answer["data"], dict) else {**answer, "data": {}}
