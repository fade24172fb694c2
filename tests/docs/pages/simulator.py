"""The page of the simulator's faults: kinds, what a rule matches and when it strikes, options, presets."""

from vpsops.playground.wayscloud.faults import KINDS, PRESETS, Fault, Match
from vpsops.playground.wayscloud.faults.rules import WHEN

BAR = str.maketrans({"|": "\\|"})


def simulator_faults() -> str:
    """Return the page without its head."""
    return "\n".join([TOP, *_kinds(), MATCHES, *_matches(), OPTIONS, *_options(), NAMED, *_presets()]) + "\n"


def _row(*cells: str) -> str:
    return f"| {' | '.join(cell.translate(BAR) for cell in cells)} |"


def _kinds() -> list[str]:
    def code(names: tuple[str, ...]) -> str:
        return " ".join(f"`{name}`" for name in names)

    return [_row(f"`{kind}`", row.phase.value, row.gets, row.effect, code(row.options)) for kind, row in KINDS.items()]


def _matches() -> list[str]:
    return [_row(f"`{name}`", str(field.description)) for name, field in Match.model_fields.items()]


def _options() -> list[str]:
    when = [_row(f"`{name}`", "any", _about(name)) for name in WHEN]
    own = [
        _row(f"`{name}`", " ".join(f"`{kind}`" for kind, row in KINDS.items() if name in row.options), _about(name))
        for name in Fault.model_fields
        if name not in {"kind", "match", *WHEN}
    ]
    return when + own


def _about(name: str) -> str:
    field = Fault.model_fields[name]
    default = (
        ""
        if field.default in (None, "", (), False)
        else f" (`{field.default:g}`)"
        if _is_number(field.default)
        else f" (`{field.default}`)"
    )
    return f"{field.description}{default}"


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _presets() -> list[str]:
    return [_row(f"`{name}`", f"{preset.says}.") for name, preset in PRESETS.items()]


TOP = """# Faults of the simulator

A rule has a `kind`, a `match` and options. Rules are put in force by `vpsops simulator --faults FILE` (TOML or JSON),
by `--fault PRESET`, by `POST /_sim/faults` with a rule, a list of rules or `{"preset": "NAME"}`, and on the
playground's page. How they strike together: all waits add up; one other answer at most, of the first rule that
strikes; whatever changes the effect, the view or the encoding strikes beside each other, in the order of the rules.

## Kinds

| kind | phase | what the client gets | does the effect happen | options |
|---|---|---|---|---|"""
MATCHES = """
## What a rule matches

What is left out matches everything; patterns take `*`, `?` and `[...]`.

| `match` | meaning |
|---|---|"""
OPTIONS = """
## When it strikes, and options

| option | of | meaning (default) |
|---|---|---|"""
NAMED = """
## Presets

| preset | the provider |
|---|---|"""
