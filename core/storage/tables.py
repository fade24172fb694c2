"""The tables. Times are UTC seconds since 1970, except `beat` and `until`: those count in the lease clock.

Migrations in `migrations/versions` make them; a test holds both equal.
"""

from typing import Any

import sqlalchemy as sa

METADATA = sa.MetaData()

OPEN_STATES = ("held", "scheduled", "approved", "sending", "watching", "unknown", "needs_person")

EXACT = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")
"""Text ordered by its characters, so that an index finds what begins with something."""

OPEN = sa.text("lock IS NOT NULL")

CHANGES = sa.Table(
    "changes",
    METADATA,
    sa.Column("id", sa.String(40), primary_key=True),
    sa.Column("version", sa.Integer, nullable=False),
    sa.Column("state", sa.String(20), nullable=False),
    sa.Column("operation", sa.String(40), nullable=False),
    sa.Column("key", sa.String(255), nullable=True, unique=True),  # deduplicates requests
    sa.Column("lock", sa.String(300), nullable=True, unique=True),  # at most one change acts on a server
    sa.Column("arguments", sa.JSON, nullable=False),
    sa.Column("target", sa.JSON, nullable=False),
    sa.Column("actor", sa.JSON, nullable=False),
    sa.Column("actor_id", sa.String(200), nullable=False),
    sa.Column("origin", sa.JSON, nullable=False),
    sa.Column("reason", sa.Text, nullable=False),
    sa.Column("ruling", sa.JSON, nullable=False),
    sa.Column("digest", sa.String(64), nullable=False),
    sa.Column("cost", sa.Text, nullable=False),
    sa.Column("effect", sa.Text, nullable=False),
    sa.Column("created_at", sa.Double, nullable=False),
    sa.Column("updated_at", sa.Double, nullable=False),
    sa.Column("expires_at", sa.Double, nullable=True),
    sa.Column("remind_at", sa.Double, nullable=True),
    sa.Column("sent_at", sa.Double, nullable=True),
    sa.Column("settled_at", sa.Double, nullable=True),
    sa.Column("result", sa.JSON, nullable=False),
    sa.Column("note", sa.Text, nullable=False),
    sa.Column("overdue", sa.Boolean, nullable=False),
    sa.Column("last_uptime", sa.BigInteger, nullable=True),
    sa.Column("owner", sa.String(80), nullable=True),  # the process that runs it
    sa.Column("sends", sa.Integer, nullable=False),  # how often a surely unprocessed send was begun
    sa.Column("format", sa.Integer, nullable=False, server_default="1"),  # what the row means; see codec.FORMAT
    sa.Column("breaks", sa.Integer, nullable=False, server_default="0"),  # how often a run broke before its sending
    sa.Column("confirmed", sa.Text, nullable=True),  # how its human's own confirmation came
    sa.Column("not_before", sa.Double, nullable=True),  # until when the provider asked an approved change to wait
    sa.Column("facts", sa.JSON, nullable=True),  # what was shown of it beside its server, as pairs of label and value
    sa.Column("traceparent", sa.String(55), nullable=True),  # W3C trace context that it was requested in
    sa.Column("run_at", sa.Double, nullable=True),  # when its schedule lets it start
    sa.Column("schedule", sa.JSON(none_as_null=True), nullable=True),  # its times, words, zone and window
    sa.Column("overridden", sa.JSON, nullable=True),  # that its asker ran it without votes, and what its review said
    sa.Column("plan", sa.String(40), nullable=True),  # the plan that it is a member of
    sa.Index("changes_by_state", "state", "expires_at"),
    sa.Index("changes_by_age", "created_at"),
    # in lower case, to be found by: the human that the actor acts for, and the server as it was when it was asked for
    sa.Column("human", EXACT, nullable=False, server_default=""),
    sa.Column("server", EXACT, nullable=False, server_default=""),
    sa.Column("hostname", EXACT, nullable=False, server_default=""),
    sa.Index("changes_by_actor", "actor_id", "created_at"),
    sa.Index("changes_by_human", "human", "created_at"),
    sa.Index("changes_by_server", "server", "created_at"),
    sa.Index("changes_by_hostname", "hostname", "created_at"),
    sa.Index("changes_by_update", "updated_at"),
    sa.Index("changes_open", "created_at", sqlite_where=OPEN, postgresql_where=OPEN),
)

