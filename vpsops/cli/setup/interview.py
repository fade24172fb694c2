"""The questions of `vpsops init`: each answer is tried before the next question, and Enter keeps what is there."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Final, Protocol

from vpsops.cli.setup import policy_text
from vpsops.cli.setup.draft import SetUpDraft
from vpsops.cli.setup.policy_text import IN_SLACK, PolicyAnswers
from vpsops.core.common.errors import ConfigurationError
from vpsops.core.common.text import whole_number
from vpsops.core.console import exit_codes
from vpsops.core.console.checks import DoctorFinding, Level, worst
from vpsops.core.console.terminal import cell
from vpsops.core.wayscloud.requests.credentials import PAT

Try = Callable[[str, Mapping[str, str]], Sequence[DoctorFinding]]
MOST_VOTES: Final = 9
SLACK_STEPS: Final = (
    "  1. Open https://api.slack.com/apps?new_app=1 and choose From a manifest.",
    "  2. Paste what `vpsops manifest` prints, create the app, and install it to your workspace.",
    "  3. Invite it to the two channels: notices, and a private one for approvals.",
)


class QuestionPrompt(Protocol):
    """A terminal; `ask` and `ask_secret` raise `EOFError` at the end of input."""

    def say(self, line: str = "") -> None:
        """Write a line."""

    def ask(self, text: str) -> str:
        """Return what is typed after a question."""

    def ask_secret(self, text: str) -> str:
        """Return what is typed, which the terminal does not show."""


class Interview:
    """Asks for one set-up after the other what its draft lacks, and changes the draft."""

    def __init__(self, prompt: QuestionPrompt, draft: SetUpDraft, trial: Try) -> None:
        self._prompt = prompt
        self._draft = draft
        self._try = trial

    def run(self, proposed: Callable[[bool], PolicyAnswers]) -> str:
        """Ask everything and return the text of the rules, "" where those of the file stay.

        Raises `ConfigurationError` at the end of input; nothing is written by then.
        """
        try:
            self._ask_key()
            self._ask_slack()
            self._ask_actor()
            rules = self._ask_rules(proposed(self._draft.has_slack))
            self._ask_database()
        except EOFError:
            raise ConfigurationError(
                "The input ended before the last question. Nothing was written.",
                hint="Answer at a terminal, or use --non-interactive.",
            ) from None
        return rules

    def _ask_key(self) -> None:
        values = self._draft.values
        self._prompt.say("The key of WAYSCloud, from its portal. What you paste is not shown.")
        name = "WAYSCLOUD_TOKEN" if "WAYSCLOUD_TOKEN" in values else "WAYSCLOUD_API_KEY"
        self._ask_value(name, "Key", secret=True, required=True)
        if values.get("WAYSCLOUD_API_KEY", "").lower().startswith(PAT):
            values["WAYSCLOUD_TOKEN"] = values.pop("WAYSCLOUD_API_KEY")

    def _ask_slack(self) -> None:
        self._prompt.say()
        if not self.agrees("Do people use it from Slack, or approve there?", default=self._draft.has_slack):
            for name in [name for name in self._draft.values if name.startswith("SLACK_") or name.endswith("CHANNEL")]:
                del self._draft.values[name]
            return
        for line in SLACK_STEPS:
            self._prompt.say(line)
        self._ask_value("SLACK_BOT_TOKEN", "Bot token (xoxb-…)", secret=True, required=True)
        self._ask_value("SLACK_APP_TOKEN", "App token (xapp-…, scope connections:write)", secret=True, required=True)
        self._ask_value("VPSOPS_APPROVAL_CHANNEL", "Id of the private channel for approvals (C…)", required=True)
        self._ask_value("VPSOPS_CHANNEL", "Id of the channel for notices (C…, Enter: none)")

    def _ask_actor(self) -> None:
        self._prompt.say()
        where = " as Slack has it" if self._draft.has_slack else ""
        self._prompt.say(
            f"Your e-mail address{where}: this terminal and its assistant ask in your name; without it they only read."
        )
        self._ask_value("VPSOPS_ACTOR", "You (Enter: no one)")

    def _ask_rules(self, answers: PolicyAnswers) -> str:
        self._prompt.say()
        slack = self._draft.has_slack
        if self._draft.has_rules:
            count = len(self._draft.file.data["rule"])
            self._prompt.say(
                f"The {count} rules in {self._draft.path} stay as they are: vpsops policy check tries them."
            )
            return ""
        answers = replace(
            answers,
            people=self._choose("When a person asks for a change", policy_text.PEOPLE, answers.people, slack=slack),
            agents=self._choose("When an assistant asks", policy_text.AGENTS, answers.agents, slack=slack),
            destroying=self._choose(
                "What cannot be undone (delete, roll back)", policy_text.DESTROYING, answers.destroying, slack=slack
            ),
        )
        if answers.destroying == IN_SLACK:
            answers = replace(answers, votes=self._count("How many people approve that?", answers.votes))
        named = ", ".join(answers.protected)
        words = self._prompt.ask(f"Servers that no one may change, such as vpn01 or db*{_shown(named)}: ").strip()
        protected = [word.strip() for word in (words or named).split(",") if word.strip()]
        return policy_text.policy_text(replace(answers, protected=protected))

    def _ask_database(self) -> None:
        self._prompt.say()
        self._prompt.say(
            "Changes and the audit trail are kept in a file of this user, or in PostgreSQL for several machines."
        )
        self._ask_value("VPSOPS_DATABASE_URL", "postgresql://… (Enter: the file)", secret=True)

    def agrees(self, question: str, *, default: bool) -> bool:
        """Return what a person answers to a question of yes or no."""
        while True:
            word = self._prompt.ask(f"{question} {'[Y/n]' if default else '[y/N]'} ").strip().lower()
            if word in {"", "y", "yes", "n", "no"}:
                return word.startswith("y") if word else default
            self._prompt.say("Type y or n.")

    def _ask_value(self, name: str, label: str, *, secret: bool = False, required: bool = False) -> None:
        """Ask until a value passes its trial, or is kept although its service is not reached."""
        values = self._draft.values
        before = values.get(name, "")
        shown = _shown("kept by Enter" if secret and before else before)
        while True:
            read = self._prompt.ask_secret if secret else self._prompt.ask
            value = read(f"{label}{shown}: ").strip() or before
            if not value:
                if not required:
                    return
                self._prompt.say("It is needed. Ctrl-C ends this, and nothing is written.")
                continue
            values[name] = value
            if self._passes(name, values):
                return
            values.pop(name)
            values |= {name: before} if before else {}

    def _passes(self, name: str, values: Mapping[str, str]) -> bool:
        findings = self._try(name, values)
        for finding in findings:
            todo = f" {cell(finding.todo, 300)}" if finding.level is Level.FAIL else ""
            self._prompt.say(f"  {finding.level:<4}  {cell(finding.what.rstrip('.'), 300)}.{todo}")
        if worst(findings) == exit_codes.UNREACHABLE:
            return self.agrees("It could not be tried. Keep it all the same?", default=False)
        return worst(findings) == exit_codes.GOOD

    def _choose(self, question: str, words: Mapping[str, str], proposed: str, *, slack: bool) -> str:
        offered = policy_text.choices(words, slack=slack)
        keys = list(offered)
        default = proposed if proposed in keys else keys[0]
        self._prompt.say(f"{question}:")
        for number, key in enumerate(keys, 1):
            self._prompt.say(f"  {number}  {offered[key]}")
        return keys[self._number("Which?", keys.index(default) + 1, len(keys)) - 1]

    def _count(self, question: str, default: int) -> int:
        return self._number(question, default, MOST_VOTES)

    def _number(self, question: str, default: int, most: int) -> int:
        while True:
            word = self._prompt.ask(f"{question} [{default}] ").strip()
            if not word:
                return default
            number = whole_number(word, 1, most)
            if number is not None:
                return number
            self._prompt.say(f"Type a number from 1 to {most}.")


def _shown(value: str) -> str:
    return f" [{cell(value, 120)}]" if value else ""
