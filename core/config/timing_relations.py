"""The relations that must hold between the time limits of `core.common.timings`, each with its reason.

Two limits that contradict each other are a fault that no single place shows: a write that had two seconds to leave,
on a connection that could take five to open, never left. `tests/unit/core/common/test_timings.py` checks every
relation.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from vpsops.core.common import timings
from vpsops.core.common.timings import DEFAULT_TIMING, DEFAULT_TRANSPORT, Timing, TransportSettings


@dataclass(frozen=True, slots=True)
class Relation:
    """The limits of `shorter` in sequence take no longer than those of `longer`; `why` is the reason."""

    shorter: tuple[str, ...]
    longer: tuple[str, ...]
    why: str


def seconds_of(name: str, timing: Timing = DEFAULT_TIMING, transport: TransportSettings = DEFAULT_TRANSPORT) -> float:
    """Return a limit by its name: `timing.…`, `transport.…`, or a name of `timings`; days in seconds."""
    owner, _, field = name.rpartition(".")
    limits = {"timing": timing, "transport": transport}
    value = getattr(limits[owner], field) if owner else getattr(timings, field)
    longest = max(value) if isinstance(value, tuple) else value
    return float(longest) * (timings.DAY_SECONDS if name.endswith("_DAYS") else 1.0)


def holds(
    relation: Relation, timing: Timing = DEFAULT_TIMING, transport: TransportSettings = DEFAULT_TRANSPORT
) -> bool:
    """Return whether a relation holds."""
    shorter = sum(seconds_of(name, timing, transport) for name in relation.shorter)
    return shorter <= sum(seconds_of(name, timing, transport) for name in relation.longer)


RELATIONS: Final[Sequence[Relation]] = (
    Relation(
        ("DATE_BELIEVED_SECONDS", "TAKEOVER_SECONDS"),
        ("SCHEDULE_TOLERANCE_SECONDS",),
        "a date that was set right within the tolerance makes no scheduled change expire",
    ),
    Relation(
        ("ANCHOR_POST_SECONDS",) * 4,
        ("ANCHOR_RETRY_SECONDS",),
        "no second process leaves an anchor that the first one is still about to leave",
    ),
    # A write and the process that sends it.
    Relation(
        ("BEAT_SECONDS",) * 3,
        ("CERTAIN_SECONDS",),
        "two beats that could not be stored keep no process from sending",
    ),
    Relation(
        ("CERTAIN_SECONDS", "BEAT_SECONDS"),
        ("DEAD_SECONDS",),
        "a process stops sending a whole beat before the others take it for dead",
    ),
    Relation(
        ("timing.send_window",),
        ("CERTAIN_SECONDS",),
        "a write that is late is reported as such, and not that its process may be dead",
    ),
    Relation(
        ("transport.connect_seconds",) * 2,
        ("transport.prepare_seconds",),
        "the name and TCP, and then TLS, may each take their whole time",
    ),
    Relation(
        ("timing.uptime_wait",),
        ("timing.send_window",),
        "a server that hangs delays no write by more than two seconds, its own neither",
    ),
    Relation(
        ("timing.uptime_wait",),
        ("timing.preview_age",),
        "waiting for an uptime alone does not make the preview before a send old",
    ),
    Relation(
        ("timing.send_window", "transport.change_seconds"),
        ("timing.power_lookup",),
        "nothing is found not done while it may still be on its way",
    ),
    Relation(
        ("timing.power_lookup",), ("timing.create_lookup",), "a server shows in the list later than a power state"
    ),
    Relation(("timing.poll_young",) * 3, ("timing.refusal_lookup",), "a refusal is verified by several polls"),
    Relation(("timing.refusal_lookup",), ("timing.power_lookup",), "what was refused needs less patience"),
    Relation(
        ("timing.refusal_lookup", "timing.read_budget"),
        ("PATIENCE_SECONDS",),
        "who waits for a refused change hears its end",
    ),
    Relation(("timing.create_lookup",), ("timing.create_limit",), "an unclear create is found before it is overdue"),
    Relation(("timing.power_lookup",), ("timing.power_limit",), "an unclear operation is found before it is overdue"),
    Relation(("timing.long_lookup",), ("timing.long_limit",), "an unclear restore is found before it is overdue"),
    Relation(("timing.long_limit",), ("timing.give_up",), "what takes long is overdue before it is given up"),
    Relation(("timing.create_limit",), ("timing.give_up",), "what is overdue is still watched"),
    Relation(("timing.create_limit",), ("APPEARING_SECONDS",), "a limit counts a server until the list does"),
    Relation(
        ("DEAD_SECONDS", "BEAT_SECONDS", "timing.keep_seconds"),
        ("TAKEOVER_SECONDS",),
        "what a process left is noticed and taken up within the promised time",
    ),
    # A process that is late.
    Relation(("timing.late_pause",), ("timing.late_pause_most",), "pauses grow from one attempt to the next"),
    Relation(
        ("DEAD_SECONDS", "timing.late_pause_most"),
        ("timing.late_limit",),
        "a process that comes back gets another chance before its change fails",
    ),
    Relation(
        ("timing.write_gap",) * 20,
        ("timing.late_limit",),
        "a provider that asks for no time in particular ends no change",
    ),
    Relation(
        ("timing.refusal_lookup", "HOLD_OFF_RELATED_SECONDS", "timing.keep_seconds"),
        ("timing.late_limit",),
        "a yes counts until what was refused for a minute was sent again",
    ),
    Relation(("HOLD_OFF_RELATED_SECONDS",), ("HOLD_OFF_LONGEST_SECONDS",), "a wish is longer than what it belongs to"),
    Relation(
        ("LONGEST_SECONDS", "DEAD_SECONDS"),
        ("HORIZON_SECONDS",),
        "the hands that two processes have of the lease clock may be a moment apart",
    ),
    # Looks.
    Relation(
        ("timing.read_budget",),
        ("timing.poll_young",),
        "servers that hang delay no other change's end by more than one interval",
    ),
    Relation(("timing.read_budget",) * 2, ("timing.read_patience",), "a slow server gets more time than a quick one"),
    Relation(("timing.read_patience",), ("transport.attempt_seconds",), "patience with a server is one try of a read"),
    Relation(("timing.poll_young",), ("timing.poll_grown",), "polls get rarer after a minute"),
    Relation(("timing.poll_grown",), ("timing.poll_old",), "polls get rarer after ten minutes"),
    Relation(
        ("timing.poll_old",) * 3, ("timing.missing_limit",), "a server is missing from several polls before it is lost"
    ),
    Relation(("timing.poll_grown",) * 3, ("timing.power_lookup",), "nothing is found not done by one poll"),
    Relation(("MEASURE_SECONDS",), ("timing.usage_seconds",), "rounds of figures do not pile up"),
    Relation(("FLEET_FRESH_SECONDS",), ("FLEET_KEPT_SECONDS",), "a fleet that is polled stays comparable"),
    Relation(("timing.agree_gap",), ("timing.poll_young",), "the next poll is the second one that settles"),
    Relation(
        ("timing.poll_young",) * 10,
        ("timing.unseen_limit",),
        "a server that goes away for a reboot is seen away before nothing is reported to show it",
    ),
    Relation(("timing.unseen_limit",), ("timing.power_limit",), "what cannot be seen ends before it is overdue"),
    Relation(("UPTIME_NODES_SECONDS",), ("UPTIME_MARGIN_SECONDS",), "what two nodes explain is within the margin"),
    Relation(
        ("UPTIME_MARGIN_SECONDS",) * 2,
        ("UPTIME_FALL_SECONDS",),
        "what an age alone explains is no fall",
    ),
    # Reads.
    Relation(("DETAIL_SECONDS",), ("PRICES_SECONDS",), "what decides gets more time than what is shown"),
    Relation(("PRICES_SECONDS",), ("transport.total_seconds",), "servers that hang hold up no create for long"),
    Relation(("transport.read_seconds",), ("transport.attempt_seconds",), "silence is noticed within a try"),
    Relation(
        ("transport.read_seconds",) * 3 + ("transport.wait_max",) * 2,
        ("transport.total_seconds",),
        "three tries and the pauses between them fit",
    ),
    Relation(
        ("transport.attempt_seconds", "transport.retry_after_cap"),
        ("transport.total_seconds",),
        "after a pause that was asked for there is time for another try",
    ),
    Relation(("transport.queue_seconds",), ("transport.total_seconds",), "waiting for a slot leaves time for a try"),
    # The database.
    Relation(("BUSY_SECONDS",), ("RETRY_SECONDS",), "who waits for a lock gets it from one who died with it"),
    Relation(("BEAT_SECONDS",), ("POLICY_TOLD_SECONDS",), "doctor waits until living processes have read a new policy"),
    Relation(("SCHEMA_SECONDS",), ("BEAT_SECONDS",), "each heartbeat checks the schema"),
    Relation(("PAUSE_SECONDS",), ("RETRY_SECONDS",), "what may pass is tried again"),
    Relation(("CONNECT_SECONDS",), ("RETRY_SECONDS",), "a database that comes back is reached by the same transaction"),
    Relation(
        ("BUSY_SECONDS", "RETRY_SECONDS"),
        ("SILENT_SECONDS",),
        "a connection is not given up while a lock is waited for",
    ),
    Relation(("BUSY_SECONDS", "RETRY_SECONDS"), ("PATIENCE_SECONDS",), "a caller hears that the database is away"),
    # Readiness.
    Relation(
        ("timing.keep_seconds", "BUSY_SECONDS", "RETRY_SECONDS"),
        ("READY_RECONCILER_SECONDS",),
        "a round that waited for the database is no dead reconciler",
    ),
    Relation(
        ("REFUSED_SECONDS", "transport.total_seconds", "timing.read_budget"),
        ("READY_POLLER_SECONDS",),
        "a poll that takes its whole time is no dead poller",
    ),
    Relation(("IDLE_SECONDS", "CLAIM_SECONDS"), ("READY_OUTBOX_SECONDS",), "slow messages are no dead deliverer"),
    Relation(
        ("SWEEP_SECONDS", "BUSY_SECONDS", "RETRY_SECONDS"), ("READY_INBOX_SECONDS",), "a slow sweep is no dead inbox"
    ),
    Relation(("READY_FAILED_SECONDS",), ("CERTAIN_SECONDS",), "who is not ready for the store does not send either"),
    Relation(
        ("LINE_AGAIN_SECONDS", "LINE_OPEN_SECONDS"), ("LINE_CLOSED_SECONDS",), "a line that Slack closed may come back"
    ),
    Relation(("TOKEN_REFUSED_SECONDS",), ("TOKEN_CHECK_SECONDS",), "a token that is right again is noticed soon"),
    Relation(("SEVERAL_STOPPED_SECONDS",), ("STOPPED_SECONDS",), "what is not checked is tried more often"),
    Relation(("HEAD_SECONDS",), ("BODY_SECONDS",), "a body takes longer than its head"),
    # Stopping.
    Relation(("LAST_LOOK_SECONDS",), ("ANSWER_SECONDS",), "who waits for a change hears of its state"),
    Relation(("ANSWER_SECONDS",), ("CUT_SECONDS",), "words of one's own come before the 503"),
    Relation(("HOST_SECONDS",), ("WALK_SECONDS",), "a list is still there after a call as long as hosts allow"),
    Relation(("FIRST_LINE_SECONDS",), ("GRACE_SECONDS",), "a process that cannot serve has ended before it is killed"),
    Relation(("ENDED_SECONDS",), ("PATIENCE_SECONDS",), "a client that has gone keeps no process for a whole wait"),
    Relation(("CUT_SECONDS",), ("GRACE_SECONDS",), "there is time to send the 503"),
    Relation(
        ("GRACE_SECONDS", "DRAIN_SECONDS", "FINISH_SECONDS", "LEAVE_SECONDS", "FLUSH_SECONDS"),
        ("STOP_SECONDS",),
        "a stop ends within the promised time",
    ),
    Relation(("LEAVE_SECONDS",), ("DEAD_SECONDS",), "signing off is quicker than being taken for dead"),
    # Assistants.
    Relation(
        ("PATIENCE_SECONDS", "PROGRESS_SECONDS", "WITHDRAWAL_SECONDS"),
        ("HOST_SECONDS",),
        "a call is answered before its host gives up",
    ),
    Relation(("timing.confirm_seconds",), ("QUESTION_SECONDS",), "a question outlives the hold it is about"),
    Relation(("QUESTION_SECONDS",), ("QUESTION_STATE_SECONDS",), "an answer to an open question is accepted"),
    Relation(("KEYS_TIMEOUT_SECONDS",), ("KEYS_AGAIN_SECONDS",), "readings of keys do not pile up"),
    Relation(("KEYS_AGAIN_SECONDS",), ("KEYS_SECONDS",), "a new key is found before the old ones are read again"),
    Relation(("KEYS_SECONDS",), ("KEYS_STALE_SECONDS",), "an issuer that is away for a moment locks no one out"),
    # Slack.
    Relation(("CLOCK_SECONDS",), ("SIGNED_SECONDS",), "doctor warns before signatures are refused"),
    Relation(("SIGNED_SECONDS",), ("MEANT_SECONDS",), "what Slack may deliver can be carried out"),
    Relation(
        ("SWEEP_SECONDS", "BUSY_SECONDS"),
        ("LEFT_BEHIND_SECONDS",),
        "a living process keeps its deliveries although the database is slow",
    ),
    Relation(
        ("LEFT_BEHIND_SECONDS", "SWEEP_SECONDS"),
        ("MEANT_SECONDS",),
        "what a process left is taken up while it is still meant",
    ),
    Relation(
        ("RENEW_SECONDS", "BUSY_SECONDS", "SLACK_SECONDS"),
        ("CLAIM_SECONDS",),
        "a claim is renewed before another process may post the same",
    ),
    Relation(("MESSAGE_RETRY_SECONDS",), ("HORIZON_SECONDS",), "a message's next try is not taken for another boot's"),
    Relation(("STOPPED_SECONDS",), ("HORIZON_SECONDS",), "a message's next try is not taken for another boot's"),
    Relation(("QUIET_HOLD_SECONDS",), ("HORIZON_SECONDS",), "held news are not taken for another boot's"),
    Relation(("TOGETHER_SECONDS",), ("timing.notice_seconds",), "a card comes before its notices"),
    Relation(("CLAIM_SECONDS",), ("HORIZON_SECONDS",), "a claim is not taken for another boot's"),
    Relation(("LEFT_SECONDS",), ("HORIZON_SECONDS",), "what was left is not taken for another boot's"),
    Relation(
        ("LINE_PING_SECONDS",), ("SIGNED_SECONDS",), "a dead line is noticed while what it lost is still delivered"
    ),
    Relation(
        ("SHIP_SECONDS", "SHIP_SECONDS", "SHIP_CLOSE_SECONDS", "BUSY_SECONDS"),
        ("STOP_SECONDS",),
        "a batch in hand is sent and stored by then",
    ),
    Relation(
        ("ANCHOR_POST_SECONDS", "BUSY_SECONDS"), ("STOP_SECONDS",), "a batch in hand is posted and stored by then"
    ),
    # What is kept.
    Relation(("timing.confirm_seconds",), ("timing.approve_seconds",), "others get no less time than the asker"),
    Relation(("timing.approve_seconds",), ("HOLD_DAYS",), "the default is one that a policy may set"),
    Relation(("HOLD_DAYS",), ("WAITING_DAYS",), "a card waits for as long as its hold"),
    Relation(("MEANT_SECONDS",), ("INBOX_DAYS",), "a delivery that comes again is known for as long as it is meant"),
    Relation(("WAITING_DAYS",), ("DEAD_DAYS",), "what was given up is seen for longer than it waited"),
    Relation(("DEAD_DAYS",), ("COPIES_DAYS",), "a card is edited for as long as notices refer to it"),
)
