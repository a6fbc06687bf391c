"""Manifests, compose file and image are what their schemas and the `shoal` command understand."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import attrs
import pytest

from server.cli import build_app
from server.cluster.nats.settings import EngineSettings
from server.net.forwarded import TrustedProxies
from server.net.health import METRICS
from server.settings import Settings
from tests.deploy.needs import need

ROOT = Path(__file__).parents[2]
DEPLOY = ROOT / "deploy"
KUBERNETES = sorted((DEPLOY / "kubernetes").glob("*.yaml"))
VERSIONS = ("1.30", "1.34")  # an old one that is still about, and a newer one

Resource = dict[str, Any]


@pytest.fixture(autouse=True)
def _needs() -> None:
    need(modules=("kubernetes_validate", "compose_spec", "yaml"), extra="deploy")


def resources() -> Iterator[Resource]:
    import yaml  # noqa: PLC0415 - of an extra

    for path in KUBERNETES:
        yield from yaml.safe_load_all(path.read_text())


def one(kind: str, name: str) -> Resource:
    (found,) = (
        each for each in resources() if (each["kind"], each["metadata"]["name"]) == (kind, name)
    )
    return found


def pod_of(workload: Resource) -> Resource:
    return workload["spec"]["template"]["spec"]


def compose() -> Resource:
    """The compose file with its variable filled in, as `docker compose` does it."""
    import yaml  # noqa: PLC0415 - of an extra

    text = (DEPLOY / "compose.yaml").read_text()
    return yaml.safe_load(re.sub(r"\$\{SHOAL_CERTIFICATE:\?[^}]*\}", "/etc/ssl/play.pem", text))


# --- schemas -------------------------------------------------------------------------------------


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("path", KUBERNETES, ids=lambda path: path.stem)
def test_kubernetes_knows_every_field(path: Path, version: str) -> None:
    import kubernetes_validate  # noqa: PLC0415 - of an extra
    import yaml  # noqa: PLC0415 - of an extra

    for resource in yaml.safe_load_all(path.read_text()):
        kubernetes_validate.validate(resource, version, strict=True)


def test_the_checker_would_notice() -> None:
    import kubernetes_validate  # noqa: PLC0415 - of an extra

    deployment = one("Deployment", "shoal-gateway")
    pod_of(deployment)["terminationGraceSeconds"] = 90
    with pytest.raises(kubernetes_validate.ValidationError):
        kubernetes_validate.validate(deployment, VERSIONS[0], strict=True)


def test_compose_knows_every_field() -> None:
    import yaml  # noqa: PLC0415 - of an extra
    from compose_spec import PyCompose  # noqa: PLC0415 - of an extra

    # Anchors and merges are YAML's affair, not the schema's: they are resolved first.
    composed = PyCompose.from_yaml(yaml.safe_dump(compose()))
    composed.validate()
    assert set(composed.service_names()) == {"nats", "node", "gateway-1", "gateway-2", "haproxy"}
    with pytest.raises(ValueError, match="stop_grace"):
        PyCompose.from_yaml("services: {a: {image: b, stop_grace: 3s}}")


# --- what the shoal command makes of it ----------------------------------------------------------


def known_variables() -> set[str]:
    names = {f"SHOAL_{field.name.upper()}" for field in attrs.fields(Settings)}
    for field in attrs.fields(EngineSettings):
        (flag,) = re.findall(r"--([\w-]+)", repr(field.type.__metadata__[0].name))
        names.add(f"SHOAL_{flag.upper().replace('-', '_')}")
    return names


def roles() -> Iterator[tuple[str, list[str], dict[str, str]]]:
    """Name, arguments and environment of every container that runs `shoal`."""
    for kind, name in (("StatefulSet", "shoal-node"), ("Deployment", "shoal-gateway")):
        (container,) = pod_of(one(kind, name))["containers"]
        assert container["envFrom"] == [{"configMapRef": {"name": "shoal"}}]
        own = {each["name"]: each["value"] for each in container.get("env", ()) if "value" in each}
        arguments = [word.replace("$(POD_NAME)", f"{name}-0") for word in container["args"]]
        yield name, arguments, {**one("ConfigMap", "shoal")["data"], **own}
    for name, service in compose()["services"].items():
        if service["image"].startswith("shoal:"):
            yield f"compose {name}", service["command"], service["environment"]


def parse(
    monkeypatch: pytest.MonkeyPatch, arguments: list[str], environment: dict[str, str]
) -> dict[str, Any]:
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    _, bound, _ = build_app().parse_args(arguments, exit_on_error=False, print_error=False)
    return bound.arguments


def test_every_role_is_started_with_settings_that_there_are(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    seen = []
    for name, arguments, environment in roles():
        with monkeypatch.context() as patch:
            assert set(environment) <= known_variables(), f"{name}: of these one is not known"
            parsed = parse(patch, arguments, environment)
            assert parsed["engine"].urls == ("nats://nats:4222",)
            assert parsed["settings"].world == "main"
            if arguments[0] == "gateway":
                (network,) = parsed["settings"].trusted_proxies
                TrustedProxies([network])
                assert parsed["settings"].origins == ("https://play.example.org",)
                assert parsed["settings"].drain_wait_s > 0
            if not name.startswith("compose gateway"):
                assert parsed["health_port"] == 8641
            seen.append(name)
    assert len(seen) == 5


def test_nobody_is_killed_while_draining(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, arguments, environment in roles():
        if arguments[0] != "gateway":
            continue
        with monkeypatch.context() as patch:
            settings = parse(patch, arguments, environment)["settings"]
        takes_s = settings.drain_wait_s + settings.drain_s
        if name.startswith("compose"):
            text = compose()["services"][name.split()[1]]["stop_grace_period"]
            grace_s = float(text.removesuffix("s"))
        else:
            pod = pod_of(one("Deployment", name))
            grace_s = pod["terminationGracePeriodSeconds"]
            probe = pod["containers"][0]["livenessProbe"]
            assert probe["periodSeconds"] * probe["failureThreshold"] > takes_s
        assert grace_s > takes_s, name


# --- what belongs together -----------------------------------------------------------------------


def test_selectors_select_and_ports_have_names() -> None:
    for name, kind in (("shoal-node", "StatefulSet"), ("shoal-gateway", "Deployment")):
        workload = one(kind, name)
        labels = workload["spec"]["template"]["metadata"]["labels"].items()
        selectors = [
            workload["spec"]["selector"]["matchLabels"],
            one("PodDisruptionBudget", name)["spec"]["selector"]["matchLabels"],
            one("Service", name)["spec"]["selector"],
        ]
        assert all(selector.items() <= labels for selector in selectors)
        (container,) = pod_of(workload)["containers"]
        ports = {port["name"] for port in container["ports"]}
        probes = [container[f"{probe}Probe"] for probe in ("startup", "liveness", "readiness")]
        asked = "game" if kind == "Deployment" else "health"
        assert {probe["httpGet"]["port"] for probe in probes} == {asked} <= ports
        assert [probe["httpGet"]["path"] for probe in probes] == ["/healthz", "/healthz", "/readyz"]
        assert {port["targetPort"] for port in one("Service", name)["spec"]["ports"]} == {asked}
        assert {"requests", "limits"} <= container["resources"].keys()
    scaled = one("HorizontalPodAutoscaler", "shoal-gateway")["spec"]["scaleTargetRef"]
    assert one(scaled["kind"], scaled["name"])["apiVersion"] == scaled["apiVersion"]
    assert "replicas" not in one("Deployment", "shoal-gateway")["spec"], "the autoscaler's affair"
    (rule,) = one("Ingress", "shoal")["spec"]["rules"]
    backend = rule["http"]["paths"][0]["backend"]["service"]
    assert backend["port"]["name"] in {
        port["name"] for port in one("Service", backend["name"])["spec"]["ports"]
    }


def test_what_is_scraped_and_scaled_by_is_told() -> None:
    pytest.importorskip("prometheus_client", reason="numbers want the extra 'cluster'")
    from server.gateway.config import GatewayStatistics  # noqa: PLC0415 - the extra is there
    from server.roles.numbers import gateway_numbers  # noqa: PLC0415 - the extra is there

    for name, kind in (("shoal-node", "StatefulSet"), ("shoal-gateway", "Deployment")):
        template = one(kind, name)["spec"]["template"]
        (container,) = template["spec"]["containers"]
        ports = {port["name"]: port["containerPort"] for port in container["ports"]}
        assert template["metadata"]["annotations"] == {
            "prometheus.io/scrape": "true",
            "prometheus.io/port": str(ports["health"]),
            "prometheus.io/path": METRICS,
        }
    nothing = GatewayStatistics(**dict.fromkeys(attrs.fields_dict(GatewayStatistics), 0))
    told = {number.name for number in gateway_numbers(nothing, 1)}
    metrics = one("HorizontalPodAutoscaler", "shoal-gateway")["spec"]["metrics"]
    wanted = {each["pods"]["metric"]["name"] for each in metrics if each["type"] == "Pods"}
    assert wanted
    assert wanted <= told


def test_the_image_is_made_of_files_that_there_are() -> None:
    text = (DEPLOY / "Containerfile").read_text()
    copied = [
        word
        for line in re.findall(r"^COPY (?!--)(.*)$", text, re.MULTILINE)
        for word in line.split()[:-1]
    ]
    assert copied
    assert all((ROOT / path).exists() for path in copied)
    let_in = (DEPLOY / "Containerfile.dockerignore").read_text().splitlines()
    assert {f"!{path.rstrip('/')}" for path in copied} <= set(let_in)
    packages = re.search(
        r"^packages = (\[.*\])$", (ROOT / "pyproject.toml").read_text(), re.MULTILINE
    )
    assert packages is not None
    assert {f"{name}/" for name in re.findall(r'"(\w+)"', packages[1])} <= set(copied)


def test_nats_is_given_what_our_engine_asks_of_it() -> None:
    import yaml  # noqa: PLC0415 - of an extra

    values = yaml.safe_load((DEPLOY / "nats/values.yaml").read_text())
    config = values["config"]
    replicas = one("ConfigMap", "shoal")["data"]["SHOAL_ENGINE_REPLICAS"]
    assert config["cluster"] == {"enabled": True, "replicas": int(replicas)}
    assert config["jetstream"]["fileStore"]["pvc"]["enabled"]
    assert config["jetstream"]["merge"]["sync_interval"] == "always"


KEYS = (
    "kubernetes.io",
    "k8s.io",
    "haproxy.org",
    "prometheus.io",
)  # prefixes of keys, which name no host


def test_only_example_hosts_are_named() -> None:
    for path in filter(Path.is_file, DEPLOY.rglob("*")):
        hosts = re.findall(r"\b(?:[\w-]+\.)+(?:com|net|org|io|dev)\b", path.read_text())
        strangers = {host for host in hosts if not host.endswith(("example.org", *KEYS))}
        assert not strangers, f"{path.name} names {strangers}"
