"""The acts that watch: Prometheus with the alert rules, and one trace from a click in Slack to the end of a reboot."""

from typing import Final

from tests.harness.patience import eventually
from tests.packaging.evening.outside import OPS
from tests.packaging.evening.pages import Block
from tests.packaging.evening.session import Evening

SCRAPE: Final = Block("docs/metrics.md", "Scrape it")
RULES: Final = Block("docs/metrics.md", "Dashboard and alerts")
TRACES: Final = Block("docs/metrics.md", "Traces")
PROMETHEUS_CONFIG: Final = "/etc/prometheus/prometheus.yml"
QUERIES: Final = (
    'up{job="vpsops"} == 1',
    "vpsops_ready == 1",
    "vpsops_database_up == 1",
    'vpsops_processes{front="worker"} == 1',
    'vpsops_processes{front="slack"} == 1',
)


async def scrape(evening: Evening) -> None:
    """Have Debian's Prometheus scrape the service and load the alert rules."""
    evening.begin_act("Scrape", SCRAPE, RULES)
    config = f"global: {{scrape_interval: 1s}}\nrule_files: [/etc/prometheus/vpsops.yml]\n{SCRAPE.text}"
    evening.run(f"install -m 0644 /dev/stdin {PROMETHEUS_CONFIG}", stdin=config)
    shows = {"promtool check rules": ["SUCCESS: [0-9]+ rules found"], "promtool check config": ["SUCCESS: .* is valid"]}
    evening.play(RULES.commands, shows=shows)
    for query in QUERIES:
        await evening.outside.series_of(query)
        evening.transcript.add_check(f"Prometheus has `{query}`.")


async def trace(evening: Evening) -> None:
    """Follow a reboot through the service that sent it and the worker that saw its end."""
    evening.begin_act("One trace of one reboot", TRACES)
    outside = evening.outside
    outside.type_command("reboot web01 because it hangs")
    card = await outside.message_with(OPS, "U0ALICE", "it hangs", "vps:confirm")
    evening.transcript.add_remark("Alice types `/vps reboot web01 because it hangs` in Slack, and clicks *Confirm*.")
    outside.order("click", user="U0ALICE", channel=OPS, ts=card["ts"], action_id="vps:confirm")
    await eventually(lambda: outside.effects("reboot") == 1)
    evening.run("systemctl stop vpsops.service")
    outside.pass_time(300)
    await eventually(lambda: bool(outside.collector.named("change watching")))
    evening.run("systemctl start vpsops.service")
    await outside.message_with(OPS, "U0ALICE", "it hangs", "done")
    settled = outside.collector.named("change watching")[0]
    spans = [span for span in list(outside.collector.spans) if span.trace == settled.trace]
    by_process = {unit: {span.name for span in spans if span.process == unit} for unit in ("vpsops", "vpsops-worker")}
    assert {"slack command", "change request", "change run"} <= by_process["vpsops"], by_process
    assert "POST /v1/vps/{id}/reboot" in by_process["vpsops"], by_process
    assert settled.process == "vpsops-worker"
    assert settled.attributes["vpsops.change.state"] == "succeeded"
    evening.transcript.full += [f"   {span.process}: {span.name}" for span in spans]
    evening.transcript.add_check(
        "one trace holds the command in Slack and the provider's `POST /v1/vps/{id}/reboot`, by vpsops.service, and"
        " the end of the watch, with success, by vpsops-worker.service."
    )
