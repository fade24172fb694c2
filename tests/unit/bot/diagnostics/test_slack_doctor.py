"""`vpsops doctor` on Slack: what is wrong with the app, in one line each, and never a secret."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Final, Literal

import anyio
import pytest

from tests.fakes.clock import FakeClock
from tests.fakes.provider import refused_port
from tests.harness.patience import PATIENCE_SECONDS
from tests.harness.virtual_time import VirtualClock
from tests.unit.bot.test_manifest import MANIFEST
from vpsops.bot.diagnostics.approvers import check_approvers
from vpsops.bot.diagnostics.people import check_actor, check_people
from vpsops.bot.diagnostics.quorum import check_quorum
from vpsops.bot.diagnostics.workspace import CHECKS, SCOPES, check_slack
from vpsops.cli import main as console
from vpsops.core.config.settings import Settings
from vpsops.core.console import exit_codes
from vpsops.core.console.checks import DoctorFinding, Level, worst
from vpsops.playground.slack.people.model import SimulatedWorkspace
from vpsops.playground.slack.serve import running_workspace
from vpsops.playground.slack.workspace.config import WorkspaceConfig

BOUND: Final = PATIENCE_SECONDS
WHOLE: Final = WorkspaceConfig(scopes=frozenset(SCOPES))
CHANNELS: Final = {"VPSOPS_CHANNEL": "C0OPS", "VPSOPS_APPROVAL_CHANNEL": "C0APPROVALS"}


@asynccontextmanager
async def workspace(config: WorkspaceConfig = WHOLE) -> AsyncIterator[tuple[SimulatedWorkspace, dict[str, str]]]:
    """Run a workspace, and return the settings of a bot in it."""
    async with running_workspace(config, clock=VirtualClock(), wall=VirtualClock()) as slack:
        yield (
            slack,
            {
                "SLACK_API_URL": slack.api_url,
                "SLACK_BOT_TOKEN": config.bot_token,
                "SLACK_APP_TOKEN": config.app_token,
                "SLACK_SIGNING_SECRET": config.signing_secret,
                **CHANNELS,
            },
        )


async def found(environ: dict[str, str], clock: VirtualClock | FakeClock | None = None) -> list[DoctorFinding]:
    """Return what the check finds; it never shows a secret."""
    with anyio.fail_after(BOUND):
        findings = list(await check_slack(Settings.model_validate(environ), clock or VirtualClock()))
    secrets = [value for name, value in environ.items() if name.startswith("SLACK_") and name != "SLACK_API_URL"]
    words = " ".join(f"{finding.what} {finding.todo}" for finding in findings)
    assert not [secret for secret in secrets if secret and secret in words]
    assert all(bool(finding.todo) == (finding.level is not Level.OK) for finding in findings)
    return findings


def lines(findings: list[DoctorFinding], level: Level) -> list[str]:
    """Return the findings of one level."""
    return [finding.what for finding in findings if finding.level is level]


async def test_a_whole_set_up_is_all_ok() -> None:
    """Tokens, scopes, Socket Mode and both channels: one line each, and nothing posted anywhere."""
    async with workspace() as (slack, environ):
        findings = await found(environ)
        assert lines(findings, Level.OK) == [
            "signed in as vpsops in Acme",
            "the token has the 9 scopes of manifest.yml, and no more",
            "SLACK_APP_TOKEN opens Socket Mode",
            "VPSOPS_CHANNEL C0OPS can be written to",
            "VPSOPS_APPROVAL_CHANNEL C0APPROVALS can be written to",
        ]
        assert len(findings) == 5
        assert slack.messages("ops") == []


async def test_scopes_are_held_against_the_manifest() -> None:
    """A missing scope is reported with what does not work; a superfluous one as well."""
    config = WorkspaceConfig(scopes=(frozenset(SCOPES) - {"chat:write", "usergroups:read"}) | {"channels:history"})
    async with workspace(config) as (_, environ):
        findings = await found(environ)
    assert lines(findings, Level.FAIL) == ["scope chat:write is missing: no card and no answer can be posted"]
    assert lines(findings, Level.WARN) == [
        "scope usergroups:read is missing: user groups cannot approve",
        "the token may do more than it needs: channels:history",
    ]
    assert worst(findings) == exit_codes.NOT_AUTHENTICATED


def test_the_scopes_are_the_manifests() -> None:
    """The doctor requires the manifest's scopes."""
    assert sorted(SCOPES) == sorted(MANIFEST["oauth_config"]["scopes"]["bot"])


