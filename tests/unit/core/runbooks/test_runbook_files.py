"""The files of runbooks: read strictly, every problem with its line, values that stay values."""

from typing import Final

import pytest

from vpsops.core.common.errors import ConfigurationError, InvalidInputError
from vpsops.core.operations import OPERATIONS
from vpsops.core.runbooks.loader import MOST_CHARACTERS, RunbookError, load_runbook, may_be_step
from vpsops.core.runbooks.model import RunbookArgument, ValueKind
from vpsops.core.runbooks.values import argument_problem, filled_steps, values_from

HEAD: Final = 'name = "x"\ndescription = "X."\n'
STEP: Final = '[[step]]\noperation = "stop"\nservers = "web01"\n'
TEXT: Final = '[arguments.word]\nkind = "text"\n'
LABEL: Final = '[[step]]\noperation = "label"\nservers = "web01"\narguments = { labels = ["team={word}"] }\n'


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        (HEAD, "f:1: step is missing."),
        ('name = "X"\ndescription = "X."\n' + STEP, "f:1: name: it takes 1 to 40 small letters"),
        (HEAD + 'order = "x"\n' + STEP, "f:3: unknown order x. There are steps, servers."),
        (HEAD + 'pause = "soon"\n' + STEP, "f:3: pause: it takes seconds or minutes."),
        (HEAD + STEP + 'on_failur = "stop"\n', "f:6: unknown key on_failur. Did you mean on_failure?"),
        (HEAD + STEP + 'on_failure = "compensate"\n', 'f:6: step 1: on_failure = "compensate" and'),
        (HEAD + STEP + '[[step.compensation]]\noperation = "start"\n', 'step 1: on_failure = "compensate" and'),
        (HEAD + STEP + 'probe = "udp:1"\n', "f:6: step 1: udp:1 is no probe."),
        (HEAD + STEP.replace("stop", "create"), "f:4: step 1: create is no step of a runbook."),
        (HEAD + STEP.replace("stop", "stopp"), "f:4: step 1: stopp is no operation. Did you mean stop?"),
        (HEAD + STEP.replace("web01", "{web}"), "f:5: step 1: {web} is no selection."),
        (HEAD + TEXT + STEP.replace("web01", "{word}"), "{word} is no selection."),
        (HEAD + TEXT + STEP, "f:3: no step uses the argument word."),
        (HEAD + STEP + "arguments = { force = true }\n", "step 1: stop takes no argument force. It takes none."),
        (HEAD + LABEL, "f:6: step 1: there is no argument word. There are none."),
        (HEAD + TEXT.replace("word", "at") + STEP, "at is no name of an argument."),
        (HEAD + TEXT + 'choices = ["a"]\n' + LABEL, "word: choices go with kind"),
        (HEAD + TEXT + 'default = ""\n' + LABEL, "word: its default takes 1 to 200 characters"),
        (
            HEAD + STEP + 'on_failure = "compensate"\n[[step.compensation]]\noperation = "resize"\n'
            'arguments = { plan = "p" }\n',
            "resize costs money, so it cannot be a compensation.",
        ),
        (HEAD + STEP * 11, "at most 10"),
        (HEAD + STEP + "#" * MOST_CHARACTERS, "more than 20,000 characters"),
    ],
)
def test_a_problem_is_named_with_its_line(text: str, problem: str) -> None:
    """What is wrong, where, and what to write."""
    with pytest.raises(RunbookError) as caught:
        load_runbook(text, "f")
    assert any(problem in line for line in caught.value.problems), caught.value.problems


def test_a_text_that_is_no_toml_is_refused() -> None:
    """The reader's own words."""
    with pytest.raises(ConfigurationError, match="f: Expected"):
        load_runbook("name", "f")


@pytest.mark.requirement("runbook-values")
def test_a_value_stays_one_value() -> None:
    """Braces, commas and keys in a value make no other label, step or argument."""
    runbook = load_runbook(HEAD + TEXT + LABEL, "f")
    (step,) = filled_steps(runbook, values_from(runbook, {"word": "a,env=prod {word}"}))
    assert step.arguments == {"labels": ["team=a,env=prod {word}"]}


def test_a_selection_is_split_into_its_words() -> None:
    """Names, patterns and filters, as a plan takes them; a value that selects nothing is refused."""
    runbook = load_runbook(HEAD + TEXT.replace("text", "servers") + STEP.replace("web01", "{word}"), "f")
    (step,) = filled_steps(runbook, values_from(runbook, {"word": "web*, db01 region:oslo"}))
    assert (step.selection.names, step.selection.filters) == (("web*", "db01"), {"region": "oslo"})
    with pytest.raises(InvalidInputError, match="word takes names"):
        values_from(runbook, {"word": ","})


def test_the_steps_there_may_be() -> None:
    """Nothing that destroys, makes a server or means one by its nature."""
    steps = {name for name, operation in OPERATIONS.items() if may_be_step(operation)}
    assert steps == {"start", "stop", "reboot", "resize", "label", "snapshot_create", "backup_create"}


def test_a_value_is_taken_up_to_its_bounds() -> None:
    """A choice that there is, and a text of the longest length; the next longer text, and another choice, are not."""
    text, choice = RunbookArgument("x", ValueKind.TEXT), RunbookArgument("y", ValueKind.CHOICE, choices=("web", "db"))
    assert (argument_problem(text, "a" * 200), argument_problem(choice, "db")) == ("", "")
    assert argument_problem(text, "a" * 201) == "takes 1 to 200 characters on one line"
    assert argument_problem(choice, "mail") == "takes web or db"
