"""Image, compose file and manifests: their settings load, their commands and addresses exist, and they are confined."""

import shutil
import subprocess
from pathlib import Path

import pytest
import yaml

from tests.packaging.containers import manifests
from tests.packaging.registry.entries import project
from vpsops.cli.main import parser_of
from vpsops.core.common.errors import ConfigurationError
from vpsops.core.config.secret_values import SECRETS
from vpsops.core.config.settings import load_settings
from vpsops.core.policy.loader import parse_policy

CONTENT = {
    "api-key": "wayscloud_vps_test1_SECRET",
    "database-url": "postgresql://vpsops:hunter2@database/vpsops",
    "http-tokens.toml": "",
    "slack-app-token": "xapp-1-2-abc",
    "slack-bot-token": "xoxb-1-2-abc",
    "state-key": "s" * 32,
}
USER = "10001"
ENVIRONMENTS = {"compose": manifests.compose_environment(), "kubernetes": manifests.kubernetes_environment()}
CHART_VALUES = manifests.loaded(manifests.CHART / "values.yaml")
CONFIGURATIONS = {
    "base": (manifests.BASE / "vpsops.toml").read_text(encoding="utf-8"),
    "example": (manifests.BASE.parent / "example" / "vpsops.toml").read_text(encoding="utf-8"),
    "chart": CHART_VALUES["config"],
}


@pytest.mark.parametrize("environ", ENVIRONMENTS.values(), ids=ENVIRONMENTS)
def test_the_settings_load(environ: dict[str, str], tmp_path: Path) -> None:
    """Together with what the image sets: a variable that is unknown, or set twice, would stop each process."""
    config = tmp_path / "vpsops.toml"
    config.write_text(CONFIGURATIONS["base"])
    whole = manifests.image_environment() | manifests.with_files(environ, CONTENT, tmp_path)
    settings = load_settings(whole | {"VPSOPS_CONFIG": str(config)})
    assert settings.database_url == CONTENT["database-url"]
    assert settings.slack_bot_token is not None
    assert settings.http_tokens_file


@pytest.mark.requirement("pod-restricted")
@pytest.mark.parametrize("environ", ENVIRONMENTS.values(), ids=ENVIRONMENTS)
def test_every_secret_is_a_file_of_its_own(environ: dict[str, str]) -> None:
    assert not SECRETS & environ.keys()
    paths = [path for name, path in environ.items() if name.endswith("_FILE")]
    assert len(set(paths)) == len(paths) == len(CONTENT)
    assert all(path.startswith(manifests.SECRETS) for path in paths)


def test_the_chart_has_the_secrets_of_the_base() -> None:
    files = CHART_VALUES["secret"]["files"]
    environ = manifests.kubernetes_environment()
    assert {f"{name}_FILE": f"/run/secrets/vpsops/{key}" for name, key in files.items()} | {
        "VPSOPS_HTTP_TOKENS_FILE": f"/run/secrets/vpsops/{CHART_VALUES['secret']['httpTokens']}"
    } == {name: path for name, path in environ.items() if name.endswith("_FILE")}


def test_kubernetes_adds_no_variables_of_its_own() -> None:
    """For a Service named vpsops it would: such a pod ends at once, since a setting it does not know is an error."""
    assert manifests.base("Service")["metadata"]["name"] == "vpsops"
    assert manifests.pod()["enableServiceLinks"] is False
    with pytest.raises(ConfigurationError, match="VPSOPS_PORT"):
        load_settings({"VPSOPS_PORT": "tcp://10.0.0.1:3000"})


@pytest.mark.parametrize("text", CONFIGURATIONS.values(), ids=CONFIGURATIONS)
def test_the_policies_are_right(text: str) -> None:
    assert len(parse_policy(text, "vpsops.toml", "C0APPROVE01").rules) == 3


def test_the_commands_are_there() -> None:
    words = manifests.container()["args"]
    assert parser_of(words).parse_args(words).command == "serve"
    assert yaml.safe_load(manifests.instruction("CMD")) == words
    program, *check = manifests.healthcheck_words()
    arguments = parser_of(check).parse_args(check)
    assert (program, arguments.command, arguments.url) == ("vpsops", "health", "http://127.0.0.1:3000/readyz")
    assert yaml.safe_load(manifests.instruction("ENTRYPOINT")) == [program]


