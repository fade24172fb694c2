"""`make interpreters`: an interpreter that is missing is named, and one whose commands fail is a failure."""

from pathlib import Path

import pytest

from tests.packaging.interpreters import __main__ as interpreters


def test_an_interpreter_that_is_nowhere_is_named_with_why(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No failure: a machine need not have each."""
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("HOME", str(tmp_path))
    line, is_good = interpreters.report("3.14", [], tmp_path / "3.14")
    assert (line, is_good) == ("3.14: there is none here, and it needs root and mmdebstrap", True)


def test_what_does_not_run_there_is_a_failure(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """By the end of what it wrote."""
    python = tmp_path / "python3.14"
    python.write_text(
        "#!/bin/sh\n"
        'case "$*" in\n'
        "  --version) echo Python 3.14.1 ;;\n"
        '  "-m venv "*) mkdir -p "$3/bin" && cp "$0" "$3/bin/python" ;;\n'
        '  *" demo") echo broken >&2; exit 1 ;;\n'
        "esac\n"
    )
    python.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    line, is_good = interpreters.report("3.14", [], tmp_path)
    assert (line, is_good) == ("3.14: -m vpsops demo: broken\n", False)
