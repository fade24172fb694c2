"""Counts, times and traces each call of Slack's Web API. No trace context is sent to Slack."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

import anyio

from vpsops.core.telemetry import metrics
from vpsops.core.telemetry.telemetry import Telemetry
from vpsops.core.telemetry.tracer import SpanRole

RATE_LIMITED: Final = "ratelimited"
UNREACHABLE: Final = "unreachable"
RESPONSE_URL: Final = "response_url"
METHODS: Final = frozenset(
    {
        "apps.connections.open",
        "auth.test",
        "bots.info",
        "chat.getPermalink",
        "chat.postEphemeral",
        "chat.postMessage",
        "chat.update",
        "conversations.info",
        "conversations.members",
        "usergroups.list",
        "usergroups.users.list",
        "users.info",
        "users.lookupByEmail",
        "views.open",
        "views.publish",
        "views.update",
        RESPONSE_URL,
    }
)


@contextmanager
def observed_call(telemetry: Telemetry, method: str) -> Iterator[None]:
    """Observe the call that the block makes; what it raises passes through, and the `code` of that is counted."""
    named = method if method in METHODS else metrics.OTHER
    begun, outcome = anyio.current_time(), "error"
    attributes: dict[str, str | int | bool] = {"http.request.method": "POST", "url.template": f"/api/{named}"}
    try:
        with telemetry.tracer.span(f"slack {named}", SpanRole.CLIENT, attributes):
            yield
        outcome = "ok"
    except Exception as error:
        outcome = outcome_of(str(getattr(error, "code", "")))
        raise
    finally:
        telemetry.meter.count(metrics.SLACK_CALLS, slack_method=named, outcome=outcome)
        telemetry.meter.observe(metrics.SLACK_SECONDS, anyio.current_time() - begun, slack_method=named)


def outcome_of(code: str) -> str:
    """Return the outcome that a metric has for an error code."""
    if not code:
        return "error"
    if code == RATE_LIMITED:
        return "rate_limited"
    return "unreachable" if code.startswith(UNREACHABLE) else "refused"
