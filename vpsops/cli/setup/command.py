"""`vpsops init`: asks, tries, shows what it would replace, writes, and looks at the whole by doctor's checks."""

import argparse
import getpass
import os
import sys
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Final

import anyio

from vpsops.cli.doctor import diagnose
from vpsops.cli.hosts.own_process import config_folder, home_folder, own_command
from vpsops.cli.setup import policy_text
from vpsops.cli.setup.draft import SetUpDraft, draft_of, environment_with
from vpsops.cli.setup.files import PlannedFile, differences, write_files
from vpsops.cli.setup.host_config import next_steps, step_to_apply
from vpsops.cli.setup.interview import MOST_VOTES, Interview
from vpsops.cli.setup.policy_text import PolicyAnswers, default_answers
from vpsops.cli.setup.trials import TRIALS, try_value
from vpsops.core.common.clock import SystemClock
from vpsops.core.common.errors import ConfigurationError, VpsopsError
from vpsops.core.config.settings import load_settings
from vpsops.core.console import exit_codes
from vpsops.core.console.checks import Level, worst
from vpsops.core.console.terminal import HIDDEN, cell, number, print_line
from vpsops.core.policy.loader import parse_policy
from vpsops.core.policy_register.diagnostics import is_other_in_force

FLAGS: Final[Mapping[str, tuple[str, str]]] = {
    "--api-url": ("WAYSCLOUD_API_URL", "the provider's API, or a simulator's address"),
    "--slack-api-url": ("SLACK_API_URL", "another base of the Slack Web API, for simulators"),
    "--channel": ("VPSOPS_CHANNEL", "id of the channel for notices"),
    "--approval-channel": ("VPSOPS_APPROVAL_CHANNEL", "id of the channel for approvals"),
    "--actor": ("VPSOPS_ACTOR", "the person of this terminal and its assistant: an e-mail address or slack:U…"),
}


class TerminalPrompt:
    """The terminal of this process."""

    def say(self, line: str = "") -> None:
        """Write a line."""
        print_line(line)
        sys.stdout.flush()

    def ask(self, text: str) -> str:
        """Return a line."""
        return input(text)

    def ask_secret(self, text: str) -> str:
        """Return a line that the terminal does not show."""
        return getpass.getpass(text)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Describe `vpsops init`."""
    parser.description = (
        "Ask for the provider's key, Slack, a policy and a database, try each answer at once, and write vpsops.toml and"
        " a file for each secret, readable by you alone. What is there is kept, and replaced only after its difference"
        " was shown and you agreed. Ends with doctor's lines and its exit code."
    )
    parser.epilog = (
        "Secrets are no flags: --non-interactive reads WAYSCLOUD_API_KEY or WAYSCLOUD_TOKEN, SLACK_BOT_TOKEN,"
        " SLACK_APP_TOKEN, SLACK_SIGNING_SECRET and VPSOPS_DATABASE_URL, or the files that NAME_FILE names."
    )
    parser.add_argument("--folder", type=Path, metavar="DIR", help="where the files go; default: ~/.config/vpsops")
    parser.add_argument("--non-interactive", action="store_true", help="ask nothing: flags and the environment say all")
    parser.add_argument("--replace", action="store_true", help="replace files that are there without asking")
    parser.add_argument(
        "--untested", action="store_true", help="with --non-interactive: write without trying the values"
    )
    for flag, (name, text) in FLAGS.items():
        parser.add_argument(flag, dest=name, metavar="VALUE", help=text)
    for flag, words, about in (
        ("people", policy_text.PEOPLE, "that a person asks for"),
        ("agents", policy_text.AGENTS, "that an assistant asks for"),
        ("destroying", policy_text.DESTROYING, "that cannot be undone"),
    ):
        parser.add_argument(f"--{flag}", choices=list(words), help=f"what becomes of a change {about}")
    parser.add_argument(
        "--votes", type=partial(number, least=1, most=MOST_VOTES), metavar="N", help="how many approve what destroys"
    )
    parser.add_argument("--protect", action="append", metavar="GLOB", help="a server that no one changes; also several")


def run(arguments: argparse.Namespace) -> int:
    """Set up, and return doctor's exit code. Raises `ConfigurationError`, after which nothing was written."""
    if not arguments.non_interactive and not sys.stdin.isatty():
        raise ConfigurationError(
            "vpsops init asks its questions at a terminal.", hint="Use --non-interactive in a script."
        )
    folder = (arguments.folder or config_folder(os.environ, home_folder())).expanduser()
    flags = {name: getattr(arguments, name) for name, _ in FLAGS.values()}
    draft = draft_of(folder, os.environ, flags)
    HIDDEN.set(draft.secrets)
    interview = Interview(TerminalPrompt(), draft, try_value)
    if arguments.non_interactive:
        rules = _rules_of(draft, arguments)
        code = exit_codes.GOOD if arguments.untested else _try_all(draft)
        if code != exit_codes.GOOD:
            return code
    else:
        rules = interview.run(partial(_answers, arguments))
    HIDDEN.set(draft.secrets)
    files = draft.planned_files(rules)
    _check_policy(draft, files)
    if not _may_replace(files, arguments, interview):
        print_line("Nothing was written.")
        return exit_codes.OTHER
    return _finish(draft, files, arguments)


