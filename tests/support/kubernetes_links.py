"""References inside a set of Kubernetes manifests: selectors, ports, volumes, secrets, accounts, resources."""

import re
from collections.abc import Iterator, Mapping

PASSWORD = re.compile(r"(?i)(password|secret|token)")
_WORKLOADS = ("Deployment", "StatefulSet", "Job")


def link_faults(manifests, secrets: Mapping[str, set[str]]) -> list[str]:
    """Return the faults of manifests that are created together.

    Args:
        manifests: objects as a YAML file holds them.
        secrets: keys of each secret that the documentation asks for, by name.
    """
    found = []
    for manifest in manifests:
        name = f"{manifest['kind']} {manifest['metadata'].get('name', 'without a name')}"
        check = _CHECKS.get(manifest["kind"], lambda *_: ())
        found += [f"{name}: {fault}" for fault in check(manifest, manifests)]
        if manifest["kind"] in _WORKLOADS:
            pod = manifest["spec"]["template"]["spec"]
            claims = [claim["metadata"]["name"] for claim in manifest["spec"].get("volumeClaimTemplates", ())]
            found += [f"{name}: {fault}" for fault in pod_faults(pod, claims, manifests, secrets)]
    return found


def pod_faults(pod, claims, manifests, secrets) -> Iterator[str]:
    """Yield the faults of the containers of a pod."""
    volumes = {volume["name"] for volume in pod.get("volumes", ())} | set(claims)
    mounted = {mount["name"] for container in pod["containers"] for mount in container.get("volumeMounts", ())}
    yield from (f"volume {name} is mounted and not defined" for name in sorted(mounted - volumes))
    yield from (f"volume {name} is defined and not mounted" for name in sorted(volumes - mounted))
    for volume in pod.get("volumes", ()):
        if (source := volume.get("configMap")) and source["name"] not in _names(manifests, "ConfigMap"):
            yield f"config map {source['name']} is not defined"
        if (source := volume.get("secret")) and source["secretName"] not in secrets:
            yield f"secret {source['secretName']} is not documented"
    account = pod.get("serviceAccountName")
    if account and account not in _names(manifests, "ServiceAccount"):
        yield f"service account {account} is not defined"
    for container in pod["containers"]:
        yield from (f"container {container['name']}: {fault}" for fault in _environment(container, manifests, secrets))
        yield from (f"container {container['name']}: {fault}" for fault in _probes(container))
        yield from (f"container {container['name']}: {fault}" for fault in _resources(container))


def _names(manifests, kind: str) -> set[str]:
    return {manifest["metadata"]["name"] for manifest in manifests if manifest["kind"] == kind}


def _environment(container, manifests, secrets) -> Iterator[str]:
    for source in container.get("envFrom", ()):
        if (secret := source.get("secretRef")) and secret["name"] not in secrets:
            yield f"secret {secret['name']} is not documented"
        if (config := source.get("configMapRef")) and config["name"] not in _names(manifests, "ConfigMap"):
            yield f"config map {config['name']} is not defined"
    for variable in container.get("env", ()):
        secret = variable.get("valueFrom", {}).get("secretKeyRef")
        if secret and secret["key"] not in secrets.get(secret["name"], ()):
            yield f"{variable['name']}: key {secret['key']} of secret {secret['name']} is not documented"
        if PASSWORD.search(variable["name"]) and "value" in variable:
            yield f"{variable['name']}: a password in the file"


def _ports(container) -> set[object]:
    """Return the ports that a container opens, by number and by name."""
    ports = container.get("ports", ())
    return {port["containerPort"] for port in ports} | {port["name"] for port in ports if "name" in port}


def _probes(container) -> Iterator[str]:
    if container.get("ports") and "readinessProbe" not in container:
        yield "opens a port and has no readinessProbe: a service would send it requests before it answers"
    for kind in ("readinessProbe", "livenessProbe", "startupProbe"):
        for how in ("httpGet", "tcpSocket"):
            port = container.get(kind, {}).get(how, {}).get("port")
            if port is not None and port not in _ports(container):
                yield f"{kind}: port {port} is not open"


def _resources(container) -> Iterator[str]:
    limits, requests = (container.get("resources", {}).get(kind, {}) for kind in ("limits", "requests"))
    yield from (f"requests no {kind}" for kind in ("cpu", "memory") if kind not in requests)
    if "memory" not in limits:
        yield "has no limit of memory"
    for kind in {*limits, *requests}:
        if "/" not in kind:
            continue
        if kind not in limits or requests.get(kind, limits[kind]) != limits[kind]:
            yield f"{kind}: devices are limited, and requested in the same number"
        elif not str(limits[kind]).isdecimal():
            yield f"{kind}: wanted a whole number, got {limits[kind]}"


def _workload(manifest, manifests) -> Iterator[str]:
    labels = manifest["spec"]["template"].get("metadata", {}).get("labels", {})
    wanted = manifest["spec"]["selector"].get("matchLabels", {})
    if not wanted.items() <= labels.items():
        yield f"selector {wanted} does not match its own pods, {labels}"
    service = manifest["spec"].get("serviceName")
    if service and service not in _names(manifests, "Service"):
        yield f"service {service} is not defined"


def _service(manifest, manifests) -> Iterator[str]:
    spec = manifest["spec"]
    pods = [other["spec"]["template"] for other in manifests if other["kind"] in _WORKLOADS]
    chosen = [pod for pod in pods if spec["selector"].items() <= pod.get("metadata", {}).get("labels", {}).items()]
    if not chosen:
        yield f"selector {spec['selector']} matches no pod"
    for port in spec["ports"]:
        target = port.get("targetPort", port["port"])
        if chosen and not any(target in _ports(container) for pod in chosen for container in pod["spec"]["containers"]):
            yield f"port {target} is opened by no container"


def _binding(manifest, manifests) -> Iterator[str]:
    role = manifest["roleRef"]
    if role["name"] not in _names(manifests, role["kind"]):
        yield f"{role['kind']} {role['name']} is not defined"
    for subject in manifest["subjects"]:
        if subject["name"] not in _names(manifests, subject["kind"]):
            yield f"{subject['kind']} {subject['name']} is not defined"


_CHECKS = {
    "Deployment": _workload,
    "StatefulSet": _workload,
    "Service": _service,
    "RoleBinding": _binding,
    "ClusterRoleBinding": _binding,
}
