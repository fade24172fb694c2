"""The parser of the console script: it names what is near to a slip, and the version."""

import argparse
import sys
from collections.abc import Iterator, Sequence
from difflib import get_close_matches
from typing import Any, Final, NoReturn

USAGE: Final = 2
MOST_NEAR: Final = 2
LONGEST_WORD: Final = 40


class VersionAction(argparse.Action):
    """Print what runs, and end."""

    def __init__(self, option_strings: Sequence[str], dest: str, **_: Any) -> None:
        super().__init__(option_strings, dest, nargs=0, help="print the version, commit, Python and SDKs, and end")

    def __call__(self, parser: argparse.ArgumentParser, *_: Any) -> None:
        """Print and end."""
        from vpsops.core.console.version import version_text  # noqa: PLC0415 - it reads metadata of packages

        sys.stdout.write(f"{version_text()}\n")
        parser.exit()


class UsageError(SystemExit):
    """The end of a command that was typed wrongly, after it was printed how; `text` says what is wrong."""

    def __init__(self, text: str) -> None:
        super().__init__(USAGE)
        self.text = text


class CommandParser(argparse.ArgumentParser):
    """A parser whose subcommands are of its kind."""

    def error(self, message: str) -> NoReturn:
        """Print what is wrong, and end."""
        self.print_usage(sys.stderr)
        sys.stderr.write(f"{self.prog}: error: {message}\n")
        raise UsageError(message)

    def _check_value(self, action: argparse.Action, value: Any) -> None:
        try:
            super()._check_value(action, value)
        except argparse.ArgumentError:
            near = nearest(str(value), [str(choice) for choice in action.choices or ()])
            if not near:
                raise
            raise argparse.ArgumentError(action, f"there is no {str(value)[:LONGEST_WORD]!r}. {near}") from None


def subparsers_of(parser: argparse.ArgumentParser) -> dict[str, argparse.ArgumentParser]:
    """Return the parsers of a parser's subcommands, by their names."""
    groups = [action for action in parser._actions if isinstance(action, argparse._SubParsersAction)]  # noqa: SLF001
    return {name: sub for group in groups for name, sub in group.choices.items()}


def parsers_along(parser: argparse.ArgumentParser, words: Sequence[str]) -> Iterator[argparse.ArgumentParser]:
    """Yield a parser and those of the subcommands that some words name, one in the other."""
    yield parser
    subparsers = subparsers_of(parser)
    for at, word in enumerate(words):
        if word in subparsers:
            yield from parsers_along(subparsers[word], words[at + 1 :])
            return


def options_of(parser: argparse.ArgumentParser) -> list[str]:
    """Return the options of a parser."""
    return [option for action in parser._actions for option in action.option_strings]  # noqa: SLF001


def unknown_words(parser: argparse.ArgumentParser, words: Sequence[str], rest: Sequence[str]) -> str:
    """Return what to say of words that no parser took: the first of them, and the options near to it."""
    options = [option for along in parsers_along(parser, words) for option in options_of(along)]
    near = nearest(rest[0].partition("=")[0], options) if rest[0].startswith("-") else ""
    return f"unrecognized arguments: {' '.join(rest)}. {near}" if near else f"unrecognized arguments: {' '.join(rest)}"


def nearest(word: str, known: Sequence[str]) -> str:
    """Return the question after what is near to a word; nothing where nothing is."""
    near = get_close_matches(word[:LONGEST_WORD], dict.fromkeys(known), n=MOST_NEAR)
    return f"Did you mean {' or '.join(near)}?" if near else ""
