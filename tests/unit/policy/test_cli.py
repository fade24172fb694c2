"""`vpsops policy` as it is called."""

from pathlib import Path

import pytest

import vpsops

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
    assert vpsops.main(["policy", "check", str(path)]) == 0
    assert "good. 2 rules (1 allow, 1 approve), version pol_" in capsys.readouterr().out


def test_check_refuses_with_file_and_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A wrong file ends with 2 and says where."""
    path = tmp_path / "vpsops.toml"
    path.write_text(GOOD.replace("votes", "vote"))
    assert vpsops.main(["policy", "check", str(path)]) == 2
    assert f"{path}:11: unknown key vote. Did you mean votes?" in capsys.readouterr().err


def test_check_without_a_file_is_about_the_embedded_policy(capsys: pytest.CaptureFixture[str]) -> None:
    """A set-up without rules has a policy all the same."""
    assert vpsops.main(["policy", "check"]) == 0
    assert "the embedded policy: good." in capsys.readouterr().out


def test_explain_names_who_spoke_and_why_the_others_did_not(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The decision, its reason, and each rule's part in it."""
    path = tmp_path / "vpsops.toml"
    path.write_text(GOOD)
    monkeypatch.setenv("VPSOPS_CONFIG", str(path))
    assert vpsops.main(["policy", "explain", "--as", "agent:ci", "--operation", "stop", "--server", "db01"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[:2] == ["approve: 2 of S1", "  Databases are shared."]
    assert "speaks  db (line 6): says approve" in lines
    assert "silent  reads (line 1): its risk does not hold" in lines


@pytest.mark.parametrize(
    "words",
    [
        ["--as", "robot", "--operation", "stop"],
        ["--as", "agent", "--operation", "stop", "--at", "2026-11-24T22:00:00"],
    ],
)
def test_explain_refuses_what_it_cannot_mean(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    """Wrong usage ends with 2 and a hint."""
    assert vpsops.main(["policy", "explain", *words]) == 2
    assert "For example" in capsys.readouterr().err
