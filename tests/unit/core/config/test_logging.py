"""Logs: on standard error only, without a secret however it gets there, and without lines that are not ours."""

import io
import json
import logging
import subprocess
import sys

import pytest
import structlog

from tests.harness.patience import PATIENCE_SECONDS
from vpsops.core.common.redaction import MASK, redact
from vpsops.core.config.logging import configure_logging, secrets_of
from vpsops.core.config.secret_values import SECRETS
from vpsops.core.config.settings import Settings

AWKWARD = 'aw"kw\\ard/pass word+é'
VALUES = {name: f"{name.lower()}-Secret-0123456789" for name in sorted(SECRETS - {"VPSOPS_DATABASE_URL"})}
SETTINGS = {**VALUES, "VPSOPS_DATABASE_URL": "postgresql://me:p%40ssw0rd-0123@db/vpsops"}
HIDDEN = (*VALUES.values(), "p%40ssw0rd-0123", "p@ssw0rd-0123")
FORMATS = ["console", "json"]


def configured(**values: str) -> None:
    """Configure logging with every secret set."""
    configure_logging(Settings.model_validate({**SETTINGS, **values}))


def broken(secret: str) -> None:
    """Raise an error that holds a secret, caused by another one that does."""
    try:
        int(secret)
    except ValueError as error:
        raise RuntimeError(f"then {secret}") from error


def log_in_every_way(secret: str) -> None:
    """Log a secret in each way that a library or our own code may."""
    ours, theirs = structlog.get_logger("ours").bind(bound=secret), logging.getLogger("theirs")
    ours.info(secret)
    ours.info("value", value=secret, nested={"headers": [("Authorization", f"Bearer {secret}")]}, raw=secret.encode())
    ours.warning("formatted %s", secret, stack_info=True, **{secret.replace("-", "_"): 1})
    theirs.warning("theirs %s and %r", secret, {"key": secret})
    theirs.error("extra", extra={"token": secret}, stack_info=True)
    structlog.contextvars.bind_contextvars(context=secret)
    try:
        broken(secret)
    except RuntimeError as error:
        ours.exception("broke", error=error)
        theirs.exception("broke")
        theirs.error("object", exc_info=error)
    structlog.contextvars.clear_contextvars()


@pytest.mark.parametrize("form", FORMATS)
@pytest.mark.parametrize("secret", HIDDEN)
@pytest.mark.requirement("secrets-stay-out-of-logs")
def test_no_secret_reaches_the_log(capfd: pytest.CaptureFixture[str], secret: str, form: str) -> None:
    """However it is logged, a configured secret is masked, and standard output stays empty."""
    configured(VPSOPS_LOG_FORMAT=form, VPSOPS_LOG_LEVEL="debug")
    log_in_every_way(secret)
    out, err = capfd.readouterr()
    assert out == ""
    assert secret not in err
    assert err.count(MASK) >= 12
    assert "RuntimeError" in err


@pytest.mark.parametrize("form", FORMATS)
def test_a_secret_is_found_however_it_is_quoted(capfd: pytest.CaptureFixture[str], form: str) -> None:
    """Quotes, backslashes and letters beyond ASCII do not hide it inside JSON, a repr or an address."""
    configured(VPSOPS_LOG_FORMAT=form, SLACK_SIGNING_SECRET=AWKWARD)
    structlog.get_logger("ours").info("value", text=AWKWARD, nested=[AWKWARD], data=json.dumps(AWKWARD))
    err = capfd.readouterr().err
    assert "pass word" not in err
    assert err.count(MASK) >= 3


def test_a_key_that_was_never_configured_is_masked_by_its_look(capfd: pytest.CaptureFixture[str]) -> None:
    """Another account's provider key, pasted into a reason, is masked as well."""
    configured()
    logging.getLogger("theirs").warning("reason: wayscloud_vps_abc1234567_0123456789abcdef")
    assert "0123456789abcdef" not in capfd.readouterr().err


def test_the_names_of_settings_are_not_taken_for_keys() -> None:
    """A hint that names a variable stays readable; a value beside it does not."""
    hint = "WAYSCLOUD_API_KEY_FILE: none. Set WAYSCLOUD_API_KEY or WAYSCLOUD_TOKEN_FILE; check WAYSCLOUD_API_URL."
    assert redact(hint) == hint
    assert "abc123" not in redact("WAYSCLOUD_API_KEY=abc123 WAYSCLOUD_API_KEY:abc123 wayscloud_vps_KEYabc123")


def test_an_outsider_cannot_forge_a_line(capfd: pytest.CaptureFixture[str]) -> None:
    """Line feeds and terminal codes in a text from outside are shown as what they are."""
    configured()
    structlog.get_logger("ours").info("name\n2027-01-01 [error] forged", server="a\x1b[31mred\u202e\u2028b")
    logging.getLogger("theirs").warning("theirs\nforged %s", "\x1b[2J")
    out = capfd.readouterr().err
    assert len(out.splitlines()) == 2
    assert not set(out) & {"\x1b", "\u202e", "\u2028"}
    assert r"name\n2027" in out


