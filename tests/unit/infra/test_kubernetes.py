"""The manifests and the job template of infra/kubernetes against the client's types and each other."""

import asyncio
import copy
import json
import uuid
from pathlib import Path

import pytest
import yaml
from image_file import command_faults, commands, copies
from kubernetes_links import link_faults, pod_faults
from kubernetes_types import type_faults

pytest.importorskip("kubernetes_asyncio", reason="the types of Kubernetes; prefect-kubernetes is not installed")

ROOT = Path(__file__).parents[3]
FOLDER = ROOT / "infra" / "kubernetes"
KUSTOMIZATION = yaml.safe_load((FOLDER / "kustomization.yaml").read_text())
TEXT = "\n---\n".join((FOLDER / name).read_text() for name in KUSTOMIZATION["resources"])
SECRETS = {"dawin": {"AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"}, "dawin-database": {"password"}}
"""The secrets that docs/workers.md asks for, with their keys."""


def manifests(text=TEXT):
    return list(yaml.safe_load_all(text))


def faults(text):
    found = [fault for manifest in manifests(text) for fault in type_faults(manifest)]
    return found or link_faults(manifests(text), SECRETS)


def job(**values):
    """The job that a worker of the pool makes of the template for a flow run."""
    from prefect.client.schemas.objects import FlowRun
    from prefect_kubernetes.worker import KubernetesWorkerJobConfiguration

    async def made():
        template = json.loads((FOLDER / "job-template.json").read_text())
        filled = await KubernetesWorkerJobConfiguration.from_template_and_values(template, values, client=object())
        filled.prepare_for_flow_run(FlowRun(id=uuid.uuid4(), name="extract one: a, b", flow_id=uuid.uuid4()))
        return filled.job_manifest

    return asyncio.run(made())


def job_faults(manifest):
    found = type_faults(manifest)
    return found or list(pod_faults(manifest["spec"]["template"]["spec"], [], [], SECRETS))


def test_the_manifests_have_no_fault():
    """Every field exists and has its type, and selectors, ports, volumes, secrets, accounts and resources fit."""
    assert faults(TEXT) == []


@pytest.mark.parametrize(
    ("old", "new", "fault"),
    [
        ("  replicas: 1\n  strategy", "  replica: 1\n  strategy", "Deployment.spec: replica is no field; known: min"),
        ("  replicas: 1\n  strategy", "  replicas: one\n  strategy", "Deployment.spec.replicas: wanted int, got 'one'"),
        ("  selector: {matchLabels: {app: server}}\n", "", "Deployment.spec: Invalid value for `selector`, must not"),
        ("image: postgres:17", "image: [postgres]", "containers[0].image: wanted str, got ['postgres']"),
        ("periodSeconds: 5, failure", "periodSeconds: 5s, failure", "startupProbe.periodSeconds: wanted int, got '5s'"),
        ("apiVersion: apps/v1", "apiVersion: v1", "kind StatefulSet has apiVersion v1: wanted one of ['apps/v1']"),
        ("kind: StatefulSet", "kind: StatefullSet", "the client knows no such object"),
        ("memory: 8Gi", "memory: 8 GiB", "limits.memory: wanted a quantity, got '8 GiB'"),
        ("value: prefect}", "value: 5}", "env[0].value: wanted str, got 5"),
        ("{matchLabels: {app: server}}", "{matchLabels: {app: api}}", "does not match its own pods, {'app': 'server'}"),
        ("  selector: {app: server}", "  selector: {app: api}", "server: selector {'app': 'api'} matches no pod"),
        ("targetPort: postgres", "targetPort: sql", "Service database: port sql is opened by no container"),
        ("containerPort: 5432", "containerPort: 5433, hostPort: 1", None),
        ("api/health, port: api}", "api/health, port: 80}", "container server: startupProbe: port 80 is not open"),
        ("          readinessProbe: {exec", "          livenessProbe: {exec", "opens a port and has no readinessProbe"),
        ("[{name: data, mount", "[{name: files, mount", "database: volume files is mounted and not defined"),
        ("[{name: data, mount", "[{name: files, mount", "database: volume data is defined and not mounted"),
        ("serviceName: database", "serviceName: data", "StatefulSet database: service data is not defined"),
        ("name: dawin-database, key: password}", "name: dawin-database, key: user}", "key user of secret dawin-d"),
        ("{secretRef: {name: dawin}}", "{secretRef: {name: aws}}", "container worker: secret aws is not documented"),
        ("{configMapRef: {name: dawin}}", "{configMapRef: {name: env}}", "setup: config map env is not defined"),
        ("serviceAccountName: dawin-worker", "serviceAccountName: worker", "service account worker is not defined"),
        ("kind: Role, name: dawin-worker", "kind: Role, name: worker", "RoleBinding dawin-worker: Role worker is not"),
        ("{kind: ServiceAccount, name: dawin-worker}", "{kind: ServiceAccount, name: x}", "ServiceAccount x is not"),
        ("limits: {memory: 8Gi}", "limits: {}", "Deployment server: container server: has no limit of memory"),
        ('requests: {cpu: "2", memory: 2Gi}', "requests: {memory: 2Gi}", "container server: requests no cpu"),
        (
            "valueFrom: {secretKeyRef: {name: dawin-database, key: password}}\n            - {name: PGDATA",
            "value: prefect\n            - {name: PGDATA",
            "container postgres: POSTGRES_PASSWORD: a password in the file",
        ),
    ],
)  # fmt: skip
def test_a_broken_copy_is_refused(old, new, fault):
    """Each change that a cluster would refuse, or accept and never make ready, is found; a harmless one is not."""
    assert old in TEXT
    found = faults(TEXT.replace(old, new, 1))
    assert (found == []) if fault is None else any(fault in line for line in found), found


