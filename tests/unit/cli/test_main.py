"""The console script: help, usage, exit codes, one line for each error and never a traceback."""

import os
import platform
import subprocess
import sys
from collections.abc import Callable
from importlib import metadata
from pathlib import Path

import pytest
import structlog

from tests.harness.patience import PATIENCE_SECONDS
from tests.harness.repository import ROOT
from vpsops.cli import main as console
from vpsops.core.common.errors import (
    ConfigurationError,
    InvalidInputError,
    NotAllowedError,
    NotSignedInError,
    StorageError,
    UnknownChangeError,
    VpsopsError,
)
from vpsops.core.console import exit_codes, version
from vpsops.core.storage.schema import OutdatedError
from vpsops.core.wayscloud.answers import errors as provider

SCRIPT = [sys.executable, "-m", "vpsops"]
CORE = ("audit", "changes", "doctor")
HELPS = [
    ([], ("audit", "changes", "doctor", "mcp", "bot", "policy")),
    (["audit"], ("tail", "verify", "export")),
    (["audit", "tail"], ("--limit N", "--follow", "--server NAME", "--person ID", "--change ID")),
    (["audit", "verify"], ("FILE", "--noted NUMBER:HASH", "Exit code 0")),
    (["audit", "export"], ("--after SEQ", "JSON")),
    (["changes"], ("ID", "--open", "--limit N")),
    (["policy", "check"], ("file", "VPSOPS_CONFIG", "ends with 2")),
    (["policy", "explain"], ("--as KIND[:ID]", "--operation NAME", "held against the request", "For example")),
    (["worker"], ("WAYSCLOUD_API_KEY",)),
    (["doctor"], ("Exit code", "2 settings or policy", "3 the key")),
]
MISUSED = [
    ["nonsense"],
    ["audit"],
    ["audit", "nonsense"],
    ["audit", "tail", "--limit", "0"],
    ["audit", "tail", "--limit", "many"],
    ["audit", "tail", "--limit", "9" * 50],
    ["audit", "export", "--after", "-1"],
    ["audit", "verify", "--noted", "12"],
    ["audit", "verify", "--noted", "12:abc"],
    ["changes", "--limit", "٣"],
    ["changes", "one", "two"],
    ["doctor", "--now"],
]


def called(words: list[str], **environ: str) -> subprocess.CompletedProcess[str]:
    """Run the script as a process."""
    settings = {"PATH": os.environ["PATH"], "HOME": "/nonexistent", "COLUMNS": "200", **environ}
    return subprocess.run(
        [*SCRIPT, *words],
        capture_output=True,
        text=True,
        check=False,
        timeout=PATIENCE_SECONDS,
        env=settings,
        cwd=ROOT,
    )


def ended(words: list[str]) -> int:
    """Run the script in this process and return its exit code, a usage error's too."""
    try:
        return console.main(words)
    except SystemExit as end:
        return int(end.code or 0)


@pytest.mark.parametrize(("words", "text"), HELPS, ids=lambda value: " ".join(value) if isinstance(value, list) else "")
def test_every_help_is_complete(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, words: list[str], text: tuple[str, ...]
) -> None:
    """Each subcommand has a description, as has every argument."""
    monkeypatch.setenv("COLUMNS", "200")
    assert ended([*words, "--help"]) == 0
    out = capsys.readouterr().out
    assert out.startswith(f"usage: {' '.join(['vpsops', *words])}")
    for word in text:
        assert word in out


@pytest.mark.parametrize("words", MISUSED, ids=" ".join)
def test_wrong_usage_ends_with_two(capsys: pytest.CaptureFixture[str], words: list[str]) -> None:
    """Wrong usage is reported on standard error, with the usage."""
    assert ended(words) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("usage: vpsops")
    assert "Traceback" not in err


def test_a_bare_call_prints_the_help(capsys: pytest.CaptureFixture[str]) -> None:
    """On standard output, as --help does; it is no error to ask what there is."""
    assert ended([]) == 0
    bare = capsys.readouterr()
    assert ended(["--help"]) == 0
    assert (bare.out, bare.err) == (capsys.readouterr().out, "")


