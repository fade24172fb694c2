"""The manual page, vpsops(1): every subcommand's options, from the parser."""

import argparse
import importlib
from typing import Final

from argparse_manpage.manpage import Manpage

from vpsops.cli import main as console
from vpsops.cli.operations.arguments import describe, words_of_operations
from vpsops.core.console.parser import subparsers_of

TITLE: Final = "vpsops manual"
SECTIONS: Final = {
    "exit status": "0 good, 2 wrong usage or configuration, 3 not authenticated, 4 provider unreachable, 1 other;"
    " operations also 5 held or not finished, 6 refused, 7 failed, 8 outcome unknown, 130 interrupted.",
    "environment": "VPSOPS_CONFIG names the configuration; \\fBvpsops config show\\fR prints every setting.",
}


def whole_parser() -> argparse.ArgumentParser:
    """Return the parser with the arguments of every subcommand, as each is when it is called."""
    parser = console.parser_of([])
    parser._manpage = [{"heading": heading, "content": text} for heading, text in SECTIONS.items()]  # type: ignore[attr-defined]
    subparsers = subparsers_of(parser)
    for name, (module, _) in console.COMMANDS.items():
        importlib.import_module(module).add_arguments(subparsers[name])
    for word, operation in words_of_operations().items():
        describe(subparsers[word], operation)
    return parser


def manual_page() -> str:
    """Return the page in the format of man(7)."""
    data = {
        "date": "2026",
        "project_name": "vpsops",
        "manual_title": TITLE,
        "description": "run VPSes from Slack and from AI assistants, with approvals",
    }
    return str(Manpage(whole_parser(), _data=data)).rstrip() + "\n"
