"""Checks of `make containers-check`, run in an environment of their own: requirements/containers.txt.

Helm's own engine renders the chart (helm-python-sdk has it as a library), Kubernetes' own schemas check what it makes
and the base, and hadolint reads the Containerfile. No cluster and no network is needed.
"""

import argparse
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import kubernetes_validate
import yaml
from helm_python.chart import Chart
from helm_python.errors import HelmError

PACKAGING: Final = Path(__file__).resolve().parents[3] / "packaging"
CHART: Final = str(PACKAGING / "helm" / "vpsops")
BASE: Final = PACKAGING / "kubernetes" / "base"
VERSIONS: Final = ("1.28", "1.34")
HADOLINT: Final = Path(sys.executable).with_name("hadolint")
VALUES: Final[Mapping[str, Mapping[str, Any]]] = {
    "as it is": {},
    "all switched": {
        "image": {"repository": "registry.example.com/vpsops", "tag": "main", "pullSecrets": ["pull"]},
        "replicas": 1,
        "secret": {"httpTokens": ""},
        "metrics": {"enabled": False},
        "networkPolicy": {"enabled": False},
        "nodeSelector": {"kubernetes.io/arch": "amd64"},
        "tolerations": [{"key": "a", "operator": "Exists"}],
    },
    "hostile words": {"config": 'text = """\n{{ .Values.replicas }}\n  - a: b\n"""\n', "secret": {"name": "a: b #"}},
}
WRONG: Final[Sequence[Mapping[str, Any]]] = ({"replicas": 0}, {"config": ""}, {"replica": 2}, {"secret": {"name": ""}})


def main() -> int:
    """Run every check, or that of a packed chart; return 1 and say what is wrong, or 0."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--chart", metavar="FILE", help="a packed chart, which has to make what the folder does")
    archive = parser.parse_args().chart
    if archive:
        problems = [*archive_problems(archive)]
    else:
        problems = [*chart_problems(), *base_problems(), *wrong_values(), *containerfile_problems()]
    for problem in problems:
        sys.stderr.write(f"{problem}\n")
    if not problems:
        sys.stdout.write(f"The chart ({', '.join(VALUES)}), the base and the Containerfile are right.\n")
    return 1 if problems else 0


def archive_problems(archive: str) -> Iterator[str]:
    """Yield where a packed chart makes something else than the folder."""
    for name, values in VALUES.items():
        if rendered(values, chart=archive) != rendered(values):
            yield f"{archive}, {name}: it makes something else than the folder"


def rendered(values: Mapping[str, Any], name: str = "vpsops", chart: str = CHART) -> list[dict[str, Any]]:
    """Return what the chart makes of values, as Helm does."""
    files = Chart.load(chart).render(dict(values), name=name, namespace="vpsops")
    texts = [text for path, text in files.items() if path.endswith(".yaml")]
    return [document for text in texts for document in yaml.safe_load_all(text) if document]


def chart_problems() -> Iterator[str]:
    """Yield what Kubernetes would refuse, and where the chart makes something else than the base."""
    for name, values in VALUES.items():
        yield from (f"chart, {name}: {problem}" for problem in refusals(rendered(values)))
    yield from (f"chart, other: {problem}" for problem in refusals(rendered({}, "other")))
    plain = {document["kind"]: simplified(document) for document in rendered({})}
    for kind, document in base_documents().items():
        if plain[kind]["spec"] != document["spec"]:
            yield f"the {kind} of the chart is not that of the base"
    hostile = next(doc for doc in rendered(VALUES["hostile words"]) if doc["kind"] == "ConfigMap")
    if hostile["data"]["vpsops.toml"] != VALUES["hostile words"]["config"]:
        yield "the chart changes the words of a configuration"


def base_problems() -> Iterator[str]:
    """Yield what Kubernetes would refuse of the base."""
    yield from (f"base: {problem}" for problem in refusals(list(base_documents().values())))


def base_documents() -> dict[str, dict[str, Any]]:
    """Return the base's manifests by kind, with what its kustomization adds."""
    kustomization = yaml.safe_load((BASE / "kustomization.yaml").read_text(encoding="utf-8"))
    (labels,) = (entry["pairs"] for entry in kustomization["labels"])
    (image,) = kustomization["images"]
    documents = [yaml.safe_load((BASE / name).read_text(encoding="utf-8")) for name in kustomization["resources"]]
    for document in documents:
        if document["kind"] == "Deployment":
            document["spec"]["selector"] = {"matchLabels": labels}
            document["spec"]["template"]["metadata"]["labels"] = labels
            document["spec"]["template"]["spec"]["containers"][0]["image"] += f":{image['newTag']}"
        if document["kind"] == "Service":
            document["spec"]["selector"] = labels
    return {document["kind"]: simplified(document) for document in documents}


def simplified(document: dict[str, Any]) -> dict[str, Any]:
    """Return a manifest without what Helm alone adds, its variables by name."""
    if document["kind"] == "Deployment":
        template = document["spec"]["template"]
        template["metadata"]["annotations"].pop("checksum/config", None)
        (container,) = template["spec"]["containers"]
        container["env"] = sorted(container["env"], key=lambda variable: str(variable["name"]))
        container.setdefault("imagePullPolicy", "IfNotPresent")
    return document


def refusals(documents: Sequence[dict[str, Any]]) -> Iterator[str]:
    """Yield why versions of Kubernetes would refuse manifests; an unknown field counts."""
    for version in VERSIONS:
        for document in documents:
            try:
                kubernetes_validate.validate(document, version, strict=True)
            except kubernetes_validate.ValidationError as error:
                yield f"{document['kind']} for {version}: {str(error)[:300]}"


def wrong_values() -> Iterator[str]:
    """Yield the wrong values that the chart takes."""
    for values in WRONG:
        try:
            Chart.load(CHART).validate_schema(dict(values))
        except HelmError:
            continue
        yield f"the chart takes {dict(values)}"


def containerfile_problems() -> Iterator[str]:
    """Yield what hadolint says."""
    command = [str(HADOLINT), "--failure-threshold", "style", str(PACKAGING / "container" / "Containerfile")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    yield from filter(None, done.stdout.splitlines())


if __name__ == "__main__":
    sys.exit(main())
