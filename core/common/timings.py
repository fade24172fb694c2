"""Every time limit of the product, in seconds unless its name says otherwise.

`vpsops.core.config.timing_relations` says which must be shorter than which, and why; a test checks that no limit is
written anywhere else. A limit of `Timing` or `TransportSettings` may be replaced for tests.
"""

from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Final, Self

DAY_SECONDS: Final = 86400.0
SHORTEST_GRANT_SECONDS: Final = 300.0  # of trust in an agent without votes; a rule's cap is no shorter
GRANT_STEPS_SECONDS: Final = (
    1800.0,
    3600.0,
    7200.0,
)  # the times offered to approvers, as far as the rule's cap reaches

# Processes and their leases, in the lease clock.
BEAT_SECONDS: Final = 1.0
CERTAIN_SECONDS: Final = 3.5  # so long after its last stored beat a process still starts and sends
DEAD_SECONDS: Final = 5.0  # so long after it the others take over
HORIZON_SECONDS: Final = 600.0  # a stored moment that lies further ahead is from before a reboot
LONGEST_SECONDS: Final = 540.0  # the furthest that a moment is stored ahead
LEAVE_SECONDS: Final = 2.0  # to sign off
POLICY_TOLD_SECONDS: Final = 2.0  # by then every heartbeat has read a policy that was applied
POLICY_SECONDS: Final = 1.0  # a read is decided by a policy that was in force so long ago; a change by the one now
RELOAD_SETTLE_SECONDS: Final = 0.2  # requests for a reload within it are one
POLICY_APPLIED_SECONDS: Final = 6.0  # by then every heartbeat says whether its process took a policy that was applied
POLICY_APPLIED_POLL_SECONDS: Final = 0.25
TAKEOVER_SECONDS: Final = 10.0  # promised: what a process left before sending it is sent by another within this

# The database.
BUSY_SECONDS: Final = 5.0  # a lock is waited for; PostgreSQL ends who is silent in a transaction for so long
COPY_SECONDS: Final = 60.0  # PostgreSQL waits for a backup or restore that pauses within its transaction
RETRY_SECONDS: Final = 5.0  # a transaction that may pass is tried again
SCHEMA_SECONDS: Final = 0.9  # between checks whether a newer version migrated the schema
PAUSE_SECONDS: Final = 0.1  # between its tries
CONNECT_SECONDS: Final = 5  # to PostgreSQL
SILENT_SECONDS: Final = 15  # without an acknowledgement a connection to PostgreSQL is given up
SIGNAL_SECONDS: Final = 0.25  # between checks whether another process stored something (SQLite)
SIGNAL_AWAY_SECONDS: Final = 1.0  # before another try to listen (PostgreSQL)
ADDRESS_ANSWER_SECONDS: Final = 5.0  # doctor waits for who listens at an address
SIGNAL_PROBE_SECONDS: Final = 2.0  # doctor waits for a notification of its own (PostgreSQL)
NEWS_SECONDS: Final = 30.0  # a poll although no signal came
CHANGE_POLL_SECONDS: Final = 5.0  # between reads of a change that a caller waits for, although no signal came
NEWS_BROKEN_SECONDS: Final = 30.0

# Readiness: how old a task's last round may be, and a check's answer.
READY_RECONCILER_SECONDS: Final = 12.0
READY_POLLER_SECONDS: Final = 450.0  # while something is watched
READY_OUTBOX_SECONDS: Final = 90.0
READY_INBOX_SECONDS: Final = 30.0
READY_ANSWER_SECONDS: Final = 1.0
READY_KEPT_SECONDS: Final = 1.0
READY_FAILED_SECONDS: Final = 3.5

# Metrics and traces.
METRICS_SECONDS: Final = 2.0  # a scrape waits for the database; then what is read from it is absent
METRICS_KEPT_SECONDS: Final = 5.0  # scrapes within this are of one read
FLUSH_SECONDS: Final = 1.0  # a process that ends sends what it traced

# Background tasks.
REST_SECONDS: Final = 60.0  # a change is tried again so long after a step of it broke
FIRST_PAUSE_SECONDS: Final = 0.5  # before a task that broke is started again; doubled each time
LONGEST_PAUSE_SECONDS: Final = 30.0
STEADY_SECONDS: Final = 60.0  # a task that ran so long begins again with the first pause

