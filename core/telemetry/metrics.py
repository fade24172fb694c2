"""The definitions of all metrics: names, labels and buckets. The page of metrics is generated from them.

A label's values are a closed list, here or from the registry that it names; whatever else is counted under `other`, so
that no words from outside enter a label and the number of series is bounded.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

OTHER: Final = "other"
"""The value of a label for what its list does not have."""


class MetricKind(StrEnum):
    """Kinds of metrics, in Prometheus' words."""

    COUNTER = "counter"
    GAUGE = "gauge"
    HISTOGRAM = "histogram"


@dataclass(frozen=True, slots=True)
class Metric:
    """One metric; `buckets` are upper bounds in seconds, of a histogram alone."""

    name: str
    kind: MetricKind
    help: str
    labels: tuple[str, ...] = ()
    buckets: tuple[float, ...] = ()


CLOSED_LISTS: Final[Mapping[str, tuple[str, ...]]] = {
    "front": ("slack", "mcp", "cli", "worker"),
    "status": ("1xx", "2xx", "3xx", "4xx", "5xx", "none"),
    "http_method": ("GET", "POST", "PUT", "PATCH", "DELETE"),
    "outcome": ("ok", "refused", "tool_error", "protocol_error", "rate_limited", "unreachable", "error"),
    "cause": ("policy", "limit", "decision", OTHER),
    "verdict": ("approve", "deny"),
    "grant_event": ("grant_opened", "grant_used", "grant_ended"),
    "end_state": ("open", "stopping", "stopped", "asked"),
    "queue": ("inbox", "outbox", "runs"),
    "scope": ("all", "create", "server"),
    "transport": ("http", "socket_mode"),
}
"""The values of labels that no registry has."""

REGISTRIES: Final[Mapping[str, str]] = {
    "operation": "the operations of the registry",
    "state": "the states of a change",
    "decision": "the decisions of a policy",
    "route": "the routes of the provider's API, by their names",
    "slack_method": "the methods of Slack's Web API that are called, and `response_url`",
    "tool": "the MCP tools",
    "version": "the version of vpsops",
    "python": "the version of Python",
}
"""Labels with the values of a registry, which the composition root hands over."""

ANSWER_BUCKETS: Final = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
HELD_BUCKETS: Final = (5.0, 15.0, 60.0, 300.0, 900.0, 3600.0, 14400.0, 86400.0)
SEND_BUCKETS: Final = (0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 15.0, 60.0, 300.0)
SETTLE_BUCKETS: Final = (1.0, 2.5, 5.0, 10.0, 20.0, 40.0, 60.0, 120.0, 300.0, 600.0, 1800.0)
ACKNOWLEDGEMENT_BUCKETS: Final = (*ANSWER_BUCKETS[:8], 2.0, 3.0)
CALL_BUCKETS: Final = (*ANSWER_BUCKETS, 120.0, 600.0)

