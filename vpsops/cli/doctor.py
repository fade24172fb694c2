"""`vpsops doctor`: checks everything that a process needs; prints, line by line, each fault and its remedy.

A check takes the settings and a clock and returns findings. Each part of the product brings its own
in a tuple `CHECKS`; `vpsops/cli/main.py` puts them together. Nothing is made, started or changed.
"""

import argparse
import os
from collections.abc import Mapping, Sequence
from typing import Final

import anyio
import structlog

from vpsops.core.common.clock import Clock, SystemClock
from vpsops.core.common.errors import VpsopsError
from vpsops.core.config.logging import configure_logging, secrets_of
from vpsops.core.config.settings import Settings, load_settings
from vpsops.core.console.checks import Check, DoctorFinding, Level, fail, failed, ok, warn, worst
from vpsops.core.console.secret_files import check_files
from vpsops.core.console.terminal import HIDDEN, cell, print_line
from vpsops.core.diagnostics.address import address_findings
from vpsops.core.diagnostics.approvals import check_approvals
from vpsops.core.diagnostics.database import check_storage
from vpsops.core.diagnostics.provider import check_provider
from vpsops.core.limits.loader import load_limits
from vpsops.core.policy import load_policy
from vpsops.core.policy.model import short_version
from vpsops.core.policy_register.declaration import declaration_of
from vpsops.core.server.http_server import DEFAULT_ADDRESS, address_of

logger = structlog.get_logger(__name__)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Describe `vpsops doctor`."""
    parser.description = (
        "Look at the settings, the policy, the database, the provider, the processes, the messages to be sent, the"
        " audit trail, the tokens of MCP over HTTP, the Slack app and its channels: one line each, with what to do."
        " Makes, starts and changes nothing; asks the provider for the list of servers, one of them and the plans, the"
        " issuer of tokens for its keys, and Slack who the app is. Exit code: 0 all can work"
        " (warnings included), 2 settings or policy, 3 the key or a token, 4 the provider or Slack, 1 anything else."
    )
    parser.add_argument(
        "--http",
        metavar="HOST:PORT",
        help=f"whether a process may listen at this address; default: {DEFAULT_ADDRESS} where Slack sends requests",
    )


def run(arguments: argparse.Namespace) -> int:
    """Run the checks that `arguments.checks` holds, or else the core's own, and return the exit code."""
    checks = getattr(arguments, "checks", CHECKS)
    return anyio.run(diagnose, os.environ, checks, SystemClock(), arguments.http)


async def diagnose(environ: Mapping[str, str], checks: Sequence[Check], clock: Clock, http: str | None = None) -> int:
    """Read the settings, look at all that they name and at the address to listen at, and return the exit code."""
    try:
        settings = load_settings(environ)
    except VpsopsError as error:
        return print_findings([failed("settings", error)])
    configure_logging(settings)
    return await examine(settings, [*checks, address_check(http)], clock)


async def examine(settings: Settings, checks: Sequence[Check], clock: Clock) -> int:
    """Run checks one after the other, print each as it ends, and return the exit code."""
    HIDDEN.set(secrets_of(settings))
    findings: list[DoctorFinding] = []
    for check in checks:
        results = _new(await _findings_of(check, settings, clock), findings)
        print_findings(results)
        findings += results
    return worst(findings)


def _new(results: Sequence[DoctorFinding], before: Sequence[DoctorFinding]) -> list[DoctorFinding]:
    """Leave out what an earlier check failed of in the same words: one fault is one line."""
    known = {(finding.what, finding.todo) for finding in before if finding.level is Level.FAIL}
    return [finding for finding in results if (finding.what, finding.todo) not in known]


async def _findings_of(check: Check, settings: Settings, clock: Clock) -> Sequence[DoctorFinding]:
    area = check.__name__.removeprefix("check_")
    try:
        return await check(settings, clock)
    except VpsopsError as error:
        return [failed(area, error)]
    except Exception as error:  # a check that breaks must not hide the others
        logger.exception("check_crashed", check=area)
        return [fail(area, f"could not be checked ({type(error).__name__})", "This is a fault of vpsops; report it.")]


def print_findings(findings: Sequence[DoctorFinding]) -> int:
    """Write findings, one a line, and return their exit code."""
    for finding in findings:
        parts = (cell(finding.what, 300), cell(finding.todo, 300))
        text = " ".join(part if part.endswith((".", "?")) else f"{part}." for part in parts if part)
        print_line(f"{finding.level:<4}  {finding.area:<9}  {text}")
    return worst(findings)


async def check_settings(settings: Settings, _: Clock) -> Sequence[DoctorFinding]:
    """Return which file the settings come from; they are valid, since they were loaded."""
    where = f"the environment and {settings.config}" if settings.config else "the environment (no VPSOPS_CONFIG)"
    results = [ok("settings", f"read from {where}")]
    if settings.slack_bot_token is not None and not settings.approval_channel:
        results.append(
            warn("settings", "Slack is configured without a channel for approvals", "Set VPSOPS_APPROVAL_CHANNEL")
        )
    return results


async def check_policy(settings: Settings, _: Clock) -> Sequence[DoctorFinding]:
    """Load the policy, and the limits if there are any."""
    policy, own = load_policy(settings), declaration_of(settings, whole=settings.config is not None).document(None)
    source = f"{len(policy.rules)} rules" if settings.config else f"the embedded default, {len(policy.rules)} rules"
    limits = load_limits(settings).described()
    if settings.config and not settings.config_file.data:
        todo = "Write rules into it (vpsops policy check tries them), or leave VPSOPS_CONFIG out"
        return [warn("policy", f"{settings.config} is empty, so the embedded default decides", todo)]
    results = [ok("policy", f"{source}, version {short_version(own.version)}")]
    return [*results, ok("limits", "; ".join(limits))] if limits else results


def address_check(http: str | None) -> Check:
    """Return the check of the address that --http names, or else of the one where a bot without Socket Mode listens."""

    async def check_address(settings: Settings, _: Clock) -> Sequence[DoctorFinding]:
        by_http = settings.slack_signing_secret is not None and settings.slack_app_token is None
        address = http or (DEFAULT_ADDRESS if by_http else "")
        return await address_findings(*address_of(address, DEFAULT_ADDRESS)) if address else []

    return check_address


CHECKS: Final[tuple[Check, ...]] = (
    check_settings,
    check_files,
    check_policy,
    check_storage,
    check_approvals,
    check_provider,
)
