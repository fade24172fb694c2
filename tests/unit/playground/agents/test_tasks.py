"""Tasks in simple words: which verb, which server, which reason, and what is not understood."""

from collections.abc import Sequence

import pytest

from vpsops.playground.agents.tasks import LONGEST_TASK, SAMPLES, matching_servers, parse_task

FLEET = ("db01.example.com", "db04.prod.example.com", "mail06.example.com", "web01.example.com")


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("restart web01, it hangs", "reboot"),
        ("Please, restart web01", "reboot"),
        ("shut down db01", "stop"),
        ("Turn web01 off", "stop"),
        ("power the db01 on", "start"),
        ("how about web01", "show"),
        ("switch on db01", "start"),
        ("start db01 because we stop paying", "start"),
        ("make a server in oslo", "create"),
        ("set up x01 in oslo", "create"),
        ("delete mail06 and restart web01", "delete"),
        ("which servers run in oslo?", "list"),
        ("Show all servers", "list"),
        ("how many servers are stopped", "list"),
        ("show web01", "show"),
        ("why is web01 slow?", "show"),
        ("what changes are pending?", "changes"),
        ("do not restart web01", "unclear"),
        ("don't stop db01", "unclear"),
        ("never delete db01", "unclear"),
        ("sing a song", "unclear"),
        ("", "unclear"),
    ],
)
def test_a_task_is_read_by_its_verb(text: str, kind: str) -> None:
    """The verb of what is to be done, not of its reason; the most dangerous of several; none behind a negation."""
    assert parse_task(text).kind == kind


@pytest.mark.parametrize("sample", SAMPLES)
def test_every_sample_is_understood(sample: str) -> None:
    assert parse_task(sample).kind != "unclear"


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("restart web01, it hangs.", "it hangs"),
        ("stop db01 because no one needs it", "no one needs it"),
        ("stop db01 because of the kernel", "the kernel"),
        ("stop db01", "stop db01"),
        ("stop db01, ", "stop db01,"),
    ],
)
def test_the_reason_is_what_follows(text: str, reason: str) -> None:
    assert parse_task(text).reason == reason


def test_a_long_task_is_cut() -> None:
    assert len(parse_task("x" * (LONGEST_TASK * 10)).reason) == LONGEST_TASK


@pytest.mark.parametrize(
    ("text", "servers"),
    [
        ("restart web01", ["web01.example.com"]),
        ("restart WEB01.example.com", ["web01.example.com"]),
        ("restart the web server", ["web01.example.com"]),
        ("stop db", ["db01.example.com", "db04.prod.example.com"]),
        ("restart web03", []),
        ("restart web0", []),
        ("restart web01 and mail06", ["mail06.example.com", "web01.example.com"]),
        ("turn web01 off", ["web01.example.com"]),
        ("restart web", ["web01.example.com"]),
        ("restart it", []),
    ],
)
def test_a_server_is_named_or_there_is_none(text: str, servers: Sequence[str]) -> None:
    """A name that there is not is never taken for one that there is."""
    assert matching_servers(parse_task(text), FLEET) == servers
