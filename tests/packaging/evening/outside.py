"""What is outside of the machine: provider, Slack and its people, a collector of traces, and Prometheus' answers."""

import os
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import httpx

from tests.fakes.network.otlp import OtlpReceiver, running_receiver
from tests.harness.patience import eventually

PROVIDER: Final = "http://127.0.0.1:8440"
SLACK: Final = "http://127.0.0.1:8441"
EVENTS: Final = "http://127.0.0.1:3000/slack/events"
PROMETHEUS: Final = "http://127.0.0.1:9090"
COLLECTOR_PORT: Final = 4318
OLD_KEY: Final = "wayscloud_vps_old1_NOT-A-REAL-SECRET"
NEW_KEY: Final = "wayscloud_vps_new1_NOT-A-REAL-SECRET"
OPS, APPROVALS = "C0OPS", "C0APPROVALS"
SPEED: Final = "2"  # a reboot takes longer than stopping the service that sent it


@dataclass(frozen=True, slots=True)
class Outside:
    """The simulators, as people and operators use them."""

    http: httpx.Client
    collector: OtlpReceiver
    provider: "SimulatorProcess"

    def restart_provider(self, *keys: str) -> None:
        """Have the provider take other keys; its servers are as at the beginning."""
        self.provider.end()
        self.provider.start(provider_words(*keys))

    def order(self, name: str, **body: object) -> Any:
        """Do something as a person in Slack, or to the workspace."""
        answer = self.http.post(f"{SLACK}/_sim/{name}", json=body)
        assert answer.status_code == 200, answer.text
        done = answer.json()
        assert done.get("ok", True), done
        return done

    def type_command(self, text: str) -> None:
        """Have Alice type `/vps` and some words in the channel of operations."""
        self.order("command", user="U0ALICE", channel=OPS, command="/vps", text=text)

    def messages(self, channel: str, user: str) -> list[dict[str, Any]]:
        """Return what a person sees in a channel, oldest first."""
        answer = self.http.get(f"{SLACK}/_sim/messages", params={"channel": channel, "user": user})
        return list(answer.json()["messages"])

    async def message_with(self, channel: str, user: str, *words: str) -> dict[str, Any]:
        """Return the newest message that shows all the words, once it is there."""

        def newest() -> dict[str, Any]:
            shown = [each for each in self.messages(channel, user) if all(word in str(each) for word in words)]
            return shown[-1] if shown else {}

        return await eventually(newest)

    def effects(self, operation: str) -> int:
        """Return how often the provider did something."""
        counts: Mapping[str, int] = self.http.get(f"{PROVIDER}/_sim/effects").json()["counts"]
        return counts.get(operation, 0)

    def statuses(self, since: int) -> list[int]:
        """Return what the provider answered to the requests after a number."""
        requests = self.http.get(f"{PROVIDER}/_sim/requests", params={"since": since}).json()["requests"]
        return [request["status"] for request in requests]

    def requests_total(self) -> int:
        """Return how many requests the provider has received."""
        total: int = self.http.get(f"{PROVIDER}/_sim/requests").json()["total"]
        return total

    def pass_time(self, seconds: float) -> None:
        """Let time pass at the provider."""
        self.http.post(f"{PROVIDER}/_sim/time", json={"advance": seconds}).raise_for_status()

    async def series_of(self, query: str) -> list[str]:
        """Return the values that Prometheus has for a query, once there are any."""
        return await eventually(lambda: self._series(query))

    def _series(self, query: str) -> list[str]:
        try:
            answer = self.http.get(f"{PROMETHEUS}/api/v1/query", params={"query": query})
        except httpx.TransportError:  # it starts
            return []
        return [str(each["value"][1]) for each in answer.json()["data"]["result"]] if answer.status_code == 200 else []


class SimulatorProcess:
    """A simulator of ours as a process."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._process: subprocess.Popen[bytes] | None = None

    def start(self, words: Sequence[str]) -> None:
        """Start it, and wait until it serves."""
        environment = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
        log = self._folder / f"{words[0]}.log"
        with log.open("ab") as errors:
            command = [sys.executable, "-m", "vpsops", *words]
            self._process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=errors, env=environment)
        assert self._process.stdout is not None
        first = self._process.stdout.readline().decode()
        assert first.startswith(f"{words[0]}: http://127.0.0.1:"), log.read_text(encoding="utf-8")

    def end(self) -> None:
        """End it, where it runs."""
        if self._process is not None:
            self._process.terminate()
            self._process.communicate()
            self._process = None


def provider_words(*keys: str) -> list[str]:
    """Return the command of a provider that takes these keys."""
    return ["simulator", "--speed", SPEED, *(word for key in keys for word in ("--key", key))]


@contextmanager
def running_outside(folder: Path) -> Iterator[Outside]:
    """Run both simulators and the collector."""
    slack = ("slack-simulator", "--request-url", EVENTS)
    with ExitStack() as stack:
        provider, workspace = SimulatorProcess(folder), SimulatorProcess(folder)
        for process, words in ((provider, provider_words(OLD_KEY)), (workspace, slack)):
            stack.callback(process.end)
            process.start(words)
        collector = stack.enter_context(running_receiver(COLLECTOR_PORT))
        yield Outside(stack.enter_context(httpx.Client(trust_env=False, timeout=60)), collector, provider)
