"""A reload takes all that changed or nothing, and says which file, line and field is wrong."""

from collections.abc import Callable
from pathlib import Path

import anyio
import pytest
from hypothesis import given
from hypothesis import strategies as st
from structlog.testing import capture_logs

from tests.harness.patience import eventually
from tests.harness.virtual_time import VirtualClock
from vpsops.core.common.errors import ConfigurationError
from vpsops.core.common.redaction import Redactor
from vpsops.core.config.logging import secrets_of
from vpsops.core.config.reloader import Commit, Reloader
from vpsops.core.config.settings import Settings, load_settings
from vpsops.core.policy_register.declaration import content_of, declaration_of

GOOD = '[settings]\nVPSOPS_LOG_LEVEL = "info"\n\n[[rule]]\nid = "reads"\nrisk = "read"\ndecision = "allow"\n'
KEY = "wayscloud_api_first-0123456789"
WRONG = {
    "a syntax error": ("[settings\n", "vpsops.toml"),
    "an unknown setting": ('[settings]\nVPSOPS_LOG_LEVL = "info"\n', "vpsops.toml:2: unknown setting VPSOPS_LOG_LEVL"),
    "a wrong value": ('[settings]\n\nVPSOPS_LOG_LEVEL = "loud"\n', "vpsops.toml:3: VPSOPS_LOG_LEVEL"),
    "an unknown key of a rule": (f"{GOOD}servr = 'db*'\n", "vpsops.toml:8: "),
    "an unknown limit": (f"{GOOD}[limits]\nmax_server = 3\n", "vpsops.toml:9: "),
    "a workspace of a single set-up": (f'{GOOD}[[workspace]]\nteam = "T1"\n', "vpsops.toml has [[workspace]]"),
}


class Sources:
    """A file of settings and one of the key, and the environment that names them."""

    def __init__(self, folder: Path) -> None:
        self.file, self.key = folder / "vpsops.toml", folder / "key"
        self.file.write_text(GOOD)
        self.key.write_text(KEY)
        self.environ = {"VPSOPS_CONFIG": str(self.file), "WAYSCLOUD_API_KEY_FILE": str(self.key)}

    def reloader(self) -> Reloader:
        settings = load_settings(self.environ)
        reloader = Reloader(settings, VirtualClock(), Redactor(secrets_of(settings)))

        async def prepare(candidate: Settings) -> Commit:
            declaration_of(candidate)
            return lambda: None

        reloader.add(prepare)
        return reloader


def digest_of(settings: Settings) -> str:
    """Return all that counts of settings, their file's rules and limits included."""
    values = {name: getattr(settings, name) for name in Settings.model_fields}
    return repr(sorted((name, str(value), secret_of(value)) for name, value in values.items())) + repr(
        content_of(declaration_of(settings))
    )


def secret_of(value: object) -> str:
    reveal: Callable[[], str] | None = getattr(value, "get_secret_value", None)
    return reveal() if reveal else ""


@pytest.mark.requirement("reload-all-or-nothing")
@pytest.mark.parametrize("fault", WRONG)
async def test_a_wrong_file_changes_nothing_and_one_line_says_where(tmp_path: Path, fault: str) -> None:
    """A key that changed beside it is not taken up either."""
    sources = Sources(tmp_path)
    reloader = sources.reloader()
    before = digest_of(reloader.settings)
    text, where = WRONG[fault]
    sources.file.write_text(text)
    sources.key.write_text("wayscloud_api_second-0123456789")
    with capture_logs() as logs:
        assert not await reloader.reload()
    (line,) = logs
    assert (line["event"], line["log_level"]) == ("config_reload_refused", "error")
    assert where in line["error"]
    assert line["hint"].endswith("Nothing changed.")
    assert digest_of(reloader.settings) == before