# The provider.
REFUSED_SECONDS: Final = 300.0  # between polls while it refuses the key
SOONEST_SECONDS: Final = 2.0  # between two requested polls of the fleet
MEASURE_SECONDS: Final = 10.0  # a round of figures for thresholds
APPEARING_SECONDS: Final = 600.0  # within which a server that was made shows in the list
FLEET_KEPT_SECONDS: Final = 3600.0  # an older fleet is not compared with
FLEET_FRESH_SECONDS: Final = 300.0  # between two writes of a fleet that stays as it is
UPTIME_MARGIN_SECONDS: Final = 15.0  # copies of an uptime, and our clock against it, may be so far apart
UPTIME_NODES_SECONDS: Final = 10.0  # the figures of two nodes are no further apart
UPTIME_FALL_SECONDS: Final = 120.0  # no copy of an uptime is older
RETRY_AFTER_LONGEST_SECONDS: Final = 366 * DAY_SECONDS  # a wish to wait longer counts as this
HOLD_OFF_LONGEST_SECONDS: Final = 3600.0  # writes are held back no longer; then one is sent to see
HOLD_OFF_RELATED_SECONDS: Final = 60.0  # a 429 from elsewhere, so soon after a wish to wait, is about all writes
OFFER_SECONDS: Final = DAY_SECONDS  # a route that the API did not offer is asked for again after this
RETRY_AFTER_SAID_SECONDS: Final = 2 * DAY_SECONDS  # a longer one is not shown in seconds
GAP_SECONDS: Final = 1800.0  # after so long without a figure it is not known what was between
DETAIL_SECONDS: Final = 5.0  # to show servers in full that the list describes in part; then as the list has them
PROVIDER_DATE_SECONDS: Final = 60.0  # the date of something that was made may be so far from our clock
PRICES_SECONDS: Final = 10.0  # to read the prices that a limit on money needs; what is not known then is refused
REGION_NAMES_SECONDS: Final = 2.0  # to read the names of regions; ids stand alone then
REGION_NAMES_KEPT_SECONDS: Final = 3600.0  # an older list of them is read again
REGION_NAMES_PAUSE_SECONDS: Final = 300.0  # between a failed read of them and the next
SHARED_SECONDS: Final = 1.0  # an answer to people may be so much older than the question

# Plans.
PLAN_PAUSE_MOST_SECONDS: Final = 3600  # the longest pause between two members
PLAN_POLL_SECONDS: Final = 5.0  # between reads of a running plan, although no signal came
PLAN_RETRY_SECONDS: Final = 2.0  # before a member that could not begin yet is tried again
FLEET_SECONDS: Final = 2.0  # so old may a list of all servers be that groups are counted in
SAME_SECONDS: Final = 0.001  # times that differ by less are the same: a database may round them
LABELS_SECONDS: Final = 60.0  # so old may the labels be of a server that is down and counted there
PLAN_BUSY_SECONDS: Final = 600.0  # so long a member waits for others of its group to be up again
PROBE_SECONDS: Final = 60.0  # a server that settled has to answer within this
PROBE_ANSWER_SECONDS: Final = 3.0  # for one attempt
PROBE_PAUSE_SECONDS: Final = 2.0  # between two attempts

# Stopping.
STOP_SECONDS: Final = 20.0  # promised: a stopped process has ended by then
GRACE_SECONDS: Final = 5  # requests under way; then their connections are closed
CUT_SECONDS: Final = GRACE_SECONDS - 1.0  # what has no answer by then is answered 503
ANSWER_SECONDS: Final = CUT_SECONDS - 1.0  # what has words of its own is answered by then
LAST_LOOK_SECONDS: Final = 1.0  # at a change that a call waits for
FIRST_LINE_SECONDS: Final = 2.0  # until a host has spoken to a process that cannot serve, and has the error
ENDED_SECONDS: Final = 20.0  # calls in hand of a client that closed its end of standard streams: a pipe of one call
DRAIN_SECONDS: Final = 9.0  # deliveries from Slack in hand
FINISH_SECONDS: Final = 3.0  # messages to Slack in hand

# The HTTP doors.
HEAD_SECONDS: Final = 10.0  # until a request's head is there
BODY_SECONDS: Final = 20.0  # until its body is there

