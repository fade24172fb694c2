"""Command lines of every operation: derived from its arguments, read as in Slack."""

from typing import Any

import pytest

from vpsops.bot.commands.argument_parser import parse_arguments
from vpsops.cli import main
from vpsops.cli.operations.arguments import arguments_from, wait_seconds
from vpsops.core.common.errors import InvalidInputError
from vpsops.core.operations import OPERATIONS, Operation
from vpsops.core.operations.arguments import Argument, ArgumentKind, arguments_of

OWN_OPTIONS = {"json", "reveal", "because", "wait", "dry-run", "confirm", "yes", "help"}
ENTRIES = list(OPERATIONS.values())
SAMPLES = {ArgumentKind.CHOICE: "", ArgumentKind.NUMBER: "14", ArgumentKind.SCHEDULE: "03:00"}


def sample(argument: Argument) -> str:
    """Return a word that an argument may have; the parser does not judge it."""
    return argument.spec.choices[0] if argument.spec.choices else SAMPLES.get(argument.spec.kind, argument.name)


def read(*words: str) -> dict[str, Any]:
    namespace = main.parsed(main.parser_of(words), words)
    return arguments_from(namespace, OPERATIONS[namespace.operation])


@pytest.mark.parametrize("operation", ENTRIES, ids=lambda operation: operation.name)
@pytest.mark.requirement("terminal-derived")
def test_every_operation_is_a_subcommand(operation: Operation, capsys: pytest.CaptureFixture[str]) -> None:
    """Its help has a line of usage, each argument and the exit codes; no option hides another."""
    with pytest.raises(SystemExit) as end:
        main.parser_of([operation.word]).parse_args([operation.word, "--help"])
    text = " ".join(capsys.readouterr().out.split())
    assert end.value.code == 0
    for argument in arguments_of(operation.arguments):
        option = argument.word.replace("_", "-")
        assert f"--{option}" in text
        assert option not in OWN_OPTIONS
    assert "Exit code" in text
    assert "vps_" not in text, "a tool of assistants is named by its command here"


@pytest.mark.parametrize("operation", ENTRIES, ids=lambda operation: operation.name)
@pytest.mark.requirement("terminal-derived")
def test_words_and_options_mean_the_same(operation: Operation) -> None:
    """Every argument by its option, by `word=value`, or in its place: the arguments are those that Slack reads."""
    arguments = arguments_of(operation.arguments)
    options = [part for item in arguments for part in (f"--{item.word.replace('_', '-')}", sample(item))]
    labels = ArgumentKind.LABELS
    pairs = [sample(item) if item.spec.kind is labels else f"{item.word}={sample(item)}" for item in arguments]
    expected = dict(parse_arguments(operation, pairs))
    assert read(operation.word, *options) == expected
    assert read(operation.word, *pairs) == expected
    required = [sample(item) for item in arguments if item.required]
    assert read(operation.word, *required) == dict(parse_arguments(operation, required))


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (("list", "web"), {"name": "web"}),
        (("list", "state=running", "--region", "oslo"), {"state": "running", "region": "oslo"}),
        (("rename", "--because", "new team", "web01", "Web", "main"), {"server": "web01", "name": "Web main"}),
        (("rename", "web01", "--dry-run", "Web", "main"), {"server": "web01", "name": "Web main"}),
        (("create", "web09", "vps-2", "oslo", "debian"), {"hostname": "web09", "plan": "vps-2"}),
        (("create", "web09", "--plan", "vps-2", "os=debian", "region=oslo"), {"os_template": "debian"}),
        (("label", "--because", "audit", "web01", "team=shop", "old-"), {"labels": ["team=shop", "old-"]}),
        (("ask", "backup-policy", "web01", "daily", "03:00", "keep=14"), {"retention_days": "14"}),
    ],
)
def test_words_stand_before_and_behind_options(words: tuple[str, ...], expected: dict[str, Any]) -> None:
    """Options may come first, last or between."""
    assert expected.items() <= read(*words).items()


@pytest.mark.parametrize("words", [("reboot",), ("reboot", "web01", "web02"), ("show",), ("resize", "web01")])
def test_what_is_missing_or_too_much_names_the_usage(words: tuple[str, ...]) -> None:
    """The error ends with the line to write."""
    with pytest.raises(InvalidInputError, match=f"Write: vpsops {words[0]} SERVER"):
        read(*words)


@pytest.mark.parametrize(
    "words",
    [
        ("reboot", "web01", "--force"),
        ("reboot", "web01", "-f"),
        ("list", "--yes"),
        ("delete", "web01", "--yes"),
        ("ask", "reboot", "web01", "--yes"),
        ("ask", "list"),
        ("reboot", "web01", "--wait", "soon"),
        ("reboot", "web01", "--wait", "30"),
        ("reboot", "web01", "--wait", "8d"),
        ("reboot", "web01", "--w"),
        ("rebot", "web01"),
    ],
    ids=" ".join,
)
def test_wrong_usage(words: tuple[str, ...], capsys: pytest.CaptureFixture[str]) -> None:
    """Options that there are not, `--yes` for what cannot be undone, and durations without a unit: usage, code 2."""
    with pytest.raises(SystemExit) as end:
        main.parsed(main.parser_of(words), words)
    assert end.value.code == 2
    assert capsys.readouterr().err.startswith("usage: vpsops")


def test_an_unknown_subcommand_names_the_nearest(capsys: pytest.CaptureFixture[str]) -> None:
    """A slip of the finger is answered by what was meant, not by the list of everything."""
    with pytest.raises(SystemExit):
        main.parsed(main.parser_of(["rebot"]), ["rebot", "web01"])
    assert "Did you mean vpsops reboot" in capsys.readouterr().err


@pytest.mark.parametrize(("text", "seconds"), [("90s", 90), ("30m", 1800), ("2H", 7200), ("7d", 604_800), ("0s", 0)])
def test_durations(text: str, seconds: float) -> None:
    """A number and a unit."""
    assert wait_seconds(text) == seconds


def test_no_operation_takes_the_name_of_another_subcommand() -> None:
    """`vpsops policy` stays what it is, whatever the registry gets."""
    assert not {operation.word for operation in ENTRIES} & set(main.COMMANDS)