@pytest.mark.parametrize(
    ("lacking", "what"),
    [
        ({"SLACK_BOT_TOKEN"}, ["SLACK_BOT_TOKEN is missing"]),
        (
            {"SLACK_APP_TOKEN", "SLACK_SIGNING_SECRET"},
            ["SLACK_APP_TOKEN and SLACK_SIGNING_SECRET are both missing"],
        ),
        ({"SLACK_APP_TOKEN"}, []),
        ({"SLACK_SIGNING_SECRET"}, []),
    ],
)
async def test_what_is_not_set_is_named(lacking: set[str], what: list[str]) -> None:
    """One of the two ways to be reached is enough; the bot token is always needed."""
    async with workspace() as (_, environ):
        findings = await found({name: value for name, value in environ.items() if name not in lacking})
    assert lines(findings, Level.FAIL) == what
    assert worst(findings) == (exit_codes.USAGE if what else exit_codes.GOOD)


async def test_a_set_up_without_slack_is_nothing_to_look_at() -> None:
    """No variable of Slack's: one line, and no call."""
    assert [item.level for item in await found({})] == [Level.OK]


@pytest.mark.parametrize("code", ["invalid_auth", "token_revoked", "account_inactive"])
async def test_a_token_that_is_no_good_is_told(
    code: Literal["invalid_auth", "token_revoked", "account_inactive"],
) -> None:
    """Slack's word for a refused token is shown, with the exit code for authentication."""
    async with workspace() as (slack, environ):
        slack.refuse_token(code)
        findings = await found(environ)
    assert lines(findings, Level.FAIL) == [f"Slack does not accept SLACK_BOT_TOKEN ({code})"]
    assert worst(findings) == exit_codes.NOT_AUTHENTICATED


async def test_tokens_that_were_mixed_up_are_told() -> None:
    """A bot token in the place of the app token is named as such, without being sent anywhere."""
    async with workspace() as (slack, environ):
        findings = await found(environ | {"SLACK_APP_TOKEN": environ["SLACK_BOT_TOKEN"]})
        assert lines(findings, Level.FAIL) == ["SLACK_APP_TOKEN is not an app token"]
        assert slack.calls("apps.connections.open") == []
        findings = await found(environ | {"SLACK_APP_TOKEN": "xapp-of-another-app"})
        assert lines(findings, Level.FAIL) == ["Slack does not accept SLACK_APP_TOKEN (invalid_auth)"]


@pytest.mark.parametrize(
    ("channel", "what"),
    [
        ("C0NOBOT", "is without the app"),
        ("C0OLD", "is archived"),
        ("C0SECRET", "does not exist, or is private and without the app"),
        ("C0NOWHERE", "does not exist, or is private and without the app"),
    ],
)
async def test_a_channel_that_cannot_be_written_to_is_told(channel: str, what: str) -> None:
    """A channel without the app, archived, private or unknown fails before a card is lost."""
    async with workspace() as (_, environ):
        findings = await found(environ | {"VPSOPS_APPROVAL_CHANNEL": channel})
    (line,) = lines(findings, Level.FAIL)
    assert line.startswith(f"VPSOPS_APPROVAL_CHANNEL {channel} {what}")


@pytest.mark.parametrize(("seconds", "level"), [(100, Level.WARN), (-400, Level.FAIL)])
async def test_a_clock_that_is_off_is_told(seconds: float, level: Level) -> None:
    """Slack signs with its time: five minutes off and nothing is accepted."""
    clock = FakeClock(VirtualClock().now() + timedelta(seconds=seconds))
    async with workspace() as (_, environ):
        findings = await found(environ, clock)
    assert "away from Slack's" in lines(findings, level)[0]


async def test_a_slack_that_cannot_be_reached_is_told() -> None:
    """Slack is down, or answers 503: the exit code stands for the network."""
    async with workspace() as (slack, environ):
        nowhere = await found(environ | {"SLACK_API_URL": f"http://127.0.0.1:{await refused_port()}/api/"})
        slack.faults.ratelimit_next("auth.test")
        limited = await found(environ)
    assert [worst(nowhere), worst(limited)] == [exit_codes.UNREACHABLE, exit_codes.UNREACHABLE]
    assert "does not answer" in lines(nowhere, Level.FAIL)[0]


def test_the_command_looks_at_slack() -> None:
    """`vpsops doctor` has the check."""
    assert "vpsops.bot.diagnostics.workspace" in console.CHECKS
    assert (check_slack, check_approvers, check_people, check_actor, check_quorum) == CHECKS