def _answers(arguments: argparse.Namespace, slack: bool) -> PolicyAnswers:
    """Return the proposed policy: what the flags say, over the defaults."""
    proposed = default_answers(slack=slack)
    return PolicyAnswers(
        people=arguments.people or proposed.people,
        agents=arguments.agents or proposed.agents,
        destroying=arguments.destroying or proposed.destroying,
        votes=arguments.votes or proposed.votes,
        protected=tuple(arguments.protect or ()),
    )


def _rules_of(draft: SetUpDraft, arguments: argparse.Namespace) -> str:
    return "" if draft.has_rules else policy_text.policy_text(_answers(arguments, draft.has_slack))


def _try_all(draft: SetUpDraft) -> int:
    """Try each value that is meant, print what fails, and return the exit code."""
    if not draft.values.keys() & {"WAYSCLOUD_API_KEY", "WAYSCLOUD_TOKEN"}:
        raise ConfigurationError(
            "There is no WAYSCloud key.",
            hint="Set WAYSCLOUD_API_KEY or WAYSCLOUD_TOKEN, or name its file by NAME_FILE.",
        )
    findings = [finding for name in TRIALS if name in draft.values for finding in try_value(name, draft.values)]
    for finding in dict.fromkeys(findings):
        if finding.level is Level.FAIL:
            print_line(f"fail  {cell(finding.what.rstrip('.'), 300)}. {cell(finding.todo, 300)}")
    code = worst(findings)
    if code != exit_codes.GOOD:
        print_line("Nothing was written. --untested writes without trying.")
    return code


def _check_policy(draft: SetUpDraft, files: Sequence[PlannedFile]) -> None:
    """Raise `ConfigurationError` where the configuration as planned would start no process."""
    text = next(file.text for file in files if file.path == draft.path)
    parse_policy(text, str(draft.path), draft.values.get("VPSOPS_APPROVAL_CHANNEL", ""))


def _may_replace(files: Sequence[PlannedFile], arguments: argparse.Namespace, interview: Interview) -> bool:
    """Show what would be replaced, and return whether it may be."""
    lines = list(differences(files))
    for line in lines:
        print_line(f"{line[:1]}{cell(line[1:], 300)}")
    if not lines or arguments.replace:
        return True
    if arguments.non_interactive:
        print_line("These files are there with another content. --replace replaces them.")
        return False
    return interview.agrees("Replace these?", default=False)


def _is_other_in_force(environ: Mapping[str, str]) -> bool:
    try:
        settings = load_settings(environ)
    except VpsopsError:  # doctor said why
        return False
    return anyio.run(is_other_in_force, settings, SystemClock())


def _finish(draft: SetUpDraft, files: Sequence[PlannedFile], arguments: argparse.Namespace) -> int:
    """Write, run the doctor's checks on the result, and print what to do next."""
    written = write_files(files)
    for path in written:
        print_line(f"Written: {path}")
    if not written:
        print_line(f"{draft.path} is as it was.")
    code = exit_codes.GOOD
    if not arguments.untested:
        print_line()
        environ = environment_with(os.environ, draft.path)
        code = anyio.run(diagnose, environ, arguments.checks, SystemClock())
        if _is_other_in_force(environ):
            print_line()
            for line in step_to_apply(draft.path, own_command()):
                print_line(line)
    print_line()
    for line in next_steps(draft.path, own_command(), slack=draft.has_slack):
        print_line(line)
    return code