CHANGES: Final = Metric(
    "vpsops_changes_total",
    MetricKind.COUNTER,
    "Changes that entered a state, counted by the process that stored the step.",
    ("operation", "state", "decision", "front"),
)
HELD_SECONDS: Final = Metric(
    "vpsops_change_held_seconds",
    MetricKind.HISTOGRAM,
    "Time that changes waited for people, by the decision that held them and the state that ended it.",
    ("decision", "state"),
    HELD_BUCKETS,
)
SEND_SECONDS: Final = Metric(
    "vpsops_change_send_seconds",
    MetricKind.HISTOGRAM,
    "Time from the approval to the stored intention of the first send.",
    (),
    SEND_BUCKETS,
)
SETTLE_SECONDS: Final = Metric(
    "vpsops_change_settle_seconds",
    MetricKind.HISTOGRAM,
    "Time from the send to the settled end.",
    ("operation", "state"),
    SETTLE_BUCKETS,
)
VOTES: Final = Metric("vpsops_votes_total", MetricKind.COUNTER, "Votes that were recorded.", ("verdict",))
OVERRIDES: Final = Metric(
    "vpsops_overrides_total",
    MetricKind.COUNTER,
    "Changes that their asker ran without the votes they needed.",
    ("operation", "front"),
)
GRANTS: Final = Metric(
    "vpsops_grants_total",
    MetricKind.COUNTER,
    "Grants that were opened, used and ended, counted by the process that stored the step.",
    ("operation", "grant_event"),
)
END_STOPS: Final = Metric(
    "vpsops_end_stops_total",
    MetricKind.COUNTER,
    "Stops of servers at their ends, by the state that each came to.",
    ("state",),
)
POLICY_DECISIONS: Final = Metric(
    "vpsops_policy_decisions_total",
    MetricKind.COUNTER,
    "Decisions of the policy about requests for changes, refused ones included.",
    ("operation", "decision", "front"),
)
REFUSALS: Final = Metric(
    "vpsops_refusals_total",
    MetricKind.COUNTER,
    "Refusals in the audit trail: of requests by policy or limit, and of people's decisions.",
    ("front", "cause"),
)
PROVIDER_REQUESTS: Final = Metric(
    "vpsops_provider_requests_total",
    MetricKind.COUNTER,
    "Requests to the provider's API; the status is `none` where no answer came.",
    ("route", "http_method", "status"),
)
PROVIDER_SECONDS: Final = Metric(
    "vpsops_provider_request_seconds",
    MetricKind.HISTOGRAM,
    "Time of a request to the provider's API, with the wait for a free connection.",
    ("route",),
    ANSWER_BUCKETS,
)
DEFERRALS: Final = Metric(
    "vpsops_provider_deferrals_total",
    MetricKind.COUNTER,
    "Sends that were put off because the provider asked to wait.",
    ("operation",),
)
SLACK_CALLS: Final = Metric(
    "vpsops_slack_calls_total",
    MetricKind.COUNTER,
    "Calls of Slack's Web API.",
    ("slack_method", "outcome"),
)
SLACK_SECONDS: Final = Metric(
    "vpsops_slack_call_seconds",
    MetricKind.HISTOGRAM,
    "Time of a call of Slack's Web API, with its waits for rate limits.",
    ("slack_method",),
    ANSWER_BUCKETS,
)
SLACK_RETRIES: Final = Metric(
    "vpsops_slack_retries_total", MetricKind.COUNTER, "Messages to Slack that are tried again later."
)
SLACK_ACK_SECONDS: Final = Metric(
    "vpsops_slack_acknowledgement_seconds",
    MetricKind.HISTOGRAM,
    "Time from a request of Slack to its acknowledgement, for which Slack waits 3 s.",
    ("transport",),
    ACKNOWLEDGEMENT_BUCKETS,
)
MCP_CALLS: Final = Metric("vpsops_mcp_calls_total", MetricKind.COUNTER, "Calls of MCP tools.", ("tool", "outcome"))
MCP_SECONDS: Final = Metric(
    "vpsops_mcp_call_seconds",
    MetricKind.HISTOGRAM,
    "Time of a call of an MCP tool, with its wait for people.",
    ("tool",),
    CALL_BUCKETS,
)
QUEUE_DEPTH: Final = Metric(
    "vpsops_queue_depth",
    MetricKind.GAUGE,
    "Rows that wait: deliveries of Slack, messages to Slack, approved changes. The same from every process.",
    ("queue",),
)
QUEUE_AGE: Final = Metric(
    "vpsops_queue_age_seconds",
    MetricKind.GAUGE,
    "Age of the oldest row that waits; 0 without one. Messages to Slack have none where no bot ever served.",
    ("queue",),
)
OPEN_CHANGES: Final = Metric(
    "vpsops_changes_open", MetricKind.GAUGE, "Changes that are not at their end, by state.", ("state",)
)
OPEN_REVIEWS: Final = Metric(
    "vpsops_reviews_open", MetricKind.GAUGE, "Runs without votes that still need a review by another person."
)
SERVER_ENDS: Final = Metric(
    "vpsops_server_ends",
    MetricKind.GAUGE,
    "Servers with an end that are not gone: it is to come, they are stopped, or people are asked.",
    ("end_state",),
)
DEAD_MESSAGES: Final = Metric(
    "vpsops_messages_dead", MetricKind.GAUGE, "Messages to Slack that were given up and are still stored."
)
HOLD_OFFS: Final = Metric(
    "vpsops_provider_hold_offs", MetricKind.GAUGE, "Requests of the provider to wait that are in force.", ("scope",)
)
AGENTS_PAUSED: Final = Metric("vpsops_agents_paused", MetricKind.GAUGE, "1 while changes of agents are paused.")
PROCESSES: Final = Metric(
    "vpsops_processes", MetricKind.GAUGE, "Processes whose heartbeat is fresh, by front end.", ("front",)
)
HEARTBEAT_AGE: Final = Metric(
    "vpsops_heartbeat_age_seconds",
    MetricKind.GAUGE,
    "Time since this process stored its last heartbeat; absent while it runs no changes.",
)
DATABASE_UP: Final = Metric(
    "vpsops_database_up",
    MetricKind.GAUGE,
    "1 where the database was read for this scrape; at 0 all that is read from it is absent.",
)
READY: Final = Metric("vpsops_ready", MetricKind.GAUGE, "1 while /readyz has nothing to report.")
BUILD_INFO: Final = Metric(
    "vpsops_build_info", MetricKind.GAUGE, "Always 1; what this process is.", ("version", "python", "front")
)

METRICS: Final = (
    CHANGES,
    HELD_SECONDS,
    SEND_SECONDS,
    SETTLE_SECONDS,
    VOTES,
    OVERRIDES,
    GRANTS,
    END_STOPS,
    POLICY_DECISIONS,
    REFUSALS,
    PROVIDER_REQUESTS,
    PROVIDER_SECONDS,
    DEFERRALS,
    SLACK_CALLS,
    SLACK_SECONDS,
    SLACK_RETRIES,
    SLACK_ACK_SECONDS,
    MCP_CALLS,
    MCP_SECONDS,
    QUEUE_DEPTH,
    QUEUE_AGE,
    OPEN_CHANGES,
    OPEN_REVIEWS,
    SERVER_ENDS,
    DEAD_MESSAGES,
    HOLD_OFFS,
    AGENTS_PAUSED,
    PROCESSES,
    HEARTBEAT_AGE,
    DATABASE_UP,
    READY,
    BUILD_INFO,
)
"""All metrics, in the order of their page."""