@pytest.mark.parametrize(
    ("words", "near"),
    [
        (["reboto", "web01"], "Did you mean vpsops reboot?"),
        (["bakcup", "x"], "Did you mean vpsops backup?"),
        (["audit", "verfy"], "there is no 'verfy'. Did you mean verify?"),
        (["audit", "tail", "--folow"], "Did you mean --follow?"),
        (["backup", "./x", "--froce=1"], "Did you mean --force?"),
        (["doctor", "--xyzzy"], "unrecognized arguments: --xyzzy\n"),
        (["doctor", "and", "more"], "unrecognized arguments: and more\n"),
        (["completion", "fihs"], "Did you mean fish?"),
        (["completion", "tcsh-of-another-time"], "invalid choice"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_a_slip_is_answered_with_what_is_near(capsys: pytest.CaptureFixture[str], words: list[str], near: str) -> None:
    """Commands, their subcommands, options and choices; nothing where nothing is near."""
    assert ended(words) == 2
    assert near in capsys.readouterr().err


def test_the_version_names_the_commit_python_and_the_sdks(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """A build puts the commit beside the package; a folder that is no checkout has none."""
    monkeypatch.setattr(version, "files", lambda _: tmp_path)
    for option in ("--version", "-V"):
        assert ended([option]) == 0
        own, python, *sdks = capsys.readouterr().out.splitlines()
        assert own == f"vpsops {metadata.version('vpsops')} (commit unknown)"
        assert python == f"Python {platform.python_version()}"
        assert f"MCP SDK {metadata.version('mcp')}" in sdks
    (tmp_path / "build_commit.txt").write_text("0123456789ab-dirty\n", "utf-8")
    assert version.version_text().startswith(f"vpsops {metadata.version('vpsops')} (commit 0123456789ab-dirty)\n")
    (tmp_path / "build_commit.txt").write_bytes(b"\xff")
    assert version.build_commit() == "unknown"
    monkeypatch.setattr(version, "SDKS", {"None": "no-such-package"})
    assert "None" not in version.version_text()


def test_the_version_of_a_checkout_is_its_commit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a build, the commit is that of the checkout, marked where files were altered since."""
    monkeypatch.setattr(version, "files", lambda _: tmp_path / "vpsops")
    identity = ["-c", "user.name=ann", "-c", "user.email=ann@example.com"]
    (tmp_path / "page.md").write_text("first\n", "utf-8")
    for words in (["init", "-q"], ["add", "page.md"], ["commit", "-q", "-m", "first"]):
        subprocess.run(["git", *identity, *words], cwd=tmp_path, check=True)
    head = subprocess.run(["git", "rev-parse", "HEAD"], cwd=tmp_path, check=True, capture_output=True, text=True)
    assert version.build_commit() == head.stdout[:12]
    (tmp_path / "page.md").write_text("second\n", "utf-8")
    assert version.build_commit() == f"{head.stdout[:12]}-dirty"


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (ConfigurationError("x"), 2),
        (InvalidInputError("x"), 2),
        (provider.NotAuthenticatedError("x"), 3),
        (provider.NotPermittedError("x"), 3),
        (NotSignedInError("x"), 3),
        (OutdatedError("x"), 2),
        (provider.UnreachableError("x"), 4),
        (provider.NotSentError("x"), 4),
        (provider.ProviderFaultError("x"), 4),
        (provider.RateLimitedError("x"), 1),
        (provider.OutcomeUnknownError("x"), 1),
        (StorageError("x"), 1),
        (UnknownChangeError("x"), 1),
        (NotAllowedError("x"), 1),
        (VpsopsError("x"), 1),
        (ValueError("x"), 1),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Exception) else "",
)
@pytest.mark.requirement("exit-codes")
def test_an_error_has_its_exit_code(capsys: pytest.CaptureFixture[str], error: Exception, code: int) -> None:
    """Whatever a subcommand raises, alone or in a group, ends it with the code of the contract and one line."""
    for item in (error, ExceptionGroup("group", [ExceptionGroup("inner", [error])])):
        assert exit_codes.guarded(_raising(item)) == code
        out, err = capsys.readouterr()
        lines = [line for line in err.splitlines() if line.startswith("vpsops: ")]
        assert (out, len(lines), "Traceback" in err) == ("", 1, False)
        shown = "[err_" in lines[0] and lines[0].endswith("]")
        assert shown is not isinstance(error, InvalidInputError)


def _raising(error: BaseException) -> Callable[[], int]:
    def call() -> int:
        raise error

    return call


@pytest.mark.requirement("exit-codes")
def test_an_error_says_what_to_do(capsys: pytest.CaptureFixture[str]) -> None:
    """Message, hint and id are in the line; outside text cannot steer the terminal or fill it."""
    error = ConfigurationError("bad\x1b[31m\nname " + "x" * 5000, hint="Set WAYSCLOUD_API_KEY.")
    assert exit_codes.guarded(_raising(error)) == 2
    err = capsys.readouterr().err
    assert len(err) < 1100
    assert "\x1b" not in err
    assert err.count("\n") == 1
    short = ConfigurationError("No key.", hint="Set WAYSCLOUD_API_KEY.")
    assert exit_codes.guarded(_raising(short)) == 2
    assert capsys.readouterr().err == f"vpsops: No key. Set WAYSCLOUD_API_KEY. [{short.error_id}]\n"


def test_a_worker_without_a_key_does_not_start(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """It would take up what others left, and fail it; exit code 3, and what to set."""
    for name in ("WAYSCLOUD_API_KEY", "WAYSCLOUD_TOKEN", "VPSOPS_CONFIG"):
        monkeypatch.delenv(name, raising=False)
    assert ended(["worker"]) == 3
    assert "Set WAYSCLOUD_API_KEY or WAYSCLOUD_TOKEN." in capsys.readouterr().err


def test_an_unexpected_error_can_be_found_in_the_log(capsys: pytest.CaptureFixture[str]) -> None:
    """The line and the log share an id; the log has the place, and the message stays out of both."""
    before = structlog.get_config()
    with structlog.testing.capture_logs() as logged:
        assert exit_codes.guarded(lambda: int("s3cret")) == 1
    structlog.configure(**before)
    err = capsys.readouterr().err
    event, trace = logged
    assert event["error_id"] in err
    assert event["where"].startswith(f"{__name__}:")
    assert (event["log_level"], trace["log_level"]) == ("error", "debug")
    assert "s3cret" not in f"{err}{event}"


def test_an_interrupt_is_no_error(capsys: pytest.CaptureFixture[str]) -> None:
    """Ctrl-C ends a subcommand without a word, also out of a group of tasks."""
    for item in (KeyboardInterrupt(), BaseExceptionGroup("group", [KeyboardInterrupt()])):
        assert exit_codes.guarded(_raising(item)) == 1
    assert capsys.readouterr() == ("", "")


def test_a_broken_module_is_one_line(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """A subcommand that cannot even be loaded ends like any other unexpected error."""
    monkeypatch.setitem(console.COMMANDS, "changes", ("vpsops.core.no_such_module", "list changes"))
    assert ended(["changes"]) == 1
    err = capsys.readouterr().err
    assert "ModuleNotFoundError" in err
    assert "Traceback" not in err


def test_bad_settings_end_every_subcommand_with_two(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing starts or reads with settings that are wrong."""
    monkeypatch.setenv("VPSOPS_NONSENSE", "1")
    for name in CORE:
        assert ended([name, *(["tail"] if name == "audit" else [])]) == 2


def test_a_process_ends_as_it_should() -> None:
    """Run for real: help on standard output, errors on standard error, nothing else on either."""
    helped = called(["--help"])
    assert (helped.returncode, helped.stderr) == (0, "")
    failed = called(["changes"], VPSOPS_DATABASE_URL="mysql://me:s3cret@127.0.0.1/x")
    assert (failed.returncode, failed.stdout) == (2, "")
    assert failed.stderr.startswith("vpsops: VPSOPS_DATABASE_URL names mysql")
    assert "s3cret" not in failed.stderr


def test_a_reader_that_stops_reading_is_no_error() -> None:
    """`vpsops … | head` ends quietly."""
    code = (
        "import sys; from vpsops.core.console.exit_codes import guarded; "
        "sys.exit(guarded(lambda: sys.stdout.write('x' * 10**6) and 0))"
    )
    reading, writing = os.pipe()
    os.close(reading)
    done = subprocess.run(
        [sys.executable, "-c", code],
        stdout=writing,
        stderr=subprocess.PIPE,
        text=True,
        check=False,
        timeout=PATIENCE_SECONDS,
    )
    os.close(writing)
    assert (done.returncode, done.stderr) == (1, "")


def test_a_full_disk_under_the_output_is_one_line() -> None:
    """What could not be written does not pass for written."""
    code = (
        f"import sys; from {exit_codes.__name__} import guarded; sys.exit(guarded(lambda: sys.stdout.write('x') and 0))"
    )
    with Path("/dev/full").open("w", encoding="utf-8") as full:
        done = subprocess.run(
            [sys.executable, "-c", code],
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
            timeout=PATIENCE_SECONDS,
        )
    logged, message = done.stderr.splitlines()
    assert done.returncode == 1
    assert "event='unexpected_error'" in logged
    assert message.startswith("vpsops: Something unexpected went wrong (OSError).")


def test_what_a_terminal_cannot_show_is_escaped() -> None:
    """A name in letters that the terminal does not have is no reason to break."""
    code = f"import sys; from {exit_codes.__name__} import guarded; sys.exit(guarded(lambda: print('å\\ud800') or 0))"
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=True,
        timeout=PATIENCE_SECONDS,
        env={**os.environ, "PYTHONIOENCODING": "ascii"},
    )
    assert done.stdout == "\\xe5\\ud800\n"
