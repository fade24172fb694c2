"""How long things take and are waited for, in seconds; one frozen value, so that tests can shorten it."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Timing:
    """Defaults for people and for the provider's documented times (notes on each field's source)."""

    confirm_seconds: float = 900.0  # a question to the asker's own human stays open this long
    approve_seconds: float = 3600.0  # a hold for votes, unless the policy's rule says otherwise
    send_window: float = 2.0  # from the stored intention to the first byte, on an open connection; later is fenced
    look_age: float = 5.0  # a look before a sending is repeated where connecting took longer than this
    uptime_wait: float = 2.0  # a server's uptime before its reboot is waited for this long
    late_pause: float = 1.0  # before the next attempt, where this process was too slow to send; doubled each time
    late_pause_most: float = 30.0
    late_limit: float = 900.0  # so long after the first attempt one that was late is followed by another
    write_gap: float = 0.25  # between writes, once the burst is used up
    write_burst: int = 10
    longest_hold_off: float = 60.0  # a longer Retry-After ends the change instead of waiting
    sends: int = 3  # how often a surely unprocessed write is begun
    breaks: int = 3  # how often a run may break before its sending
    keep_seconds: float = 2.0  # between rounds of the keeper
    poll_young: float = 3.0  # until a change is a minute old
    poll_grown: float = 10.0  # until ten minutes
    poll_old: float = 30.0
    poll_idle: float = 60.0  # while nothing is being changed, but a channel wants to hear of drift or the provider
    poll_jitter: float = 0.2  # share of the interval
    look_budget: float = 3.0  # a look waits so long for the servers that it reads besides the list
    look_patience: float = 24.0  # the longest for a server that was slow before, which is read apart from the looks
    create_limit: float = 600.0  # the official Terraform provider's limit for a create
    power_limit: float = 300.0
    give_up: float = 86400.0  # an overdue change is watched this long
    missing_limit: float = 120.0  # a server may be missing from the list this long before it is lost
    create_lookup: float = 300.0  # an unclear create that is not in the list by then was not made
    power_lookup: float = 180.0  # an unclear power operation that does not show by then was not done
    clock_skew: float = 120.0  # between the provider's clock and ours
    outage_seconds: float = 60.0  # polls fail this long before people are told
    usage_seconds: float = 60.0  # between two looks at the usage of a server that somebody has a threshold on
    notice_seconds: float = 2.0  # notices to a channel wait this long for others to go with them
    escalate_share: float = 0.5  # of a hold's life, without any vote, until more people are asked
    remind_share: float = 0.8  # of a hold's life, until those who may vote are reminded


DEFAULT_TIMING = Timing()
