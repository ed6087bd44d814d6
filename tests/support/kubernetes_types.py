"""Types of Kubernetes manifests, after the models of the official client's generator (`kubernetes_asyncio`)."""

import re
from collections.abc import Iterator

_QUANTITY = re.compile(r"\d+(\.\d+)?(m|k|[KMGTP]i?)?")
_PLAIN = {"str": str, "int": int, "float": (int, float), "bool": bool, "object": object, "datetime": str, "date": str}


def type_faults(manifest) -> list[str]:
    """Return the unknown, missing and mistyped fields of one manifest, each with its place."""
    from kubernetes_asyncio import client

    version, kind = manifest.get("apiVersion", ""), manifest.get("kind", "")
    names = [f"{group}{version.rpartition('/')[2].capitalize()}{kind}" for group in ("Rbac", "")]
    model = next((getattr(client, name) for name in names if hasattr(client, name)), None)
    if model is None:
        return [f"apiVersion {version}, kind {kind}: the client knows no such object"]
    known = api_version(model.__name__)
    if version not in known:
        return [f"kind {kind} has apiVersion {version}: wanted one of {sorted(known)}"]
    return list(_faults(manifest, model.__name__, kind))


def api_version(model: str) -> set[str]:
    """Return the values of `apiVersion` under which the client creates a model."""
    from kubernetes_asyncio import client

    kind, found = re.sub(r"^V\d\w*?(?=[A-Z])", "", model), set()
    plain = re.sub(r"(?<!^)(?=[A-Z])", "_", kind).lower()
    for name in dir(client):
        api = getattr(client, name)
        if not re.fullmatch(r"\w+V\d+Api", name):
            continue
        if any(hasattr(api, f"create{scope}_{plain}") for scope in ("", "_namespaced")):
            group, version = re.fullmatch(r"(\w+?)(V\d+)Api", name).groups()
            found.add(version.lower() if group == "Core" else f"{_GROUPS.get(group, group.lower())}/{version.lower()}")
    return found


_GROUPS = {"RbacAuthorization": "rbac.authorization.k8s.io", "Networking": "networking.k8s.io"}


def _faults(node, kind: str, place: str) -> Iterator[str]:
    if kind.startswith(("list[", "dict(")):
        yield from _collection_faults(node, kind, place)
    elif kind in _PLAIN:
        wrong = not isinstance(node, _PLAIN[kind]) or (isinstance(node, bool) and kind in ("int", "float"))
        if wrong:
            yield f"{place}: wanted {kind}, got {node!r}"
    else:
        yield from _object_faults(node, kind, place)


def _collection_faults(node, kind: str, place: str) -> Iterator[str]:
    items = kind[5:-1]
    if kind.startswith("list["):
        if not isinstance(node, list):
            yield f"{place}: wanted a list, got {node!r}"
            return
        for number, item in enumerate(node):
            yield from _faults(item, items, f"{place}[{number}]")
        return
    items = items.partition(",")[2].strip()
    if not isinstance(node, dict):
        yield f"{place}: wanted a mapping, got {node!r}"
        return
    for key, item in node.items():
        if place.endswith((".limits", ".requests")):  # the schema says text, and the server reads numbers too
            if not _QUANTITY.fullmatch(str(item)):
                yield f"{place}.{key}: wanted a quantity, got {item!r}"
        else:
            yield from _faults(item, items, f"{place}.{key}")


def _object_faults(node, kind: str, place: str) -> Iterator[str]:
    from kubernetes_asyncio import client

    model = getattr(client, kind)
    if not isinstance(node, dict):
        yield f"{place}: wanted fields, got {node!r}"
        return
    attributes = {field: name for name, field in model.attribute_map.items()}
    for field in node:
        if field not in attributes:
            yield f"{place}: {field} is no field; known: {', '.join(sorted(attributes))}"
    try:  # the models refuse missing fields, and values outside of a list
        model(**{attributes[field]: value for field, value in node.items() if field in attributes})
    except ValueError as error:
        yield f"{place}: {error}"
    for field, value in node.items():
        if field in attributes:
            yield from _faults(value, model.openapi_types[attributes[field]], f"{place}.{field}")