def test_every_command_of_the_manifests_exists():
    """Prefect's commands take their options, and scripts lie in the image."""
    dockerfile = (ROOT / "infra" / "Dockerfile").read_text()
    workloads = [manifest for manifest in manifests() if "template" in manifest.get("spec", {})]
    found = [
        command
        for manifest in workloads
        for container in manifest["spec"]["template"]["spec"]["containers"]
        if container["image"].startswith("dawin-")
        for command in commands(container["args"])
    ]
    assert len(found) == 7
    for command in found:
        assert command_faults(command, ROOT) == []
        assert all(copies(dockerfile, word) for word in command if word.startswith("infra/"))


def test_the_image_names_are_those_of_the_kustomization():
    """Every image that the project builds gets its tag in one place, and the Dockerfile says how to build it."""
    images = {
        container["image"]
        for manifest in manifests()
        for container in manifest.get("spec", {}).get("template", {}).get("spec", {}).get("containers", ())
    }
    built = {image["name"] for image in KUSTOMIZATION["images"]}
    assert {image for image in images if image.startswith("dawin-")} == built
    assert all(":" in image for image in images - built)
    dockerfile = (ROOT / "infra" / "Dockerfile").read_text()
    assert all(f"-t {name} " in dockerfile for name in built | {"dawin-gpu"})


def test_the_documentation_names_every_secret_with_its_keys():
    """A user creates the secrets by hand, from the page on workers."""
    page = (ROOT / "docs" / "workers.md").read_text()
    for name, keys in SECRETS.items():
        assert f"secret generic {name} " in page
        assert all(f"--from-literal={key}=" in page for key in keys)


def test_the_worker_may_do_what_it_does():
    """The role covers the calls of Prefect's worker: jobs are created and deleted, pods are watched, logs are read."""
    [role] = [manifest for manifest in manifests() if manifest["kind"] == "Role"]
    allowed = {(resource, verb) for rule in role["rules"] for resource in rule["resources"] for verb in rule["verbs"]}
    assert {("jobs", verb) for verb in ("get", "list", "watch", "create", "delete")} <= allowed
    assert {("pods", "list"), ("pods", "watch"), ("pods/log", "get"), ("events", "list")} <= allowed


def test_the_job_of_a_flow_run_has_no_fault():
    """A job that a worker makes of the template fits the client's types, with the template's defaults and without."""
    assert job_faults(job()) == []
    variables = {"env": {"A": "b"}, "node_selector": {"nvidia.com/gpu.product": "H100"}, "cpu": "4", "memory": "8Gi"}
    assert job_faults(job(**variables)) == []


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        (lambda spec, pod, box: pod.update(parallelism=1), "template.spec: parallelism is no field; known: active"),
        (lambda spec, pod, box: spec.update(backoffLimit="0"), "Job.spec.backoffLimit: wanted int, got '0'"),
        (lambda spec, pod, box: spec.pop("template"), "Invalid value for `template`, must not be `None`"),
        (lambda spec, pod, box: box.pop("name"), "containers[0]: Invalid value for `name`, must not be `None`"),
        (lambda spec, pod, box: box["env"].append({"name": "A", "value": 1}), ".value: wanted str, got 1"),
        (lambda spec, pod, box: box["env"].append({"value": "1"}), "Invalid value for `name`, must not be `None`"),
        (lambda spec, pod, box: box.update(args="prefect"), "containers[0].args: wanted a list, got 'prefect'"),
        (lambda spec, pod, box: pod["volumes"].clear(), "volume shared-memory is mounted and not defined"),
        (lambda spec, pod, box: box["envFrom"].append({"secretRef": {"name": "x"}}), "secret x is not documented"),
        (lambda spec, pod, box: box["resources"]["limits"].update({"nvidia.com/gpu": "0.5"}), "wanted a whole number"),
        (lambda spec, pod, box: box["resources"]["requests"].update({"nvidia.com/gpu": 2}), "in the same number"),
        (lambda spec, pod, box: box["resources"]["limits"].pop("memory"), "has no limit of memory"),
    ],
)  # fmt: skip
def test_a_broken_job_is_refused(change, fault):
    """Each change of the job that a cluster would refuse, ignore or run without its resources is found."""
    broken = copy.deepcopy(job())
    pod = broken["spec"]["template"]["spec"]
    change(broken["spec"], pod, pod["containers"][0])
    found = job_faults(broken)
    assert any(fault in line for line in found), found
