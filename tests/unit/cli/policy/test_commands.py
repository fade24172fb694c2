"""`vpsops policy` as it is called."""

import re
from pathlib import Path

import pytest

from vpsops.cli import main as console

GOOD = """\
[[rule]]
id = "reads"
risk = "read"
decision = "allow"

[[rule]]
id = "db"
server = "db*"
risk = "disruptive"
decision = "approve"
votes = 2
approvers = { groups = ["S1"] }
reason = "Databases are shared."
"""


@pytest.fixture(autouse=True)
def bare(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("VPSOPS_CONFIG", raising=False)
    monkeypatch.delenv("VPSOPS_APPROVAL_CHANNEL", raising=False)


def test_check_says_what_a_policy_holds(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A good file is summed up in a line."""
    path = tmp_path / "vpsops.toml"
    path.write_text(GOOD)
    assert console.main(["policy", "check", str(path)]) == 0
    assert "good. 2 rules (1 allow, 1 approve), version pol_" in capsys.readouterr().out


def test_check_refuses_with_file_and_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A wrong file ends with 2 and names the line."""
    path = tmp_path / "vpsops.toml"
    path.write_text(GOOD.replace("votes", "vote"))
    assert console.main(["policy", "check", str(path)]) == 2
    assert f"{path}:11: rule db: unknown key vote. Did you mean votes?" in capsys.readouterr().err


def test_check_without_a_file_is_about_the_embedded_policy(capsys: pytest.CaptureFixture[str]) -> None:
    """A set-up without rules has a policy all the same."""
    assert console.main(["policy", "check"]) == 0
    assert "the embedded policy (VPSOPS_CONFIG is not set): good." in capsys.readouterr().out


@pytest.mark.requirement("policy-explains")
def test_explain_names_who_spoke_and_why_the_others_did_not(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The decision, its reason, and each rule's part in it."""
    path = tmp_path / "vpsops.toml"
    path.write_text(GOOD)
    monkeypatch.setenv("VPSOPS_CONFIG", str(path))
    assert console.main(["policy", "explain", "--as", "agent:ci", "--operation", "stop", "--server", "db01"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[:2] == ["approve: 2 of S1", "  Databases are shared."]
    assert "speaks  db (line 6): says approve" in lines
    assert "silent  reads (line 1): no match for risk" in lines


def explained(capsys: pytest.CaptureFixture[str], *words: str) -> str:
    assert console.main(["policy", "explain", *words]) == 0
    return capsys.readouterr().out


def test_explain_says_what_is_not_known(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without a server, the rule for databases is held against a stop and allows no read."""
    path = tmp_path / "vpsops.toml"
    path.write_text(GOOD + '[[rule]]\nid = "look"\nserver = "db*"\noperation = "get"\ndecision = "allow"\n')
    path.write_text(path.read_text().replace('risk = "read"\n', 'operation = "list"\n'))
    monkeypatch.setenv("VPSOPS_CONFIG", str(path))
    stop = explained(capsys, "--as", "person:U1", "--operation", "stop")
    assert stop.startswith("deny\n  No rule allows it for certain. Not known, so held against it: the server.\n")
    assert "speaks  db (line 6): says approve; not known, so held against the request: server" in stop
    output = explained(capsys, "--as", "person:U1", "--operation", "get")
    assert "silent  look (line 14): allows only for certain, and this is not known: server" in output


@pytest.mark.parametrize(
    ("slack", "channel", "decision"),
    [
        ([], "", "confirm"),
        ([], "C0OPS", "approve: 1 of C0OPS"),
        (["--slack"], "", "approve: 1 of C0APPROVALS"),
        (["--slack"], "C0OPS", "approve: 1 of C0OPS"),
        (["--no-slack"], "C0OPS", "confirm"),
    ],
)
def test_explain_asks_what_slack_would_change(
    slack: list[str],
    channel: str,
    decision: str,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The embedded policy depends on an approval channel, which can be supposed to be there or not."""
    monkeypatch.setenv("VPSOPS_APPROVAL_CHANNEL", channel)
    output = explained(capsys, "--as", "agent", "--operation", "stop", "--server", "db01", *slack)
    assert output.splitlines()[0] == decision
    assert "the embedded policy, pol_" in output


def test_check_reads_the_approval_channel_of_the_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A file is checked with its own settings, wherever the check runs."""
    path = tmp_path / "vpsops.toml"
    rule = '[[rule]]\nid = "all"\ndecision = "approve"\n'
    path.write_text(rule)
    assert console.main(["policy", "check", str(path)]) == 2
    path.write_text('[settings]\nVPSOPS_APPROVAL_CHANNEL = "C0OPS"\n' + rule)
    assert console.main(["policy", "check", str(path)]) == 0
    assert "No rule ever allows: list, get, status, plans, os_templates, regions, " in capsys.readouterr().out


@pytest.mark.parametrize(
    ("words", "hint"),
    [
        (["--as", "robot", "--operation", "stop"], "For example"),
        (["--as", "agent", "--operation", "stop", "--at", "2026-11-24T22:00:00"], "For example"),
        (["--as", "agent", "--operation", "stop", "--at", "noon"], "For example"),
        (["--as", "agent", "--operation", "stpo"], "Did you mean stop?"),
        (["--as", "agent", "--operation", "list", "--server", "db01"], "Leave out --server"),
    ],
)
def test_explain_refuses_what_it_cannot_mean(words: list[str], hint: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Wrong usage ends with 2 and a hint."""
    assert console.main(["policy", "explain", *words]) == 2
    assert hint in capsys.readouterr().err


LIMITS = '[limits]\nprotected = "db*"\nmax_servers = 9\n\n[limits.mcp]\nread_only = true\n'


@pytest.mark.parametrize(
    ("words", "text"),
    [
        (("stop", "--server", "db01"), "The limit protected (db*) forbids it: db01 is a protected server."),
        (("stop", "--server", "web01"), ""),
        (("stop",), "limits that may forbid it: protected db*."),
        (("create", "--server", "web01"), "limits that may forbid it: max_servers 9."),
        (("list",), ""),
    ],
)
def test_explain_tells_of_limits_too(
    words: tuple[str, ...],
    text: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Whatever the policy decides, a limit may forbid a change."""
    path = tmp_path / "vpsops.toml"
    path.write_text(LIMITS)
    monkeypatch.setenv("VPSOPS_CONFIG", str(path))
    last = explained(capsys, "--as", "person:U1", "--operation", *words).splitlines()[-1]
    assert text in last
    assert bool(text) is ("limit" in last)


def test_check_tells_the_limits_of_a_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """They are loaded as strictly as rules."""
    path = tmp_path / "vpsops.toml"
    path.write_text(LIMITS)
    assert console.main(["policy", "check", str(path)]) == 0
    assert "limits: protected db*; max_servers 9; [limits.mcp] read_only true." in capsys.readouterr().out
    path.write_text(LIMITS.replace("max_servers", "max_server"))
    assert console.main(["policy", "check", str(path)]) == 2


@pytest.mark.requirement("decided-again")
def test_explain_says_that_a_change_is_asked_about_again(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A read is not, and neither is a change that is refused anyway."""
    monkeypatch.delenv("VPSOPS_CONFIG", raising=False)
    words = "asked again at the last yes and before it is sent"
    assert words in explained(capsys, "--as", "person:U1", "--operation", "stop", "--server", "db01")
    assert words not in explained(capsys, "--as", "person:U1", "--operation", "get", "--server", "db01")


@pytest.mark.parametrize("file", [True, False], ids=["a file", "the embedded policy"])
def test_check_and_explain_name_one_version(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, file: bool
) -> None:
    """The one that the policy has once it is in force: a reader compares what the two say."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    path = tmp_path / "vpsops.toml"
    path.write_text(GOOD)
    if file:
        monkeypatch.setenv("VPSOPS_CONFIG", str(path))
    assert console.main(["policy", "check"]) == 0
    version = re.findall(r"version (pol_[0-9a-f]{8})\b", capsys.readouterr().out)
    output = explained(capsys, "--as", "agent", "--operation", "stop", "--server", "db01")
    assert re.findall(r"pol_[0-9a-f]+", output) == version
