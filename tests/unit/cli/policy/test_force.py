"""`vpsops policy apply`, `show`, `diff` and `history` as they are called."""

import io
import json
import sys
from pathlib import Path

import pytest

from tests.harness.virtual_time import VirtualClock
from vpsops.cli import main as console
from vpsops.cli.policy import force
from vpsops.core.config.local_identity import terminal_user

RULES = """\
[[rule]]
id = "reads"
risk = "read"
decision = "allow"
"""
MORE = RULES + "[limits]\nmax_servers = 9\n"


@pytest.fixture(autouse=True)
def place(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    for name in ("VPSOPS_CONFIG", "VPSOPS_APPROVAL_CHANNEL"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("VPSOPS_DATABASE_URL", f"sqlite:///{tmp_path / 'vpsops.sqlite3'}")
    monkeypatch.setattr(force, "SystemClock", VirtualClock)
    path = tmp_path / "vpsops.toml"
    path.write_text(RULES)
    return path


def policy_output(capsys: pytest.CaptureFixture[str], *words: str, code: int = 0) -> str:
    """Run `vpsops policy` and return its output."""
    assert console.main(["policy", *words]) == code
    out, err = capsys.readouterr()
    return out or err


@pytest.mark.requirement("policy-apply-shows")
def test_apply_shows_the_difference_and_asks(
    place: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without a terminal it needs --yes; with one, the whole word."""
    monkeypatch.setattr(sys, "stdin", io.StringIO(""))
    assert "There is no terminal to ask at." in policy_output(capsys, "apply", str(place), code=2)
    policy_output(capsys, "apply", "--yes", str(place))
    place.write_text(MORE)
    for answer, code, number in (("y\n", 1, 1), ("\n", 1, 1), ("yes\n", 0, 2)):
        stdin = io.StringIO(answer)
        monkeypatch.setattr(stdin, "isatty", lambda: True)
        monkeypatch.setattr(sys, "stdin", stdin)
        assert "+ limit max_servers 9" in policy_output(capsys, "apply", str(place), code=code)
        assert json.loads(policy_output(capsys, "show", "--json"))["number"] == number


def test_a_policy_is_applied_shown_compared_and_taken_back(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Validated first; the policy in force is not applied again; an older one by its number."""
    assert "There is no database at" in policy_output(capsys, "diff", str(place), code=2)
    assert "In force: pol_" in policy_output(capsys, "apply", "--yes", str(place))
    assert "is in force already" in policy_output(capsys, "apply", "--yes", str(place))
    place.write_text(MORE)
    assert "+ limit max_servers 9" in policy_output(capsys, "diff", str(place), code=1)
    assert "number 2." in policy_output(capsys, "apply", "--yes", str(place))
    assert "max_servers = 9" in policy_output(capsys, "show")
    assert "max_servers" not in policy_output(capsys, "show", "--version", "1")
    about = json.loads(policy_output(capsys, "show", "--json"))
    assert (about["number"], about["policy"]["limits"], about["source"]) == (2, {"max_servers": 9}, str(place))
    assert "- limit max_servers 9" in policy_output(capsys, "apply", "--yes", "--version", "1")
    assert len(policy_output(capsys, "history").splitlines()) == 4
    place.write_text(RULES.replace("risk", "rsik"))
    assert "Did you mean risk?" in policy_output(capsys, "apply", "--yes", str(place), code=2)


def test_settings_that_a_file_leaves_out_stay(
    place: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The terminal's environment need not be the service's: its approval channel stays, and serves the rules."""
    monkeypatch.setenv("VPSOPS_APPROVAL_CHANNEL", "C0APP")
    policy_output(capsys, "apply", "--yes", str(place))
    monkeypatch.delenv("VPSOPS_APPROVAL_CHANNEL")
    place.write_text(RULES + '[[rule]]\nid = "all"\nrisk = "change"\ndecision = "approve"\n')
    assert "approve (1 of C0APP)" in policy_output(capsys, "apply", "--yes", str(place))
    assert 'VPSOPS_APPROVAL_CHANNEL = "C0APP"' in policy_output(capsys, "show")
    assert "~ rules: the embedded default" in policy_output(capsys, "apply", "--yes", "--embedded")
    assert 'VPSOPS_APPROVAL_CHANNEL = "C0APP"' in policy_output(capsys, "show")


def test_who_applied_it_is_the_machines_user_and_a_claim(
    place: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The user named by the environment is recorded beside the user of the terminal; neither is called verified."""
    monkeypatch.setenv("VPSOPS_ACTOR", "slack:U0BOB")
    policy_output(capsys, "apply", "--yes", str(place))
    by = json.loads(policy_output(capsys, "show", "--json"))["by"]
    assert by == {"kind": "person", "id": terminal_user(), "human": "slack:U0BOB", "verified": False}
    assert by["id"].startswith("local:")
    assert "(claimed)" in policy_output(capsys, "show")


def test_what_contradicts_itself_is_refused(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """One source of a policy, and the version that was seen."""
    assert "exclude each other" in policy_output(capsys, "diff", str(place), "--version", "1", code=2)
    policy_output(capsys, "apply", "--yes", str(place))
    place.write_text(MORE)
    wrong = policy_output(capsys, "apply", "--yes", "--expect", "pol_00000000", str(place), code=1)
    assert "Nothing was applied." in wrong
    version = json.loads(policy_output(capsys, "show", "--json"))["version"]
    assert "number 2." in policy_output(capsys, "apply", "--yes", "--expect", version[:12], str(place))