# Assistants.
HOST_SECONDS: Final = 60.0  # hosts give up on a call after this
WALK_SECONDS: Final = 120.0  # a list of servers is kept for the pages of a walk over it
PATIENCE_SECONDS: Final = 45.0  # a call waits for its change
PROGRESS_SECONDS: Final = 5.0  # between two words of progress
WITHDRAWAL_SECONDS: Final = 3.0  # to give a hold back when the asker has gone
QUESTION_SECONDS: Final = 3600.0  # a pushed question may stay open
QUESTION_STATE_SECONDS: Final = 86400.0  # what a question carries is accepted back
SOCKET_WRITE_SECONDS: Final = 30.0  # a client of the Unix socket that reads nothing for so long is disconnected
SOCKET_PAUSE_SECONDS: Final = 0.2  # before connections are taken again when there was no descriptor for one
SESSION_SECONDS: Final = 1800.0  # without a request a session over HTTP ends
STREAM_SECONDS: Final = 3600.0  # a stream ends, so that the next begins with a token that still holds
TOKENS_SECONDS: Final = 1.0  # between two reads of the tokens file
KEYS_SECONDS: Final = 600.0  # an issuer's keys are taken as they were read
KEYS_STALE_SECONDS: Final = 86400.0  # and while the issuer cannot be reached
KEYS_AGAIN_SECONDS: Final = 10.0  # the least time between two readings, whatever tokens arrive
KEYS_TIMEOUT_SECONDS: Final = 5.0
LEEWAY_SECONDS: Final = 30.0  # an issuer's clock may be apart from ours

# A terminal.
REDRAW_SECONDS: Final = 1.0  # between two drawings of what a terminal waits for
LONGEST_WAIT_DAYS: Final = 7  # how long a command at the terminal may wait for people
COMPLETION_SECONDS: Final = 2.0  # to read the servers for a shell's completion; then those of the last list
COMPLETION_KEPT_SECONDS: Final = 60.0  # a list that was read for it serves again

# Slack.
SIGNED_SECONDS: Final = 300  # Slack: refuse what was signed longer ago
MEANT_SECONDS: Final = 300.0  # what someone did is carried out within this, or not at all
HINT_SECONDS: Final = 60.0  # between two hints to a person whose messages are no commands
CLOCK_SECONDS: Final = 60.0  # doctor warns of a clock that is further from Slack's
APPROVER_NAMES_SECONDS: Final = 600.0  # names of approvers on cards, where nothing is decided by them
MEMBERS_SECONDS: Final = 30.0  # who is in a group or channel, where nothing is decided by it
INSTALL_SECONDS: Final = 600  # between pressing "Add to Slack" and coming back
SLACK_SECONDS: Final = 10  # for an answer of Slack's API
LINE_OPEN_SECONDS: Final = 15.0  # to open the Socket Mode line
LINE_PING_SECONDS: Final = 10.0
LINE_CLOSED_SECONDS: Final = 60.0  # so long it may be closed before the process is not ready
LINE_OBSERVE_SECONDS: Final = 5.0
LINE_LEAVE_SECONDS: Final = 5.0  # to close it at the end
TOKEN_CHECK_SECONDS: Final = 30.0
TOKEN_REFUSED_SECONDS: Final = 10.0  # between checks of a token that is refused
LINE_AGAIN_SECONDS: Final = (1.0, 2.0, 5.0, 10.0, 20.0)  # before each attempt; up to a quarter is added
LINE_STEADY_SECONDS: Final = 60.0  # a line that was open so long is replaced at once, and its pauses begin again
LINE_WITHHELD_SECONDS: Final = 60.0  # the longest Retry-After that an attempt waits for
ACCOUNT_SECONDS: Final = 10.0  # a process waits for the bot's answer to which account some names belong
ACCOUNT_KEPT_SECONDS: Final = 30.0  # an answer serves again
ACCOUNT_LOOK_SECONDS: Final = 1.0  # between two polls for questions
ACCOUNT_CHECK_SECONDS: Final = 25.0  # between checks whether a token's human is still there
ACCOUNT_WAIT_SECONDS: Final = 3.0  # a request waits for such a check
SWEEP_SECONDS: Final = 10.0  # a living process keeps its deliveries young so often
LEFT_BEHIND_SECONDS: Final = 20.0  # an older delivery was left by a process that ended
CLAIM_SECONDS: Final = 30.0  # messages are one process's for so long at a time
RENEW_SECONDS: Final = 10.0  # a living process renews its claim on messages in hand so often
LEFT_SECONDS: Final = 60.0  # messages that this process cannot read are left to others for so long
FIRST_CONTACT_SECONDS: Final = 3600.0  # the first bot posts the cards of open changes that are no older
IDLE_SECONDS: Final = 5.0  # a poll for messages although no signal came
MESSAGE_RETRY_SECONDS: Final = (1.0, 2.0, 5.0, 15.0, 30.0, 60.0)
TOGETHER_SECONDS: Final = 0.05  # a change takes its steps within milliseconds: one card shows all of them
STOPPED_SECONDS: Final = 300.0  # while Slack refuses the one token; its check lets messages go sooner
SEVERAL_STOPPED_SECONDS: Final = 25.0  # while it refuses the token of one workspace of several
CLOSED_SECONDS: Final = 60.0  # between checks whether the app was invited to where a card belongs
QUIET_HOLD_SECONDS: Final = 600.0  # news that quiet hours hold back are checked again