def test_a_long_text_is_cut(capfd: pytest.CaptureFixture[str]) -> None:
    """Much text from outside does not become as much log, and no cut leaves half a secret."""
    configured()
    secret = VALUES["WAYSCLOUD_TOKEN"]
    structlog.get_logger("ours").info("x" * 3990 + secret + "x" * 60_000, value="y" * 60_000)
    err = capfd.readouterr().err
    assert len(err) < 10_000
    assert secret[:6] not in err


def test_json_lines_are_json(capfd: pytest.CaptureFixture[str]) -> None:
    """Each event is one object with level, time, name and the values it was logged with."""
    configured(VPSOPS_LOG_FORMAT="json")
    structlog.get_logger("ours").warning("noted", count=3, kind={"a": {1}})
    logging.getLogger("theirs").warning("noted %s", "too")
    ours, theirs = map(json.loads, capfd.readouterr().err.splitlines())
    assert {**ours, "timestamp": ""} == {
        "event": "noted",
        "count": 3,
        "kind": {"a": "{1}"},
        "level": "warning",
        "logger": "ours",
        "timestamp": "",
    }
    assert (theirs["event"], theirs["level"], theirs["logger"]) == ("noted too", "warning", "theirs")


def test_the_level_is_kept(capfd: pytest.CaptureFixture[str]) -> None:
    """Records below the configured level are not written, nor some above it of chatty libraries."""
    configured(VPSOPS_LOG_LEVEL="info")
    structlog.get_logger("ours").debug("quiet")
    logging.getLogger("httpx").info("quiet")
    logging.getLogger("theirs").info("heard")
    logging.getLogger("httpx").warning("heard too")
    assert [line.split()[-1] for line in _plain(capfd.readouterr().err)] == ["[theirs]", "[httpx]"]


def _plain(text: str) -> list[str]:
    return [line for line in text.splitlines() if line]


@pytest.mark.parametrize("form", FORMATS)
def test_a_line_that_cannot_be_written_does_not_show_its_arguments(
    capfd: pytest.CaptureFixture[str], form: str
) -> None:
    """A call with wrong arguments is logged with its location, without the arguments and without a traceback."""
    configured(VPSOPS_LOG_FORMAT=form)
    secret = VALUES["WAYSCLOUD_TOKEN"]
    logging.getLogger("theirs").warning("%d", secret)
    err = capfd.readouterr().err
    assert err.startswith("a log line could not be written (TypeError, theirs:")
    assert "Traceback" not in err
    assert secret not in err


def test_a_closed_stream_breaks_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """The process continues where standard error is absent or closed."""

    def gone(_: str) -> int:
        raise BrokenPipeError

    stream = io.StringIO()
    monkeypatch.setattr(sys, "stderr", stream)
    configured()
    with monkeypatch.context() as patched:
        patched.setattr(stream, "write", gone)
        structlog.get_logger("ours").warning("unheard")
    stream.close()
    structlog.get_logger("ours").warning("unheard")


def test_the_secrets_are_all_that_are_set() -> None:
    """Each is recognised without blanks, longest first; a text too short to be a secret is left alone."""
    assert set(secrets_of(Settings.model_validate(SETTINGS))) == set(HIDDEN)
    assert secrets_of(Settings.model_validate({"WAYSCLOUD_TOKEN": " abcd\n", "SLACK_APP_TOKEN": "abcde-longer"})) == (
        "abcde-longer",
        "abcd",
    )
    assert secrets_of(Settings.model_validate({"VPSOPS_STATE_KEY": "new-key, older"})) == (
        "new-key, older",
        "new-key",
        "older",
    )
    assert secrets_of(Settings.model_validate({"WAYSCLOUD_TOKEN": "abc", "VPSOPS_DATABASE_URL": "sqlite://[x"})) == ()


UNCONFIGURED: dict[str, str] = {
    "structlog": "import structlog; structlog.get_logger('x').warning('noted', n=1)",
    "opened": "import anyio, structlog, vpsops.core.app\nstructlog.get_logger('x').error('noted')",
    "retried": (
        "import stamina\n"
        "@stamina.retry(on=ValueError, attempts=2, wait_initial=0, wait_max=0, wait_jitter=0)\n"
        "def work(seen=[]):\n"
        "    seen.append(1)\n"
        "    if len(seen) == 1: raise ValueError('noted')\n"
        "work()"
    ),
    "exception": (
        "import structlog\ntry: 1 / 0\nexcept ZeroDivisionError: structlog.get_logger('x').exception('noted')"
    ),
}


@pytest.mark.parametrize("way", sorted(UNCONFIGURED))
def test_without_configuration_nothing_goes_to_standard_output(way: str) -> None:
    """Standard output belongs to MCP: importing the core is enough to keep every logger off it, retries too."""
    code = f"import core\n{UNCONFIGURED[way]}"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=PATIENCE_SECONDS
    )
    assert done.stdout == ""
    assert "noted" in done.stderr


def test_a_program_that_configured_logging_first_keeps_its_own() -> None:
    """The core keeps the logging configuration of the program that imports it."""
    code = (
        "import structlog; structlog.configure(processors=[]); import core; print(structlog.get_config()['processors'])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=PATIENCE_SECONDS
    )
    assert done.stdout == "[]\n"
