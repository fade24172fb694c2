"""Waits short enough for tests, in the proportions of the real ones."""

from vpsops.core.common.timings import Timing

QUICK = Timing(
    keep_seconds=1.0,
    read_budget=0.1,
    poll_young=0.1,
    poll_grown=0.2,
    poll_old=0.4,
    poll_idle=0.3,
    usage_seconds=0.2,
    notice_seconds=0.1,
    create_limit=5.0,
    power_limit=5.0,
    unseen_limit=1.0,
    agree_gap=0.02,
    missing_limit=2.0,
    create_lookup=1.0,
    long_limit=8.0,
    long_lookup=1.5,
    power_lookup=1.0,
    refusal_lookup=0.5,
    outage_seconds=0.3,
    late_pause=0.05,
    late_pause_most=0.4,
    uptime_wait=1.0,
)
