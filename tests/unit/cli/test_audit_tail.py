"""`vpsops audit tail` and `vpsops changes`: what people see of the trail, bounded and harmless."""

import os
import signal
import subprocess
import sys
import threading

import pytest
import sqlalchemy as sa
from sqlalchemy.engine import Connection

from tests.fakes.audit_trail import DB, RECORDS, WEB, Cli, change_database
from tests.harness.patience import PATIENCE_SECONDS
from tests.unit.cli.test_audit import set_where
from tests.unit.core.storage import samples
from tests.unit.core.storage.test_migrations import engine_of
from vpsops.core.audit import chain
from vpsops.core.storage.tables import CHANGES

BOUND = PATIENCE_SECONDS
ALL = [1, 2, 3, 4, 5, 6]
SHOWN = {
    (): ALL,
    ("--limit", "2"): [5, 6],
    ("--change", WEB.id): [1, 3, 4],
    ("--change", WEB.id, "--limit", "1"): [4],
    ("--change", "chg_none"): [],
    ("--server", "web01.example.com"): [1, 3, 4, 5],
    ("--server", "WEB01"): [1, 3, 4, 5],
    ("--server", "srv-2"): [2],
    ("--server", "mail"): [6],
    ("--server", "web"): [],
    ("--person", "U_ANN"): [1, 3, 4],
    ("--person", "ann@example.com"): [1, 3, 4],
    ("--person", "u_ben"): [3, 4, 5],
    ("--person", "cem@example.com"): [2],
    ("--person", "U_BEN", "--server", "web01", "--limit", "2"): [4, 5],
    ("--person", "U_BEN", "--change", DB.id): [],
}


def test_tail_shows_the_last_records_that_fit(stored: str, cli: Cli) -> None:
    """By change, by server and by person, in order, at most as many as the limit."""
    assert stored
    for words, numbers in SHOWN.items():
        output = cli("audit", "tail", *words)
        assert (output.code, output.err) == (0, "")
        assert [int(line.split()[0].removeprefix("#")) for line in output.lines] == numbers, words


def test_a_line_says_what_happened(stored: str, cli: Cli) -> None:
    """Number, time, event, change, and then what, by which person and why."""
    assert stored
    first, *_, voted, _, refused, drift = [line for line in cli("audit", "tail").lines if "forged" not in line]
    assert first == (
        "#1  2027-01-04 09:00:00Z  requested  chg_000000000001  reboot web01.example.com; by U_ANN (Ann Ångström);"
        ' policy says approve by reboots; reason "it hangs — again"'
    )
    assert voted.endswith('by U_BEN (Ben); votes approve; reason "fine"; evidence "member of S_OPS"')
    assert refused.endswith('why "The policy refuses this."')
    assert 'text "mail.example.com was running, is stopped"' in drift


@pytest.mark.requirement("text-is-data-in-terminals")
def test_text_from_outside_cannot_steer_the_terminal(stored: str, cli: Cli) -> None:
    """A reason with line feeds, terminal codes and a thousand letters stays one short line."""
    assert stored
    for words in (("audit", "tail"), ("changes",), ("changes", DB.id)):
        output = cli(*words)
        assert not set(output.out) & {"\x1b", "\x07", "\u202e", "\r"}
        assert max(map(len, output.lines)) < 700
        assert not [line for line in output.lines if line.startswith("#99")]
    assert len(cli("audit", "tail").lines) == RECORDS