# What is kept.
HOLD_DAYS: Final = 7  # the longest that a policy may keep a hold open
SCHEDULE_AHEAD_DAYS: Final = 30  # a change is scheduled no further ahead
SCHEDULE_TOLERANCE_SECONDS: Final = 1800.0  # a scheduled change that has not started by then expires
DATE_SLACK_SECONDS: Final = 5.0  # a date that moves on by this much more than the steady clock was not set
DATE_BELIEVED_SECONDS: Final = 900.0  # a date that was set forward starts scheduled changes after this
INBOX_DAYS: Final = 7  # keys of deliveries, long after the last redelivery
WAITING_DAYS: Final = 7  # messages that could not be sent; no hold is open for longer
DEAD_DAYS: Final = 30  # messages given up, for the operator
COPIES_DAYS: Final = 90  # where cards were posted; a change that still moves gets a new one
RETENTION_SECONDS: Final = 3600.0  # between two rounds of tidying up

# Reviews of changes that ran without votes.
REVIEW_SECONDS: Final = 3600.0  # to the first reminder; each later interval is twice the one before
REVIEW_MOST_SECONDS: Final = DAY_SECONDS  # the longest interval between two reminders
REVIEW_ROUND_SECONDS: Final = 30.0  # between checks whether a reminder is due

# Servers with an end.
END_ROUND_SECONDS: Final = 5.0  # between checks whether an end is due
END_TOLERANCE_SECONDS: Final = 1800.0  # a server is stopped at its end until then; after that people are asked
END_LOOK_SECONDS: Final = 900.0  # between reads of a server at its end, until it is gone
END_KEEP_SECONDS: Final = DAY_SECONDS  # what the button of a reminder adds
END_REMINDER_SECONDS: Final = (DAY_SECONDS, 3600.0)  # the owner is asked so long before the end
LIFETIME_LEAST_SECONDS: Final = 15 * 60  # a server is made for
LIFETIME_LONGEST_SECONDS: Final = 366 * 86_400

# The audit trail's head, once a day.
ANCHOR_LOOK_SECONDS: Final = 60.0  # between checks whether a target needs it
ANCHOR_POST_SECONDS: Final = 10.0  # for one POST to a webhook
ANCHOR_RETRY_SECONDS: Final = 600.0  # one that failed, or was left by a dead process, is tried again so late

# Shipping the trail.
SHIP_SECONDS: Final = 5.0  # to connect to a receiver of syslog, and to send it a batch
SHIP_CLOSE_SECONDS: Final = 3.0  # for a syslog receiver to read to the end
SHIP_PAUSE_SECONDS: Final = 1.0  # after a failure; doubled each time
SHIP_LONGEST_PAUSE_SECONDS: Final = 60.0
SHIP_LOOK_SECONDS: Final = 5.0  # a poll for records although no signal came
SHIP_LATE_SECONDS: Final = 3600.0  # doctor warns where a destination lacks a record for so long
SHIP_ATTEMPTS: Final = 5  # of a command that ships once

# What runs beside this process.
GIT_SECONDS: Final = 5.0  # for the commit of a checkout


class Pace(StrEnum):
    """How long an operation takes, by its kind."""

    POWER = "power"
    CREATE = "create"
    LONG = "long"


