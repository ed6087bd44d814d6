"""The content of a store: experiments, runs, and the objects of each table; by names and manifests alone."""

from datetime import datetime

from flows.reports.store_models import StoredExperiment, StoreDocument, StoredRun, StoredTable
from flows.reports.text_tables import human_bytes, text_table
from storage import keys
from storage.errors import ManifestInvalid, ObjectMissing
from storage.inspection import current_version
from storage.manifests import Manifest, read_manifest
from storage.pointers import latest_run
from storage.schemas import RESULTS, TABLES
from storage.store import Store
from storage.stored import Stored

_REMEDY = "`dawin run EXPERIMENT` writes them again"


def store_contents(store: Store) -> StoreDocument:
    """Return the content of a store; this costs one listing, and reads one manifest for each run.

    Args:
        store: the store.
    """
    listing = store.listing()
    runs: dict[str, list[str]] = {}
    for key in listing:
        if keys.is_results(key) and keys.manifest(key) in listing:
            runs.setdefault(keys.experiment_of(key), []).append(key)
    tables = _tables(listing)
    return StoreDocument(
        store=store.url,
        experiments=[_experiment(store, name, own) for name, own in sorted(runs.items())],
        tables=tables,
        objects=sum(table.objects for table in tables),
        bytes=sum(stored.size for stored in listing.values()),
    )


def _experiment(store: Store, name: str, own: list[str]) -> StoredExperiment:
    latest = latest_run(store, name)
    found = [_run(keys.run_of(key), _manifest(store, key), latest) for key in own]
    return StoredExperiment(name=name, runs=sorted(found, key=lambda run: (str(run.created_at), run.run_id)))


def _run(run_id: str, manifest: Manifest | None, latest: str) -> StoredRun:
    identity = manifest.identity if manifest else {}
    listed = identity.get("samples") or [str(cell).rsplit(" on ", 1) for cell in identity.get("predictions", ())]
    pairs = [(method, dataset) for method, dataset, *_ in listed]
    return StoredRun(
        run_id=run_id,
        created_at=datetime.fromisoformat(manifest.created_at) if manifest else None,
        is_latest=run_id == latest,
        is_outdated=manifest is not None and manifest.version < RESULTS.version,
        datasets=list(dict.fromkeys(dataset for _, dataset in pairs)),
        methods=list(dict.fromkeys(method for method, _ in pairs)),
    )


def _manifest(store: Store, key: str) -> Manifest | None:
    """Return the manifest of a run's results; None if it is damaged, or was deleted after the listing."""
    try:
        return read_manifest(store, key)
    except (ManifestInvalid, ObjectMissing):
        return None


def _tables(listing: dict[str, Stored]) -> list[StoredTable]:
    """Count the objects by table: tables in the order of their documentation, then the other folders by name."""
    found: dict[str, list[tuple[int, bool]]] = {}
    for key, stored in listing.items():
        name, _, rest = key.partition("/")
        if not rest or key.endswith(keys.MANIFEST_SUFFIX):
            continue
        has_manifest = keys.is_table(key) or key.endswith(".safetensors")
        unfinished = bool(current_version(name)) and has_manifest and keys.manifest(key) not in listing
        found.setdefault(name, []).append((stored.size, unfinished))
    order = list(dict.fromkeys(["results", "comparisons", *TABLES]))
    names = sorted(found, key=lambda name: (order.index(name) if name in order else len(order), name))
    return [
        StoredTable(
            name=name,
            objects=len(found[name]),
            bytes=sum(size for size, _ in found[name]),
            unfinished=sum(unfinished for _, unfinished in found[name]),
        )
        for name in names
    ]


def contents_text(contents: StoreDocument, width: int) -> str:
    """Return the content of a store as text: a table of runs, and one of objects.

    Args:
        contents: the content.
        width: columns of the terminal; lists of methods and data sets are cut to it.
    """
    lines = [contents.store, ""]
    rows = [
        [
            name.name if i == 0 else "",
            run.run_id + (" *" if run.is_latest else "") + (" †" if run.is_outdated else ""),
            f"{run.created_at:%Y-%m-%d %H:%M}" if run.created_at else "unknown",
            str(len(run.methods)),
            ", ".join(run.datasets) or "–",
        ]
        for name in contents.experiments
        for i, run in enumerate(name.runs)
    ]
    if rows:
        lines += text_table(
            ["experiment", "run", "written (UTC)", "methods", "data sets"], rows, right={3}, width=width
        )
        lines += ["", "*: the latest run, which `dawin results` shows"]
        if any(run.is_outdated for name in contents.experiments for run in name.runs):
            lines.append(
                "†: results of an earlier dawin, which no command shows; `dawin run EXPERIMENT` writes them again"
            )
        lines.append("")
    else:
        lines += ["no results yet; `dawin run EXPERIMENT.yaml` or `dawin quickstart`", ""]
    objects = [
        [
            one.name,
            f"{one.objects:,}",
            human_bytes(one.bytes),
            f"{one.unfinished:,} unfinished" if one.unfinished else "",
        ]
        for one in contents.tables
    ]
    objects.append(["in all", f"{contents.objects:,}", human_bytes(contents.bytes), "with manifests"])
    return "\n".join([*lines, *text_table(["table", "objects", "size", ""], objects, right={1, 2}, width=width)])
