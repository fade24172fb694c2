"""Maintenance windows and freezes: when they hold, on which servers, and what overrides a freeze."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from tests.unit.core.policy.facts import AGENT, DB, PERSON, asked
from vpsops.core.common.errors import ConfigurationError
from vpsops.core.operations.target import Target
from vpsops.core.policy import PolicyContext, parse_policy
from vpsops.core.policy.calendar import Window
from vpsops.core.policy.decision import Decision

ALLOW = '[[rule]]\nid = "all"\ndecision = "allow"\nrisk = ["read", "change", "disruptive"]\n'
NIGHTLY = '[[window]]\nname = "nightly"\nhours = "Mon-Fri 01:00-04:00"\ntime_zone = "Europe/Oslo"\n'
YEAR_END = (
    '[[freeze]]\nname = "year-end"\nfrom = "2026-12-20"\nto = "2027-01-04 08:00"\ntime_zone = "Europe/Oslo"\n'
    'reason = "No changes while most are away."\n'
)


def utc(text: str) -> datetime:
    return datetime.fromisoformat(f"{text}+00:00")


def at(text: str, target: Target = DB) -> PolicyContext:
    return replace(asked("stop", PERSON, target), now=utc(text))


def window(text: str) -> Window:
    return parse_policy(text, "vpsops.toml").calendar.windows[0]


@pytest.mark.parametrize(
    ("now", "begins", "ends"),
    [
        ("2026-11-30 12:00", "2026-12-01 00:00", "2026-12-01 03:00"),  # Monday noon: Tuesday 01:00 in Oslo
        ("2026-12-01 01:30", "2026-12-01 01:30", "2026-12-01 03:00"),  # within: from now
        ("2026-12-01 02:59", "2026-12-01 02:59", "2026-12-01 03:00"),
        ("2026-12-01 03:00", "2026-12-02 00:00", "2026-12-02 03:00"),
        ("2026-12-04 03:00", "2026-12-07 00:00", "2026-12-07 03:00"),  # Friday's is over: Monday
        ("2026-07-01 12:00", "2026-07-01 23:00", "2026-07-02 02:00"),  # summer time
    ],
)
def test_a_window_opens_in_its_zone(now: str, begins: str, ends: str) -> None:
    """The opening that is now begins now."""
    span = window(NIGHTLY).next_span(utc(now))
    assert span is not None
    assert (span.begins, span.ends) == (utc(begins), utc(ends))


@pytest.mark.parametrize(
    ("zone", "now", "begins", "ends"),
    [
        ("Europe/Oslo", "2026-03-28 12:00", "2026-03-30 00:00", "2026-03-30 01:00"),  # skipped on the 29th
        ("Europe/Oslo", "2026-10-24 12:00", "2026-10-25 00:00", "2026-10-25 02:00"),  # both hours of the 25th
        ("Australia/Sydney", "2026-10-03 03:00", "2026-10-04 15:00", "2026-10-04 16:00"),  # skipped on the 4th
        ("Australia/Sydney", "2026-04-04 03:00", "2026-04-04 15:00", "2026-04-04 17:00"),  # both hours of the 5th
    ],
)
def test_a_window_in_the_hour_of_a_clock_change(zone: str, now: str, begins: str, ends: str) -> None:
    """An hour that is skipped opens nothing; one that is shown twice is open twice as long."""
    opened = window(f'[[window]]\nname = "two"\nhours = "02:00-03:00"\ntime_zone = "{zone}"\n').next_span(utc(now))
    assert opened is not None
    assert (opened.begins, opened.ends) == (utc(begins), utc(ends))


def test_a_window_that_never_closes_ends_after_a_week() -> None:
    """A change in it is sent at once, and not for ever."""
    now = utc("2026-12-01 00:00")
    span = window('[[window]]\nname = "always"\nhours = "Mon-Sun"\ntime_zone = "UTC"\n').next_span(now)
    assert span is not None
    assert (span.begins, span.ends) == (now, now + timedelta(days=7))


def test_a_window_is_about_its_servers() -> None:
    """By pattern and by label; labels that are not known are not of it."""
    of_web = window(NIGHTLY + 'server = "web*"\nlabel = "env=prod"\n')
    assert of_web.covers(Target("id", "web01.example.com", labels=("env=prod",)))
    assert not of_web.covers(Target("id", "web01.example.com", labels=()))
    assert not of_web.covers(Target("id", "web01.example.com"))
    assert not of_web.covers(Target("id", "db01.example.com", labels=("env=prod",)))
    assert window(NIGHTLY).covers(DB)


@pytest.mark.requirement("freeze-denies")
@pytest.mark.parametrize(
    ("now", "decision"),
    [
        ("2026-12-19 22:59", Decision.ALLOW),
        ("2026-12-19 23:00", Decision.DENY),
        ("2027-01-04 06:59", Decision.DENY),
        ("2027-01-04 07:00", Decision.ALLOW),
    ],
)
def test_a_freeze_denies_from_its_first_moment_to_its_last(now: str, decision: Decision) -> None:
    """In its zone; its reason and its end are said."""
    ruling = parse_policy(ALLOW + YEAR_END, "vpsops.toml").decide(at(now))
    assert ruling.decision is decision
    if decision is Decision.DENY:
        assert ruling.rules == ("freeze year-end",)
        assert ruling.reason == (
            "The freeze year-end holds until 2027-01-04 07:00 UTC. No changes while most are away."
        )


@pytest.mark.requirement("freeze-denies")
def test_a_freeze_lets_reads_through_and_holds_what_is_not_known() -> None:
    """A server of unknown name or labels counts as frozen."""
    frozen = parse_policy(ALLOW + YEAR_END + 'server = "db*"\nlabel = "env=prod"\n', "vpsops.toml")
    now = utc("2026-12-24 12:00")
    assert frozen.decide(replace(asked("get", PERSON), now=now)).decision is Decision.ALLOW
    assert frozen.decide(replace(asked("stop", PERSON), now=now)).decision is Decision.DENY  # labels are not known
    known = Target("id-1", "db01.example.com", labels=())
    assert frozen.decide(replace(asked("stop", PERSON, known), now=now)).decision is Decision.ALLOW
    nameless = Target("id-1", "", labels=("env=prod",))
    assert frozen.decide(replace(asked("stop", PERSON, nameless), now=now)).decision is Decision.DENY
    web = Target("id-2", "web01.example.com", labels=("env=prod",))
    assert frozen.decide(replace(asked("stop", PERSON, web), now=now)).decision is Decision.ALLOW


@pytest.mark.requirement("freeze-denies")
def test_a_rule_that_speaks_overrides_the_freeze_that_it_names() -> None:
    """Then the strictest rule decides as at any time; for others the freeze holds."""
    override = (
        '[[rule]]\nid = "emergency"\nactor = "person"\noperation = "reboot"\ndecision = "approve"\n'
        'approvers = { groups = ["S0ONCALL"] }\nduring_freeze = ["year-end"]\n'
    )
    policy = parse_policy(ALLOW + override + YEAR_END, "vpsops.toml")
    now = utc("2026-12-24 12:00")
    assert policy.decide(replace(asked("reboot", PERSON), now=now)).decision is Decision.APPROVE
    assert policy.decide(replace(asked("reboot", AGENT), now=now)).decision is Decision.DENY
    assert policy.decide(replace(asked("stop", PERSON), now=now)).decision is Decision.DENY


@pytest.mark.requirement("freeze-denies")
def test_a_rule_that_may_not_match_overrides_nothing() -> None:
    """Its condition is about a label, and the labels are not known."""
    override = (
        '[[rule]]\nid = "emergency"\nlabel = "env=prod"\ndecision = "approve"\nrisk = "disruptive"\n'
        'approvers = { groups = ["S0ONCALL"] }\nduring_freeze = ["year-end"]\n'
    )
    policy = parse_policy(ALLOW + override + YEAR_END, "vpsops.toml")
    now = utc("2026-12-24 12:00")
    assert policy.decide(replace(asked("reboot", PERSON), now=now)).decision is Decision.DENY
    known = replace(DB, labels=("env=prod",))
    assert policy.decide(replace(asked("reboot", PERSON, known), now=now)).decision is Decision.APPROVE


def test_a_freeze_may_hold_in_a_window() -> None:
    """On the servers of both."""
    text = ALLOW + NIGHTLY + 'server = "db*"\n' + '[[freeze]]\nname = "backups"\nwindow = "nightly"\n'
    policy = parse_policy(text, "vpsops.toml")
    assert policy.decide(at("2026-12-01 01:00")).decision is Decision.DENY
    assert policy.decide(at("2026-12-01 12:00")).decision is Decision.ALLOW
    web = Target("id-2", "web01.example.com")
    assert policy.decide(at("2026-12-01 01:00", web)).decision is Decision.ALLOW


def test_dates_in_the_hour_of_a_clock_change_are_read_as_the_longer_freeze() -> None:
    """It begins with the first reading and ends with the second."""
    text = '[[freeze]]\nname = "x"\nfrom = "2026-10-25 02:30"\nto = "2026-10-25 02:30"\ntime_zone = "Europe/Oslo"\n'
    freeze = parse_policy(text, "vpsops.toml").calendar.freezes[0]
    assert (freeze.begins, freeze.ends) == (utc("2026-10-25 00:30"), utc("2026-10-25 01:30"))


def test_the_version_of_a_policy_depends_on_its_calendar() -> None:
    """Another freeze is another policy; a policy without any keeps its version."""
    plain = parse_policy(ALLOW, "vpsops.toml").version
    frozen = parse_policy(ALLOW + YEAR_END, "vpsops.toml").version
    longer = parse_policy(ALLOW + YEAR_END.replace("08:00", "09:00"), "vpsops.toml").version
    assert len({plain, frozen, longer}) == 3


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('[[window]]\nhours = "Mon"\ntime_zone = "UTC"\n', "window: name is missing"),
        ('[[window]]\nname = "a"\ntime_zone = "UTC"\n', "window a: hours is missing"),
        ('[[window]]\nname = "a"\nhours = "Mon"\n', "window a: time_zone is missing"),
        ('[[window]]\nname = "A b"\nhours = "Mon"\ntime_zone = "UTC"\n', "name: it takes lower-case letters"),
        ('[[window]]\nname = "a"\nhours = "Mno"\ntime_zone = "UTC"\n', "'mno' is not a day"),
        ('[[window]]\nname = "a"\nhours = "Mon"\ntime_zone = "Oslo"\n', "'Oslo' is not a time zone"),
        ('[[window]]\nname = "a"\nhours = "Mon"\ntime_zone = "UTC"\nservers = "x"\n', "unknown key servers"),
        ('[window]\nname = "a"\n', "in double brackets"),
        (NIGHTLY + NIGHTLY, "window nightly is there twice"),
        ('[[freeze]]\nname = "a"\n', "it takes from and to, or a window"),
        ('[[freeze]]\nname = "a"\nwindow = "b"\n', "there is no window b"),
        (NIGHTLY + '[[freeze]]\nname = "a"\nwindow = "nightly"\nfrom = "2026-12-20"\n', "or a window"),
        ('[[freeze]]\nname = "a"\nfrom = "2026-12-20"\ntime_zone = "UTC"\n', "it takes from, to and time_zone"),
        ('[[freeze]]\nname = "a"\nfrom = "2026-12-20"\nto = "soon"\ntime_zone = "UTC"\n', "soon is no date"),
        ('[[freeze]]\nname = "a"\nfrom = "2026-12-20"\nto = "2026-12-20"\ntime_zone = "UTC"\n', "ends before"),
        ('[[freeze]]\nname = "a"\nfrom = 2026-12-20\nto = "2026-12-21"\ntime_zone = "UTC"\n', "from: it takes a text"),
        ('[[freeze]]\nname = "a"\nform = "2026-12-20"\n', "Did you mean from?"),
        ('[[rule]]\nid = "r"\ndecision = "allow"\nduring_freeze = ["a"]\n', "there is no freeze a"),
        ('[[rule]]\nid = "r"\ndecision = "deny"\nduring_freeze = ["a"]\n', "lets a change happen"),
    ],
)
def test_a_wrong_entry_refuses_to_start(text: str, message: str) -> None:
    """With the file, the line, and what to write."""
    with pytest.raises(ConfigurationError) as refused:
        parse_policy(text, "vpsops.toml")
    assert message in str(refused.value)
    assert str(refused.value).startswith("vpsops.toml:")


def test_times_are_aware() -> None:
    """Every moment of a calendar has a zone."""
    freeze = parse_policy(YEAR_END, "vpsops.toml").calendar.freezes[0]
    assert freeze.begins is not None
    assert freeze.begins.tzinfo is UTC
