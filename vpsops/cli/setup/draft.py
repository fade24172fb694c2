"""What a set-up says so far: what its folder has, under what the environment and the flags say."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from vpsops.cli.setup.config_text import SECTION, changed_text, new_text
from vpsops.cli.setup.files import PlannedFile
from vpsops.core.config.config_file import ConfigFile, read_config
from vpsops.core.config.secret_values import SECRETS, read_secret_files, secret_files_in

CONFIG: Final = "vpsops.toml"
PLAIN: Final = (
    "WAYSCLOUD_API_URL",
    "SLACK_API_URL",
    "VPSOPS_CHANNEL",
    "VPSOPS_APPROVAL_CHANNEL",
    "VPSOPS_ACTOR",
)
"""What is written into the configuration as it is."""
SECRET: Final = (
    "WAYSCLOUD_API_KEY",
    "WAYSCLOUD_TOKEN",
    "SLACK_BOT_TOKEN",
    "SLACK_APP_TOKEN",
    "SLACK_SIGNING_SECRET",
    "VPSOPS_DATABASE_URL",
)
"""What has a file of its own, and the configuration names the file."""


@dataclass(frozen=True, slots=True)
class SetUpDraft:
    """The folder's configuration, what it says, and the values that are meant."""

    file: ConfigFile
    path: Path
    present: Mapping[str, str]
    values: dict[str, str]

    @property
    def has_rules(self) -> bool:
        """Whether the configuration has rules already."""
        return bool(self.file.data.get("rule"))

    @property
    def has_slack(self) -> bool:
        """Whether a Slack workspace is meant."""
        return bool(self.values.get("SLACK_BOT_TOKEN"))

    @property
    def secrets(self) -> tuple[str, ...]:
        """What must not be shown: the secrets that are there, and those that are meant."""
        return tuple({kept[name] for kept in (self.present, self.values) for name in SECRET if kept.get(name)})

    def planned_files(self, rules: str) -> list[PlannedFile]:
        """Return the files to write. Raises `ConfigurationError` where the configuration cannot be changed."""
        settings: dict[str, str | None] = {}
        secrets: list[PlannedFile] = []
        for name in (*PLAIN, *SECRET):
            value = self.values.get(name, "")
            if value == self.present.get(name, ""):
                continue
            if not value:
                settings |= {name: None, f"{name}_FILE": None}
            elif name in SECRET and not value.startswith("sqlite:"):
                file = PlannedFile(self.path.with_name(name.lower().replace("_", "-")), f"{value}\n", secret=True)
                secrets.append(file)
                settings |= {name: None, f"{name}_FILE": file.path.name}
            else:
                settings |= {name: value}
        return [*secrets, PlannedFile(self.path, self._text(settings, rules))]

    def _text(self, settings: Mapping[str, str | None], rules: str) -> str:
        written = {name: value for name, value in settings.items() if value is not None}
        present = PlannedFile(self.path, "").present
        if present is None or not present.strip():
            return new_text(written, rules)
        return changed_text(present, str(self.path), settings, rules) if settings or rules else present


def draft_of(folder: Path, environ: Mapping[str, str], flags: Mapping[str, str | None]) -> SetUpDraft:
    """Return what is there and what is meant; raises `ConfigurationError` where a file cannot be read."""
    path = (folder / CONFIG).resolve()
    file = read_config(str(path)) if path.exists() else read_config("")
    table = file.data.get(SECTION, {})
    present = {name: str(table[name]) for name in (*PLAIN, *SECRET) if name in table}
    present |= read_secret_files(secret_files_in(file, SECTION))
    given = {name: environ[name].strip() for name in (*PLAIN, *SECRET) if environ.get(name, "").strip()}
    given |= {name: value for name, value in read_secret_files(environ).items() if name in SECRET}
    given |= {name: value for name, value in flags.items() if value}
    return SetUpDraft(file, path, present, {**present, **given})


def environment_with(environ: Mapping[str, str], path: Path) -> dict[str, str]:
    """Return an environment in which the configuration alone says what a set-up is."""
    covered = {*PLAIN, *SECRETS, "VPSOPS_CONFIG"}
    covered |= {f"{name}_FILE" for name in SECRETS}
    return {**{name: value for name, value in environ.items() if name not in covered}, "VPSOPS_CONFIG": str(path)}
