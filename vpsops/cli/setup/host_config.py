"""What `vpsops init` prints last: how commands and assistants find the configuration."""

import shlex
from collections.abc import Iterator, Sequence
from pathlib import Path

from vpsops.cli.hosts.catalogue import HOSTS


def step_to_apply(config: Path, command: Sequence[str]) -> Iterator[str]:
    """Yield the lines for a database whose policy in force is not the configuration's."""
    yield "One step is left: this database has another policy in force, and processes started with this file change"
    yield "nothing until you put this one in force, for all processes of the database:"
    yield f"  {shlex.join([*command, 'policy', 'apply', str(config)])}"


def next_steps(config: Path, command: Sequence[str], *, slack: bool) -> Iterator[str]:
    """Yield the lines: the shell, the assistants' configuration, the bot."""
    yield "At a terminal, in each shell:"
    yield f"  export VPSOPS_CONFIG={shlex.quote(str(config))}"
    yield f"  {shlex.join([*command, 'list'])}"
    if slack:
        yield f"  {shlex.join([*command, 'bot'])}    # serves Slack; keep it running"
    yield "In an assistant, one of these; each shows first what it writes, and --print only prints it:"
    for host in HOSTS.values():
        install = shlex.join([*command, "mcp", "install", host.id, "--config", str(config)])
        yield f"  {install}    # {host.title}"
