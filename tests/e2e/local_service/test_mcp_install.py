"""What `vpsops mcp install` writes starts a server that answers, with no more environment than the file gives."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.e2e.local_service.pipe_process import HELLO
from tests.harness.patience import PATIENCE_SECONDS

pytestmark = [pytest.mark.slow, pytest.mark.real_time]


def run(command: list[str], environ: dict[str, str], lines: str = "") -> str:
    """Run a command from another folder and return what it printed."""
    done = subprocess.run(
        command,
        env=environ,
        cwd="/",
        input=lines,
        capture_output=True,
        text=True,
        timeout=PATIENCE_SECONDS,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_a_host_that_reads_its_file_gets_a_server(tmp_path: Path) -> None:
    """Also where the shell that installed it had another environment."""
    config = tmp_path / ".config" / "vpsops" / "vpsops.toml"
    config.parent.mkdir(parents=True)
    config.write_text(f'[settings]\nVPSOPS_DATABASE_URL = "sqlite:///{tmp_path}/vpsops.sqlite3"\n')
    environ = {"HOME": str(tmp_path), "PATH": "/usr/bin:/bin", "VPSOPS_SOCKET": "off"}
    run([sys.executable, "-m", "vpsops", "mcp", "install", "claude-desktop", "--yes"], environ)
    text = (tmp_path / ".config" / "Claude" / "claude_desktop_config.json").read_text()
    entry = json.loads(text)["mcpServers"]["vpsops"]
    assert entry["env"] == {"VPSOPS_CONFIG": str(config)}
    answers = run([entry["command"], *entry["args"]], environ | entry["env"], json.dumps(HELLO) + "\n")
    assert json.loads(answers.splitlines()[0])["result"]["serverInfo"]["name"] == "vpsops"
