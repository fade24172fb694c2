"""The page of metrics, from their definitions."""

from typing import Final

from vpsops.core.telemetry.metrics import CLOSED_LISTS, METRICS, OTHER, REGISTRIES, Metric

INTRODUCTION: Final = """# Metrics

What [`/metrics`](../metrics.md) shows. Counters and times are of the process that answers; queues, open changes, hold-offs and processes are read from the database, and are the same from every process: use `max`, not `sum`, over them.
"""  # noqa: E501 - a paragraph of the page


def metrics_page() -> str:
    """Return the page."""
    rows = [_row(metric) for metric in METRICS]
    head = ["| metric | kind | labels | what it is |", "|---|---|---|---|"]
    labels = [
        *(f"| `{label}` | {', '.join(f'`{value}`' for value in values)} |" for label, values in CLOSED_LISTS.items()),
        *(f"| `{label}` | {words} |" for label, words in REGISTRIES.items()),
    ]
    values = (
        f"\n## Labels\n\nEach value is of a closed list; whatever else is counted as `{OTHER}`. No names of servers,"
        " no ids, no people and no texts of errors are in them.\n"
    )
    return "\n".join([INTRODUCTION, *head, *rows, values, "| label | values |", "|---|---|", *labels]) + "\n"


def _row(metric: Metric) -> str:
    labels = ", ".join(f"`{label}`" for label in metric.labels) or "none"
    bounds = f" Buckets in seconds: {', '.join(f'{bound:g}' for bound in metric.buckets)}." if metric.buckets else ""
    return f"| `{metric.name}` | {metric.kind.value} | {labels} | {metric.help}{bounds} |"
