"""Loads `[[window]]` and `[[freeze]]` of `vpsops.toml`, strictly, as rules are loaded."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Annotated, Any, ClassVar, Final, TypeVar
from zoneinfo import ZoneInfo

from pydantic import AfterValidator, ConfigDict, Field, ValidationError

from vpsops.core.common.errors import ConfigurationError
from vpsops.core.config.config_file import ConfigFile
from vpsops.core.config.schema import Problem, Words, WrittenTable, nearest_hint, safe_word, schema_problem
from vpsops.core.policy.calendar import Calendar, CalendarServers, Freeze, Window
from vpsops.core.policy.config_schema import Labels, Servers, plain_sentence
from vpsops.core.policy.hours import Hours, zone_named
from vpsops.core.wayscloud.answers.labels import label_term

CALENDAR_SECTIONS: Final = ("window", "freeze")
MAX_ENTRIES: Final = 100
FORMATS: Final = ("%Y-%m-%d %H:%M", "%Y-%m-%d")
IDENT: Final = r"^[a-z0-9][a-z0-9-]{0,63}$"
NAME_FORMS: Final = {"name": "lower-case letters, digits and hyphens, at most 64"}
DATE_HINT: Final = 'For example from = "2026-12-20 00:00", with time_zone.'


class WrittenWindow(WrittenTable):
    """A maintenance window as written."""

    EXAMPLES: ClassVar[Mapping[str, str]] = {
        "name": 'For example name = "nightly".',
        "hours": 'For example hours = "Mon-Fri 01:00-04:00".',
        "time_zone": 'For example time_zone = "Europe/Oslo".',
    }
    FORMS: ClassVar[Mapping[str, str]] = NAME_FORMS

    name: Annotated[str, Field(pattern=IDENT)]
    hours: Words
    time_zone: str
    server: Servers = ()
    label: Labels = ()


class WrittenFreeze(WrittenTable):
    """A freeze as written: `from` and `to`, or the name of a window."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, serialize_by_alias=True)
    EXAMPLES: ClassVar[Mapping[str, str]] = {"name": 'For example name = "year-end".'}
    FORMS: ClassVar[Mapping[str, str]] = NAME_FORMS

    name: Annotated[str, Field(pattern=IDENT)]
    begins: Annotated[str | None, Field(alias="from")] = None
    ends: Annotated[str | None, Field(alias="to")] = None
    time_zone: str | None = None
    window: str | None = None
    server: Servers = ()
    label: Labels = ()
    reason: Annotated[str, Field(max_length=300), AfterValidator(plain_sentence)] = ""


Written = TypeVar("Written", WrittenWindow, WrittenFreeze)


def calendar_in(file: ConfigFile) -> Calendar:
    """Return the windows and freezes of a file; raises `ConfigurationError` with file, line and a hint."""
    windows = [
        _window(table, EntryLocation(file, "window", line)) for table, line in _tables(file, "window", WrittenWindow)
    ]
    _check_names(file, "window", [window.name for window in windows])
    known = {window.name: window for window in windows}
    freezes = [
        _freeze(table, known, EntryLocation(file, "freeze", line))
        for table, line in _tables(file, "freeze", WrittenFreeze)
    ]
    _check_names(file, "freeze", [freeze.name for freeze in freezes])
    return Calendar(tuple(windows), tuple(freezes))


def calendar_of(windows: Iterable[Mapping[str, Any]], freezes: Iterable[Mapping[str, Any]], source: str) -> Calendar:
    """Return the calendar of tables from a source other than a file; raises `ConfigurationError`."""
    data = {"window": [dict(table) for table in windows], "freeze": [dict(table) for table in freezes]}
    return calendar_in(ConfigFile(source, data, ()))


class EntryLocation:
    """A table's place in its file, for messages."""

    def __init__(self, file: ConfigFile, section: str, line: int) -> None:
        self._file, self._section, self._line = file, section, line

    def error(self, name: str, message: str, hint: str = "") -> ConfigurationError:
        """Return an error with file and line."""
        return self._file.error(self._line, f"{self._section} {name}: {message}", hint)


def _tables(file: ConfigFile, section: str, model: type[Written]) -> list[tuple[Written, int]]:
    """Return the checked tables of a section, each with its line."""
    written = file.data.get(section, [])
    line = file.line(section) if file.tables else 0
    if not isinstance(written, list) or len(written) > MAX_ENTRIES:
        raise file.error(line, f"it takes [[{section}]], in double brackets, at most {MAX_ENTRIES} of them.")
    places = file.elements(section) if file.tables else ()
    lines = [place.line for place in places] or [line] * len(written)
    return [(_checked(file, section, table, at, model), at) for table, at in zip(written, lines, strict=True)]


def _checked(file: ConfigFile, section: str, table: Any, line: int, model: type[Written]) -> Written:
    try:
        return model.model_validate(table)
    except ValidationError as error:
        problem: Problem = schema_problem(error, model, section)
        named = table.get("name") if isinstance(table, dict) else None
        about = f"{section} {safe_word(named)}: " if isinstance(named, str) else f"{section}: "
        raise file.error(line, about + problem.message, problem.hint) from None


def _check_names(file: ConfigFile, section: str, names: Sequence[str]) -> None:
    twice = next((name for index, name in enumerate(names) if name in names[:index]), None)
    if twice is not None:
        raise file.error(file.line(section) if file.tables else 0, f"{section} {twice} is there twice.")


def _window(written: WrittenWindow, place: EntryLocation) -> Window:
    try:
        hours = Hours.parse(written.hours, (), written.time_zone)
    except ValueError as error:
        raise place.error(written.name, f"{error}.") from None
    return Window(written.name, hours, written.hours, _choice(written))


def _freeze(written: WrittenFreeze, windows: Mapping[str, Window], place: EntryLocation) -> Freeze:
    choice = _choice(written)
    dated = written.begins is not None or written.ends is not None
    if (written.window is not None) is dated:
        raise place.error(written.name, "it takes from and to, or a window.", DATE_HINT)
    if written.window is not None:
        window = windows.get(written.window)
        if window is None:
            raise place.error(
                written.name,
                f"there is no window {safe_word(written.window)}.",
                nearest_hint(written.window, tuple(windows)),
            )
        return Freeze(written.name, window=window, choice=choice, reason=written.reason)
    if written.begins is None or written.ends is None or written.time_zone is None:
        raise place.error(written.name, "it takes from, to and time_zone.", DATE_HINT)
    try:
        zone = zone_named(written.time_zone)
        begins, ends = min(_moments(written.begins, zone)), max(_moments(written.ends, zone))
    except ValueError as error:
        raise place.error(written.name, f"{error}.", DATE_HINT) from None
    if begins >= ends:
        raise place.error(written.name, "it ends before it begins.")
    return Freeze(written.name, begins, ends, None, choice, written.reason)


def _choice(written: WrittenWindow | WrittenFreeze) -> CalendarServers:
    servers = frozenset(word.lower().rstrip(".") for word in written.server)
    return CalendarServers(servers, frozenset(label_term(word) for word in written.label))


def _moments(text: str, zone: ZoneInfo) -> list[datetime]:
    """Return the moments in UTC that a local time can mean; raises ValueError for other text."""
    for form in FORMATS:
        try:
            wall = datetime.strptime(text.strip(), form)  # noqa: DTZ007 - the zone follows
        except ValueError:
            continue
        return [wall.replace(tzinfo=zone, fold=fold).astimezone(UTC) for fold in (0, 1)]
    raise ValueError(f"{safe_word(text)} is no date such as 2026-12-20 00:00")