@pytest.mark.requirement("pod-restricted")
def test_the_pod_is_restricted() -> None:
    """As the profile `restricted` of Pod Security wants it, and nothing but its volumes can be written."""
    security = manifests.pod()["securityContext"]
    assert (security["runAsNonRoot"], security["seccompProfile"]) == (True, {"type": "RuntimeDefault"})
    assert manifests.container()["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    assert manifests.pod()["automountServiceAccountToken"] is False
    assert {volume["name"] for volume in manifests.pod()["volumes"]} == {"config", "secrets", "state", "tmp"}


def test_the_composed_container_is_confined() -> None:
    service = manifests.compose()["services"]["vpsops"]
    assert (service["read_only"], service["cap_drop"]) == (True, ["ALL"])
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert all(port.startswith("127.0.0.1:") for port in service["ports"])
    assert {*service["secrets"]} == {*CONTENT}
    assert {*manifests.compose()["secrets"]} == {*CONTENT, "database-password"}


def test_all_run_as_the_user_of_the_image() -> None:
    user = f"{USER}:{USER}"
    assert manifests.instruction("USER") == manifests.compose()["services"]["vpsops"]["user"] == user
    assert str(manifests.pod()["securityContext"]["runAsUser"]) == USER


def test_probes_ask_what_is_answered() -> None:
    """Alive is /livez: what is red for a while is no reason to end a pod."""
    container = manifests.container()
    assert container["livenessProbe"]["httpGet"] == {"path": "/livez", "port": "http"}
    assert container["readinessProbe"]["httpGet"] == {"path": "/readyz", "port": "http"}
    assert {port["name"]: port["containerPort"] for port in container["ports"]} == {"http": 3000, "metrics": 9464}
    assert manifests.kubernetes_environment()["VPSOPS_METRICS"].endswith(":9464")


def test_selectors_select_the_pods() -> None:
    """The labels that the kustomization gives them."""
    (labels,) = manifests.loaded(manifests.BASE / "kustomization.yaml")["labels"]
    assert manifests.base("PodDisruptionBudget")["spec"]["selector"]["matchLabels"] == labels["pairs"]
    assert manifests.base("NetworkPolicy")["spec"]["podSelector"]["matchLabels"] == labels["pairs"]
    (spread,) = manifests.pod()["topologySpreadConstraints"]
    assert spread["labelSelector"]["matchLabels"] == labels["pairs"]


def test_versions_stand_once() -> None:
    version = project()["version"]
    chart = manifests.loaded(manifests.CHART / "Chart.yaml")
    tags = [
        image["newTag"]
        for folder in ("base", "example")
        for image in manifests.loaded(manifests.BASE.parent / folder / "kustomization.yaml")["images"]
    ]
    image = manifests.compose()["services"]["vpsops"]["image"]
    assert {chart["version"], chart["appVersion"], *tags, image.partition(":")[2]} == {version}


def test_the_image_is_built_from_locked_libraries_and_no_secrets() -> None:
    """Each installation has hashes or no index, and the context lets in nothing but what the wheel is made of."""
    installs = [text for word, text in manifests.instructions() if word == "RUN" and "pip" in text]
    for step in " && ".join(installs).split("&&"):
        assert " install " not in step or "--require-hashes" in step or "--no-index" in step
    ignored = (manifests.FOLDER.parent / ".dockerignore").read_text(encoding="utf-8").split("\n")
    allowed = {line[1:] for line in ignored if line.startswith("!")}
    assert "*" in ignored
    made_of = {"LICENSE", "README.md", "hatch_build.py", "packaging/man", "pyproject.toml", "requirements"}
    assert allowed == made_of | {"bot", "core", "mcp_server", "vpsops"}


@pytest.mark.skipif(shutil.which("kubectl") is None, reason="no kubectl here, which has kustomize")
def test_kustomize_builds_the_example() -> None:
    done = subprocess.run(
        ["kubectl", "kustomize", str(manifests.BASE.parent / "example")], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    documents = {document["kind"]: document for document in yaml.safe_load_all(done.stdout)}
    assert [*documents] == ["ConfigMap", "Service", "Deployment", "PodDisruptionBudget", "NetworkPolicy"]
    (volume, *_) = documents["Deployment"]["spec"]["template"]["spec"]["volumes"]
    assert volume["configMap"]["name"] == documents["ConfigMap"]["metadata"]["name"]
    assert {document["metadata"]["namespace"] for document in documents.values()} == {"vpsops"}