@pytest.mark.requirement("reload-all-or-nothing")
@given(junk=st.text(max_size=60), at=st.integers(0, len(GOOD)))
def test_any_file_is_taken_whole_or_not_at_all(tmp_path_factory: pytest.TempPathFactory, junk: str, at: int) -> None:
    """Whatever is written into the file: refused, nothing changed; taken, it is what a start would read."""
    sources = Sources(tmp_path_factory.mktemp("drawn"))
    reloader = sources.reloader()
    before = digest_of(reloader.settings)
    sources.file.write_text(GOOD[:at] + junk + GOOD[at:], encoding="utf-8", errors="replace")
    taken = anyio.run(reloader.reload)
    try:
        fresh = digest_of(load_settings(sources.environ))
    except ConfigurationError:
        fresh = ""
    assert taken == bool(fresh)
    assert digest_of(reloader.settings) == (fresh or before)


async def test_a_part_that_refuses_keeps_every_part_from_changing(tmp_path: Path) -> None:
    """Nothing is committed before all is prepared."""
    sources, committed = Sources(tmp_path), list[str]()
    reloader = sources.reloader()

    async def first(settings: Settings) -> Commit:
        return lambda: committed.append(settings.log_level)

    async def second(settings: Settings) -> Commit:
        if settings.log_level == "error":
            raise ConfigurationError("Slack does not accept it.", hint="Copy it again.")
        return lambda: committed.append("second")

    reloader.add(first)
    reloader.add(second)
    sources.file.write_text(GOOD.replace('"info"', '"error"'))
    assert not await reloader.reload()
    assert (committed, reloader.settings.log_level) == ([], "info")
    sources.file.write_text(GOOD.replace('"info"', '"debug"'))
    assert await reloader.reload()
    assert (committed, reloader.settings.log_level) == (["debug", "second"], "debug")


@pytest.mark.requirement("reload-all-or-nothing")
async def test_what_needs_a_restart_is_named_and_stays(tmp_path: Path) -> None:
    """The rest of the file is taken up."""
    sources = Sources(tmp_path)
    reloader = sources.reloader()
    changed = 'VPSOPS_LOG_LEVEL = "debug"\nVPSOPS_DATABASE_URL = "sqlite:////elsewhere"'
    sources.file.write_text(GOOD.replace('VPSOPS_LOG_LEVEL = "info"', changed) + "[limits]\nmax_servers = 3\n")
    with capture_logs() as logs:
        assert await reloader.reload()
    (line,) = logs
    assert (line["event"], line["restart_needed"]) == ("config_reloaded", "VPSOPS_DATABASE_URL")
    assert line["changed"] == "VPSOPS_LOG_LEVEL, [limits]"
    assert (reloader.settings.log_level, reloader.settings.database_url) == ("debug", "")


async def test_secrets_of_before_and_after_a_rotation_are_hidden(tmp_path: Path) -> None:
    """Other processes may use the old one still."""
    sources = Sources(tmp_path)
    settings = load_settings(sources.environ)
    redactor = Redactor(secrets_of(settings))
    reloader = Reloader(settings, VirtualClock(), redactor)
    sources.key.write_text("another-0123456789")
    assert await reloader.reload()
    shown = redactor.text(f"{KEY} another-0123456789")
    assert "first" not in shown
    assert "another" not in shown


@pytest.mark.requirement("reload-storm")
async def test_a_storm_of_requests_is_one_reload(tmp_path: Path) -> None:
    """Twenty within a moment read the sources once; a later one reads them again."""
    sources, clock = Sources(tmp_path), VirtualClock()
    settings = load_settings(sources.environ)
    reloader, count = Reloader(settings, clock, Redactor()), list[int]()

    async def prepare(_: Settings) -> Commit:
        count.append(1)
        return lambda: None

    reloader.add(prepare)
    async with anyio.create_task_group() as group:
        group.start_soon(reloader.run)
        for _ in range(20):
            reloader.request()
            await clock.sleep(0.005)
        await eventually(lambda: len(count) == 1)
        await clock.sleep(60)
        assert len(count) == 1
        reloader.request()
        await eventually(lambda: len(count) == 2)
        group.cancel_scope.cancel()
