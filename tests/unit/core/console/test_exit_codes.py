"""How an error ends a subcommand: in one line, with its exit code, also from within task groups."""

import pytest

from vpsops.core.common.errors import InvalidInputError, PreconditionError, Remedy, UnchangedError
from vpsops.core.console.exit_codes import OTHER, REFUSED, USAGE, exit_code, guarded


def raising(error: BaseException) -> int:
    raise error


@pytest.mark.parametrize(
    "error",
    [
        BrokenPipeError(),
        ExceptionGroup("tasks", [BrokenPipeError()]),
        ExceptionGroup("tasks", [ExceptionGroup("inner", [BrokenPipeError()]), BrokenPipeError()]),
        BaseExceptionGroup("tasks", [KeyboardInterrupt()]),
    ],
    ids=repr,
)
def test_a_reader_that_has_gone_ends_a_command_quietly(
    error: BaseException, capsys: pytest.CaptureFixture[str]
) -> None:
    """`vpsops list | head -1` is no fault to report."""
    assert guarded(lambda: raising(error)) == OTHER
    assert capsys.readouterr() == ("", "")


def test_a_fault_beside_it_is_reported(capsys: pytest.CaptureFixture[str]) -> None:
    """What else went wrong is not hidden by the end of the reader."""
    assert guarded(lambda: raising(ExceptionGroup("tasks", [BrokenPipeError(), ValueError()]))) == OTHER
    assert "This is a fault of vpsops" in capsys.readouterr().err


def test_what_has_to_wait_or_is_there_already_is_refused() -> None:
    """The words were right, so it is no wrong usage."""
    remedy = Remedy("stop", {"server": "s1"}, "web01")
    assert exit_code(PreconditionError("web01 is running.", remedy)) == REFUSED
    assert exit_code(UnchangedError("web01 is running already.")) == REFUSED
    assert exit_code(InvalidInputError("There is no server called 'x'.")) == USAGE
