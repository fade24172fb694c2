"""`vpsops doctor` on MCP over HTTP: tokens and issuer, in one line each, and never a token."""

from datetime import timedelta
from pathlib import Path

import anyio
import pytest

from tests.fakes.clock import START, FakeClock
from tests.fakes.network.issuer import running_issuer
from tests.fakes.provider import refused_port
from tests.harness.patience import PATIENCE_SECONDS
from tests.harness.virtual_time import VirtualClock
from vpsops.cli import main as console
from vpsops.core.common.errors import ConfigurationError
from vpsops.core.config.settings import Settings
from vpsops.core.console import exit_codes
from vpsops.core.console.checks import DoctorFinding, Level, worst
from vpsops.mcp_server.diagnostics import CHECKS, check_humans, check_mcp, check_socket

TOKEN = "0123456789abcdef0123456789abcdef-secret"
WRITTEN = f'[[token]]\ntoken = "{TOKEN}"\nsubject = "ann-laptop"\nhuman = "ann@example.com"\nscopes = ["vps:read"]\n'


async def found(values: dict[str, str], clock: VirtualClock | FakeClock | None = None) -> list[DoctorFinding]:
    """Return what the check finds; it shows no token."""
    with anyio.fail_after(PATIENCE_SECONDS):
        findings = list(await check_mcp(Settings.model_validate(values), clock or VirtualClock()))
    assert TOKEN not in " ".join(f"{finding.what} {finding.todo}" for finding in findings)
    return findings


def tokens(folder: Path, text: str) -> dict[str, str]:
    """Write a file of tokens, and return the setting that names it."""
    path = folder / "tokens.toml"
    path.write_text(text, encoding="utf-8")
    return {"VPSOPS_HTTP_TOKENS_FILE": str(path)}


async def test_what_is_not_configured_is_not_looked_at() -> None:
    """Without HTTP there is no line about it; the command has the check."""
    assert await found({}) == []
    assert "vpsops.mcp_server.diagnostics" in console.CHECKS
    assert (check_mcp, check_humans, check_socket) == CHECKS


async def test_tokens_are_counted_and_those_that_expired_named(tmp_path: Path) -> None:
    """Named by subject."""
    assert [item.level for item in await found(tokens(tmp_path, WRITTEN))] == [Level.OK]
    environ = tokens(tmp_path, f"{WRITTEN}expires = {(START - timedelta(days=1)).isoformat()}\n")
    counted, over = await found(environ, FakeClock(START))
    assert "has 1 tokens, 0 of them valid" in counted.what
    assert (over.level, over.what) == (Level.WARN, "expired: the tokens of ann-laptop")


async def test_a_file_of_tokens_that_is_wrong_is_told(tmp_path: Path) -> None:
    """In the words that would keep a server from starting."""
    with pytest.raises(ConfigurationError, match="human is an e-mail address"):
        await found(tokens(tmp_path, WRITTEN.replace("ann@example.com", "ann")))


async def test_an_issuer_is_asked_for_its_keys() -> None:
    """One that answers for this name, one that answers for another, one without a key, and one that is away."""
    async with running_issuer() as issuer:
        (good,) = await found({"VPSOPS_OAUTH_ISSUER": issuer.url})
        (other,) = await found({"VPSOPS_OAUTH_ISSUER": f"{issuer.url}/"})
        issuer.signers = []
        (bare,) = await found({"VPSOPS_OAUTH_ISSUER": issuer.url})
    (away,) = await found({"VPSOPS_OAUTH_ISSUER": f"http://127.0.0.1:{await refused_port()}"})
    assert (good.level, good.what) == (Level.OK, f"{issuer.url} answers, with 1 keys for tokens")
    assert "no discovery document that names it" in other.what
    assert [worst([item]) for item in (other, bare, away)] == [
        exit_codes.UNREACHABLE,
        exit_codes.USAGE,
        exit_codes.UNREACHABLE,
    ]