@dataclass(frozen=True, slots=True)
class Timing:
    """Defaults for people and for the provider's documented times (notes on each field's source)."""

    confirm_seconds: float = 900.0  # a question to the asker's own human stays open this long
    approve_seconds: float = 3600.0  # a hold for votes, unless the policy's rule says otherwise
    send_window: float = 2.0  # from the stored intention to the first byte, on an open connection; later is fenced
    preview_age: float = 5.0  # the preview before a send is repeated where connecting took longer than this
    uptime_wait: float = 2.0  # a server's uptime before its reboot is waited for this long
    late_pause: float = 1.0  # before the next attempt, where this process was too slow to send; doubled each time
    late_pause_most: float = 30.0
    late_limit: float = 900.0  # so long after the first attempt one that was late is followed by another
    write_gap: float = 0.25  # between writes, once the burst is used up
    write_burst: int = 10
    sends: int = 3  # how often a surely unprocessed write is begun
    breaks: int = 3  # how often a run may break before its sending
    keep_seconds: float = 2.0  # between rounds of the reconciler
    poll_young: float = 3.0  # until a change is a minute old
    poll_grown: float = 10.0  # until ten minutes
    poll_old: float = 30.0
    poll_idle: float = 60.0  # while nothing is being changed, but a channel wants to hear of drift or the provider
    poll_jitter: float = 0.2  # share of the interval
    read_budget: float = 3.0  # a poll waits so long for the servers that it reads besides the list
    read_patience: float = 24.0  # the longest for a server that was slow before, which is read apart from the polls
    create_limit: float = 600.0  # the official Terraform provider's limit for a create
    power_limit: float = 300.0
    unseen_limit: float = 60.0  # an accepted reboot that nothing shows, on a server that stays up, ends after this
    long_limit: float = 3600.0  # a disk that is written back whole
    agree_gap: float = 2.0  # between two polls that have to agree before a create is settled
    give_up: float = 86400.0  # an overdue change is watched this long
    missing_limit: float = 120.0  # a server that is not listed may answer 404 this long before it is lost; one that
    # is being made, for the time of a create
    create_lookup: float = 600.0  # an unclear create that is not in the list by then was not made
    refusal_lookup: float = 10.0  # a refused write that shows no effect by then had none
    power_lookup: float = 180.0  # an unclear power operation that does not show by then was not done
    long_lookup: float = 600.0  # an unclear restore that does not show by then was not done
    clock_skew: float = 120.0  # between the provider's clock and ours
    outage_seconds: float = 60.0  # polls fail this long before people are notified
    usage_seconds: float = 60.0  # between two reads of a server's usage that a threshold needs
    notice_seconds: float = 2.0  # notices to a channel wait this long for others to go with them
    escalate_share: float = 0.5  # of a hold's life, without any vote, until more people are asked
    remind_share: float = 0.8  # of a hold's life, until those who may vote are reminded

    def limit(self, pace: Pace) -> float:
        """Return the seconds after which an operation takes longer than it should."""
        return {Pace.POWER: self.power_limit, Pace.CREATE: self.create_limit, Pace.LONG: self.long_limit}[pace]

    def lookup(self, pace: Pace) -> float:
        """Return the seconds by which an unclear operation has shown an effect, if it had any."""
        return {Pace.POWER: self.power_lookup, Pace.CREATE: self.create_lookup, Pace.LONG: self.long_lookup}[pace]

    def with_holds(self, confirm_seconds: float, approve_seconds: float) -> Self:
        """Return this timing with other lives of holds."""
        return replace(self, confirm_seconds=confirm_seconds, approve_seconds=approve_seconds)


@dataclass(frozen=True, slots=True)
class TransportSettings:
    """Bounds on everything between us and the provider, in seconds unless named otherwise.

    Ten thousand servers, each with every field that any source names, are 6 MB of JSON: they fit `max_body_bytes`.
    """

    connect_seconds: float = 5.0  # for the name and TCP, and once more for TLS
    prepare_seconds: float = 15.0  # until a write has an open connection, through a proxy too
    read_seconds: float = 20.0  # of silence
    write_seconds: float = 10.0  # of silence
    queue_seconds: float = 30.0  # for a slot
    attempt_seconds: float = 30.0  # one try of a read, redirects included
    change_seconds: float = 60.0  # from a write's first byte to the end of its answer
    total_seconds: float = 75.0  # a read with all its tries
    attempts: int = 3
    wait_initial: float = 0.5
    wait_max: float = 5.0
    wait_jitter: float = 0.5
    retry_after_cap: float = 20.0  # a read that is asked to wait longer than this is not tried again
    max_body_bytes: int = 8 * 1024 * 1024
    max_in_flight: int = 8  # reads that people and assistants asked for
    max_work: int = 64  # reads that changes wait for
    max_writes: int = 64
    max_redirects: int = 3
    max_reconnects: int = 2


DEFAULT_TIMING: Final = Timing()
DEFAULT_TRANSPORT: Final = TransportSettings()