PLAN_MEMBERS = sa.Table(
    "plan_members",
    METADATA,
    sa.Column("plan_id", sa.String(40), primary_key=True),
    sa.Column("ordinal", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("state", sa.String(20), nullable=False),
    sa.Column("operation", sa.String(40), nullable=False),
    sa.Column("arguments", sa.JSON, nullable=False),
    sa.Column("target", sa.JSON, nullable=False),
    sa.Column("digest", sa.String(64), nullable=False),  # of what was shown of it
    sa.Column("change_id", sa.String(40), nullable=True),  # once it began
    sa.Column("note", sa.Text, nullable=False),
    sa.Column("moved_at", sa.Double, nullable=True),  # when its state last changed
    sa.Column("part", sa.JSON(none_as_null=True), nullable=True),  # of a runbook: the step that it is, or compensates
    sa.Index("plan_members_by_state", "plan_id", "state", "ordinal"),
)

VOTES = sa.Table(
    "votes",
    METADATA,
    sa.Column("change_id", sa.String(40), sa.ForeignKey("changes.id"), primary_key=True),
    sa.Column("voter_id", sa.String(200), primary_key=True),
    sa.Column("voter", sa.JSON, nullable=False),
    sa.Column("verdict", sa.String(10), nullable=False),
    sa.Column("reason", sa.Text, nullable=False),
    sa.Column("evidence", sa.Text, nullable=False),
    sa.Column("at", sa.Double, nullable=False),
    sa.Column("granted", sa.JSON(none_as_null=True), nullable=True),  # what the voter would grant with an approval
)

GRANTS = sa.Table(
    "grants",
    METADATA,
    sa.Column("id", sa.String(40), primary_key=True),
    sa.Column("state", sa.String(20), nullable=False),
    sa.Column("source", sa.String(40), nullable=False, unique=True),  # the change that opened it
    sa.Column("agent_id", sa.String(200), nullable=False),
    sa.Column("agent", sa.JSON, nullable=False),
    sa.Column("origin", sa.JSON, nullable=False),
    sa.Column("operation", sa.String(40), nullable=False),
    sa.Column("arguments", sa.JSON, nullable=False),  # all but the server
    sa.Column("target", sa.JSON, nullable=False),
    sa.Column("servers", sa.JSON, nullable=False),  # the rule's patterns; empty for the target alone
    sa.Column("states", sa.JSON, nullable=False),
    sa.Column("ruling", sa.JSON, nullable=False),
    sa.Column("uses", sa.Integer, nullable=False),
    sa.Column("used", sa.Integer, nullable=False),
    sa.Column("opened_at", sa.Double, nullable=False),
    sa.Column("until", sa.Double, nullable=False),
    sa.Column("ended_at", sa.Double, nullable=True),
    sa.Column("note", sa.Text, nullable=False),  # why it ended, for people
    sa.Column("opened_beat", sa.Double, nullable=True),  # the last heartbeat before it opened, in the lease clock
    sa.Index("grants_open", "state", "until"),
    sa.Index("grants_by_agent", "agent_id", "state"),
)

REVIEWS = sa.Table(
    "reviews",
    METADATA,
    sa.Column("change_id", sa.String(40), sa.ForeignKey("changes.id"), primary_key=True),
    sa.Column("state", sa.String(10), nullable=False),  # open, closed
    sa.Column("opened_at", sa.Double, nullable=False),
    sa.Column("remind_at", sa.Double, nullable=True),  # when people are reminded next; NULL once it is closed
    sa.Column("reminders", sa.Integer, nullable=False),
    sa.Column("closed_at", sa.Double, nullable=True),
    sa.Index("reviews_by_state", "state", "remind_at"),
)

SERVER_ENDS = sa.Table(
    "server_ends",
    METADATA,
    sa.Column("server_id", sa.String(200), primary_key=True),  # the provider's
    sa.Column("version", sa.Integer, nullable=False),
    sa.Column("state", sa.String(20), nullable=False),
    sa.Column("hostname", sa.Text, nullable=False),  # as it was made, for people
    sa.Column("plan", sa.Text, nullable=False),
    sa.Column("change_id", sa.String(40), nullable=False),  # that made it
    sa.Column("owner", sa.JSON, nullable=False),
    sa.Column("origin", sa.JSON, nullable=False),
    sa.Column("made_at", sa.Double, nullable=False),
    sa.Column("since", sa.Double, nullable=False),  # from when the time to its end counts
    sa.Column("ends_at", sa.Double, nullable=False),
    sa.Column("next_at", sa.Double, nullable=True),  # when it is looked at next; NULL once it is gone
    sa.Column("turn", sa.Integer, nullable=False),  # how many ends it was given
    sa.Column("stop_id", sa.String(40), nullable=False),  # the change that stops it at this end; empty without one
    sa.Column("delete_id", sa.String(40), nullable=False),
    sa.Column("note", sa.Text, nullable=False),
    sa.Index("server_ends_by_look", "next_at"),
    sa.Index("server_ends_by_change", "change_id"),
)

AUDIT = sa.Table(
    "audit",
    METADATA,
    sa.Column("seq", sa.BigInteger, primary_key=True, autoincrement=False),
    sa.Column("at", sa.Double, nullable=False),
    sa.Column("event", sa.String(40), nullable=False),
    sa.Column("change_id", sa.String(40), nullable=True),
    sa.Column("record", sa.Text, nullable=False),  # canonical JSON, what is hashed
    sa.Column("previous", sa.String(64), nullable=False),
    sa.Column("hash", sa.String(64), nullable=False),
    sa.Index("audit_by_change", "change_id"),
)

AUDIT_HEAD = sa.Table(
    "audit_head",
    METADATA,
    sa.Column("id", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("seq", sa.BigInteger, nullable=False),
    sa.Column("hash", sa.String(64), nullable=False),
)

OUTBOX = sa.Table(
    "outbox",
    METADATA,
    sa.Column("id", sa.Integer, primary_key=True, autoincrement=True),
    sa.Column("topic", sa.String(80), nullable=False),
    sa.Column("kind", sa.String(20), nullable=False),
    sa.Column("payload", sa.JSON, nullable=False),
    sa.Column("state", sa.String(10), nullable=False),  # waiting, done, dead
    sa.Column("created_at", sa.Double, nullable=False),
    sa.Column("not_before", sa.Double, nullable=False),
    sa.Column("attempts", sa.Integer, nullable=False),
    sa.Column("owner", sa.String(80), nullable=True),
    sa.Column("until", sa.Double, nullable=True),
    sa.Column("error", sa.Text, nullable=False),
    sa.Index("outbox_by_state", "state", "not_before"),
    sqlite_autoincrement=True,  # a number is never reused: a late report about a message must not hit another
)

COPIES = sa.Table(
    "copies",
    METADATA,
    sa.Column("topic", sa.String(80), primary_key=True),
    sa.Column("channel", sa.String(40), primary_key=True),
    sa.Column("ts", sa.String(40), primary_key=True),
    sa.Column("purpose", sa.String(40), nullable=False),
    sa.Column("at", sa.Double, nullable=False),
    sa.Index("copies_by_place", "channel", "ts"),
)

INBOX = sa.Table(
    "inbox",
    METADATA,
    sa.Column("key", sa.String(255), primary_key=True),
    sa.Column("kind", sa.String(40), nullable=False),
    sa.Column("payload", sa.JSON, nullable=False),
    sa.Column("received_at", sa.Double, nullable=False),  # moves on while a process works on it
    sa.Column("done_at", sa.Double, nullable=True),
    sa.Column("arrived_at", sa.Double, nullable=True),
    sa.Index("inbox_by_age", "done_at", "received_at"),
)

PROCESSES = sa.Table(
    "processes",
    METADATA,
    sa.Column("id", sa.String(80), primary_key=True),
    sa.Column("front", sa.String(20), nullable=False),
    sa.Column("started_at", sa.Double, nullable=False),
    sa.Column("beat", sa.Double, nullable=False),
    sa.Column("format", sa.Integer, nullable=False, server_default="1"),  # the newest of a change that it understands
    sa.Column("operations", sa.JSON, nullable=False, server_default="[]"),  # those that it can run
    sa.Column(
        "policy", sa.String(80), nullable=False, server_default=""
    ),  # the version that its own settings amount to
    sa.Column("policy_source", sa.Text, nullable=False, server_default=""),  # the file that declares it
)

POLICIES = sa.Table(
    "policies",
    METADATA,
    sa.Column("number", sa.Integer, primary_key=True, autoincrement=False),  # the highest is in force
    sa.Column("version", sa.String(80), nullable=False),
    sa.Column("text", sa.Text, nullable=False),  # canonical; its SHA-256 is the version
    sa.Column("previous", sa.String(80), nullable=False),
    sa.Column("source", sa.Text, nullable=False),  # the file that it came from, as named by who applied it
    sa.Column("by", sa.JSON, nullable=False),  # a claim: every writer of the database can set it
    sa.Column("at", sa.Double, nullable=False),
    sa.Column("record", sa.BigInteger, nullable=False),  # of the audit trail
    sa.Index("policies_by_version", "version"),
)

RUNBOOKS = sa.Table(
    "runbooks",
    METADATA,
    sa.Column("name", sa.String(40), primary_key=True),
    sa.Column("number", sa.Integer, nullable=False),  # how often one of this name was applied
    sa.Column("version", sa.String(80), nullable=False),  # of the text
    sa.Column("text", sa.Text, nullable=False),  # as it was written, TOML
    sa.Column("source", sa.Text, nullable=False),
    sa.Column("by", sa.JSON, nullable=False),
    sa.Column("at", sa.Double, nullable=False),
    sa.Column("record", sa.BigInteger, nullable=False),  # of the audit trail
)

LEASES = sa.Table(
    "leases",
    METADATA,
    sa.Column("name", sa.String(40), primary_key=True),
    sa.Column("owner", sa.String(80), nullable=False),
    sa.Column("until", sa.Double, nullable=False),
)

HOLD_OFFS = sa.Table(
    "hold_offs",
    METADATA,
    sa.Column("scope", sa.String(300), primary_key=True),  # a server, all creates, or all writes
    sa.Column("asked_at", sa.Double, nullable=False),
    sa.Column("until", sa.Double, nullable=False),
)

ABSENT_ROUTES = sa.Table(
    "absent_routes",
    METADATA,
    sa.Column("api", sa.String(64), primary_key=True),  # the SHA-256 of the API's address
    sa.Column("route", sa.String(60), primary_key=True),
    sa.Column("region", sa.String(100), primary_key=True),  # of the server that it was asked for; empty for none
    sa.Column("status", sa.Integer, nullable=False),
    sa.Column("learned_at", sa.Double, nullable=False),
    sa.Column("regions", sa.JSON, nullable=False),  # of all servers then
)

SWITCHES = sa.Table(
    "switches",
    METADATA,
    sa.Column("name", sa.String(40), primary_key=True),  # such as "agents_paused"
    sa.Column("value", sa.JSON, nullable=False),
    sa.Column("by", sa.JSON, nullable=False),
    sa.Column("at", sa.Double, nullable=False),
)

ACCOUNTS = sa.Table(
    "accounts",
    METADATA,
    sa.Column("id", sa.String(64), primary_key=True),
    sa.Column("names", sa.JSON, nullable=False),  # of a human, as configured
    sa.Column("asked", sa.Integer, nullable=False),  # the number of the last question
    sa.Column("answered", sa.Integer, nullable=False),  # the number of the question that is answered here
    sa.Column("account", sa.String(40), nullable=False),
    sa.Column("problem", sa.Text, nullable=False),  # why no account counts
    sa.Column("asked_at", sa.Double, nullable=False),
    sa.Column("answered_at", sa.Double, nullable=True),
)

PREFERENCES = sa.Table(
    "preferences",
    METADATA,
    sa.Column("team", sa.String(40), primary_key=True),
    sa.Column("person", sa.String(200), primary_key=True),
    sa.Column("value", sa.JSON, nullable=False),
    sa.Column("at", sa.Double, nullable=False),
)

SUBSCRIPTIONS = sa.Table(
    "subscriptions",
    METADATA,
    sa.Column("id", sa.String(40), primary_key=True),
    sa.Column("team", sa.String(40), nullable=False),
    sa.Column("channel", sa.String(40), nullable=False),
    sa.Column("events", sa.JSON, nullable=False),
    sa.Column("servers", sa.JSON, nullable=False),  # hostname patterns
    sa.Column("options", sa.JSON, nullable=False),  # quiet hours, thresholds
    sa.Column("by", sa.JSON, nullable=False),
    sa.Column("at", sa.Double, nullable=False),
    sa.Index("subscriptions_by_channel", "team", "channel"),
)


def _installed() -> list[sa.Column[Any]]:
    """The columns that Slack's SDK keeps of a workspace that installed the app."""
    return [
        sa.Column("id", sa.Integer, primary_key=True, autoincrement=True),
        sa.Column("client_id", sa.String(32), nullable=False),
        sa.Column("app_id", sa.String(32), nullable=False),
        sa.Column("enterprise_id", sa.String(32)),
        sa.Column("enterprise_name", sa.String(200)),
        sa.Column("team_id", sa.String(32)),
        sa.Column("team_name", sa.String(200)),
        sa.Column("bot_token", sa.Text),  # encrypted
        sa.Column("bot_id", sa.String(32)),
        sa.Column("bot_user_id", sa.String(32)),
        sa.Column("bot_scopes", sa.Text),
        sa.Column("bot_refresh_token", sa.Text),
        sa.Column("bot_token_expires_at", sa.DateTime),
        sa.Column("is_enterprise_install", sa.Boolean, nullable=False),
        sa.Column("installed_at", sa.DateTime, nullable=False),
    ]


SLACK_INSTALLATIONS = sa.Table(
    "slack_installations",
    METADATA,
    *_installed(),
    sa.Column("enterprise_url", sa.String(200)),
    sa.Column("user_id", sa.String(32), nullable=False),
    sa.Column("user_token", sa.Text),
    sa.Column("user_scopes", sa.Text),
    sa.Column("user_refresh_token", sa.Text),
    sa.Column("user_token_expires_at", sa.DateTime),
    sa.Column("incoming_webhook_url", sa.Text),
    sa.Column("incoming_webhook_channel", sa.String(200)),
    sa.Column("incoming_webhook_channel_id", sa.String(200)),
    sa.Column("incoming_webhook_configuration_url", sa.Text),
    sa.Column("token_type", sa.String(32)),
    sa.Index("slack_installations_by_team", "client_id", "team_id", "installed_at"),
)

SLACK_BOTS = sa.Table(
    "slack_bots",
    METADATA,
    *_installed(),
    sa.Index("slack_bots_by_team", "client_id", "team_id", "installed_at"),
)

SLACK_OAUTH_STATES = sa.Table(
    "slack_oauth_states",
    METADATA,
    sa.Column("id", sa.Integer, primary_key=True, autoincrement=True),
    sa.Column("state", sa.String(200), nullable=False, unique=True),  # its hash
    sa.Column("expire_at", sa.DateTime, nullable=False),
)