def test_a_configured_secret_is_not_shown(stored: str, cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    """A person pasted the bot's token into a reason: it stays out of the output, wherever it is cut."""
    secret = "xoxb-0123456789-secret"
    body = {"reason": "x" * 150 + secret, "why": secret}
    change_database(stored, lambda connection: chain.append(connection, 1.0, "told", None, body))
    monkeypatch.setenv("SLACK_BOT_TOKEN", secret)
    output = cli("audit", "tail")
    assert "xoxb" not in output.out
    assert "•••" in output.out


def test_keys_are_counted_not_shown(stored: str, cli: Cli) -> None:
    """Neither the trail nor its output holds a key."""
    assert stored
    assert "AAAA" not in cli("audit", "export").out


def test_a_broken_record_is_shown_all_the_same(stored: str, cli: Cli) -> None:
    """Tail is for looking: a record that cannot be read has its number and event."""
    change_database(stored, set_where(6, record="[1", at=float("inf")), set_where(5, record="[]"))
    assert cli("audit", "tail", "--limit", "2").lines == ["#5  2027-01-04 09:00:00Z  refused  -", "#6  ?  drift  -"]


def test_tail_goes_back_over_pages(empty_database_url: str, cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    """A server's last record is found behind pages of others."""
    monkeypatch.setattr("vpsops.core.audit.reader.PAGE", 5)

    def append(connection: Connection) -> None:
        for number in range(40):
            server = "rare" if number in {3, 20} else "busy"
            chain.append(connection, 1.0, "drift", None, {"server": server})

    change_database(empty_database_url, append)
    assert [line.split()[0] for line in cli("audit", "tail", "--server", "rare").lines] == ["#4", "#21"]


def test_a_search_is_bounded_and_says_where_to_go_on(
    empty_database_url: str, cli: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An unknown server costs no walk through years; older records are found by searching on."""
    for module in ("core.audit.reader", "cli.audit"):
        monkeypatch.setattr(f"vpsops.{module}.PAGE", 5)
    monkeypatch.setattr("vpsops.cli.audit.MOST_SEARCHED", 10)

    def append(connection: Connection) -> None:
        for number in range(40):
            server = "rare" if number in {3, 20} else "busy"
            chain.append(connection, 1.0, "drift", None, {"server": server})

    change_database(empty_database_url, append)
    results: list[str] = []
    words: tuple[str, ...] = ("audit", "tail", "--server", "rare")
    for _ in range(4):
        output = cli(*words)
        assert output.code == 0
        results += [line.split()[0] for line in output.lines]
        if output.err:
            words = (
                "audit",
                "tail",
                "--server",
                "rare",
                *output.err.split("For older ones: ")[1].rstrip(".\n").split(),
            )
    assert results == ["#21", "#4"]
    assert cli("audit", "tail", "--limit", "3").err == ""
    assert cli("audit", "tail", "--before", "3").lines[-1].startswith("#2 ")


def test_following_shows_what_comes_until_it_is_interrupted(stored: str) -> None:
    """New records appear as they are committed by another process, and Ctrl-C is how it ends well."""
    command = [sys.executable, "-m", "vpsops", "audit", "tail", "--limit", "1", "--follow", "--server", "mail"]
    environ = {**os.environ, "VPSOPS_DATABASE_URL": stored}
    # a shell's background leaves SIGINT ignored, and a child inherits that
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environ) as process:
        signal.signal(signal.SIGINT, before)
        watchdog = threading.Timer(3 * BOUND, process.kill)
        watchdog.start()
        assert process.stdout is not None
        assert process.stderr is not None
        assert process.stdout.readline().startswith("#6 ")
        change_database(
            stored,
            lambda connection: chain.append(connection, 1.0, "other", None, {"server": "web01"}),
            lambda connection: chain.append(connection, 1.0, "seen", None, {"server": "mail"}),
        )
        assert process.stdout.readline() == "#8  1970-01-01 00:00:01Z  seen  -\n"
        process.send_signal(signal.SIGINT)
        assert process.wait(BOUND) == 0
        assert (process.stdout.read(), process.stderr.read()) == ("", "")
        watchdog.cancel()


def test_looking_starts_nothing(stored: str, cli: Cli) -> None:
    """Without any key every read works, leaves no process behind and changes no row."""
    with engine_of(stored) as engine, engine.connect() as connection:
        before = samples.contents(connection)
    for words in (("audit", "tail"), ("audit", "verify"), ("audit", "export"), ("changes",), ("changes", WEB.id)):
        assert cli(*words).code == 0
    with engine_of(stored) as engine, engine.connect() as connection:
        assert samples.contents(connection) == before
    assert before["processes"] == before["leases"] == []


def test_changes_are_a_table_newest_first(stored: str, cli: Cli) -> None:
    """Each change is a row: id, state, operation, server, who, when."""
    assert stored
    head, *rows = cli("changes").lines
    assert head.split() == ["ID", "STATE", "OPERATION", "SERVER", "BY", "ASKED", "NOTE"]
    assert [row.split()[0] for row in rows] == [DB.id, WEB.id]
    assert rows[0].index("db01") == rows[1].index("web01") == head.index("SERVER")
    assert len(cli("changes", "--limit", "1").lines) == 2


def test_open_changes_are_those_not_finished(stored: str, cli: Cli) -> None:
    """A finished one is not listed, one that is overdue and holds its server no more is."""

    def finish(connection: Connection) -> None:
        update = sa.update(CHANGES).where(CHANGES.c.id == WEB.id).values(state="denied")
        connection.execute(update)
        update = sa.update(CHANGES).where(CHANGES.c.id == DB.id).values(state="watching", lock=None, overdue=True)
        connection.execute(update)

    change_database(stored, finish)
    assert [line.split()[0] for line in cli("changes", "--open").lines[1:]] == [DB.id]


def test_no_changes_are_said_in_words(empty_database_url: str, cli: Cli) -> None:
    """An empty list is a sentence."""
    change_database(empty_database_url)
    assert cli("changes").out == "There are no changes yet.\n"
    assert cli("changes", "--open").out == "There are no open changes.\n"


def test_a_change_is_shown_in_full(stored: str, cli: Cli) -> None:
    """The request, its target, author and reason, the decision, the votes, and its records."""
    assert stored
    output = cli("changes", WEB.id)
    for text in (
        "state:      approved",
        "operation:  reboot",
        "server:     web01.example.com srv-1 no-oslo 192.0.2.7",
        "by:         person Ann Ångström (U_ANN)",
        "reason:     it hangs — again",
        "decision:   approve (reboots, policy pol_1)",
        "votes:      1 of 2",
        'vote:  approve by person Ben (U_BEN) at 2027-01-04 09:00:00Z "fine" (member of S_OPS)',
    ):
        assert text in output.lines
    assert [line.split()[0] for line in output.lines if line.startswith("#")] == ["#1", "#3", "#4"]
    assert "agent calls itself “Claude” (claude) for cem@example.com" in cli("changes", DB.id).out


def test_an_unknown_change_is_told(stored: str, cli: Cli) -> None:
    """An id that does not exist ends with code 1, and with a word on how to find the right id."""
    assert stored
    output = cli("changes", "chg_none\x1b[2J")
    assert (output.code, output.out) == (1, "")
    assert output.err.startswith("vpsops: There is no change chg_none")
    assert "\x1b" not in output.err
