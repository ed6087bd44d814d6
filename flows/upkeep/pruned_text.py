"""What pruning removed, as a document for programs and as text."""

from collections.abc import Iterable

from flows.reports.store_models import NamedRun, PruneDocument, PrunedTable
from flows.reports.text_tables import human_bytes, text_table
from flows.upkeep.prune import Pruned

_MOST_RUNS = 10  # that the text names


def pruned_document(pruned: Pruned, store: str, *, dry: bool) -> PruneDocument:
    """Return what a call of `prune` removed, or would remove.

    Args:
        pruned: the outcome.
        store: address of the store.
        dry: whether nothing was removed.
    """
    tables: dict[str, list[int]] = {}
    removed, freed = set(pruned.removed), pruned.stripped
    for key, item in pruned.before.items():
        folder, _, rest = key.partition("/")
        row = tables.setdefault(folder if rest else "(other files)", [0, 0, 0, 0])
        gone = key in removed
        row[0] += 1
        row[1] += item.size
        row[2] += gone
        row[3] += item.size if gone else freed.get(key, 0)
    before, lost = (sum(row[i] for row in tables.values()) for i in (1, 3))
    return PruneDocument(
        store=store,
        is_dry_run=dry,
        runs_removed=_named(pruned.runs),
        runs_kept=len(pruned.kept.runs),
        runs_in_progress=_named(pruned.kept.in_progress),
        tables=[
            PrunedTable(name=n, objects_before=r[0], bytes_before=r[1], objects_removed=r[2], bytes_removed=r[3])
            for n, r in sorted(tables.items())
        ],
        objects_stripped=sum(size > 0 for size in freed.values()),
        uploads_aborted=len(pruned.uploads),
        bytes_before=before,
        bytes_after=before - lost,
    )


def pruned_text(document: PruneDocument, width: int) -> str:
    """Return what pruning removed as text: a table of folders, the runs, and the rule.

    Args:
        document: what went.
        width: columns of the terminal.
    """
    rows = [
        [
            one.name,
            f"{one.objects_before:,}",
            human_bytes(one.bytes_before),
            f"{one.objects_removed:,}" if one.objects_removed else "–",
            human_bytes(one.bytes_removed) if one.bytes_removed else "–",
            human_bytes(one.bytes_before - one.bytes_removed),
        ]
        for one in document.tables
    ]
    counts = [sum(one.objects_before for one in document.tables), sum(one.objects_removed for one in document.tables)]
    freed = document.bytes_before - document.bytes_after
    sizes = [human_bytes(size) for size in (document.bytes_before, freed, document.bytes_after)]
    sizes[1] = sizes[1] if freed else "–"
    rows.append(["in all", f"{counts[0]:,}", sizes[0], f"{counts[1]:,}" if counts[1] else "–", sizes[1], sizes[2]])
    head = ["folder", "files", "size", "would go" if document.is_dry_run else "gone", "size", "left"]
    lines = [document.store, "", *text_table(head, rows, right={1, 2, 3, 4, 5}, width=width), ""]
    will = "would go" if document.is_dry_run else "went"
    if document.objects_stripped:
        lines.append(f"logits of {document.objects_stripped:,} objects of outputs {will}")
    if document.uploads_aborted:
        lines.append(f"{document.uploads_aborted:,} unfinished uploads {will}")
    if document.runs_removed:
        lines.append(f"runs that {will}: {_listed(document.runs_removed)}")
    lines.append(f"kept: what the results of {_counted(document.runs_kept)} need")
    if document.runs_in_progress:
        lines.append(f"      what runs started within a week may need: {_listed(document.runs_in_progress)}")
    lines.append("      everything written in the last hour")
    if document.is_dry_run:
        lines.append("nothing was removed; the same command without --dry-run removes it")
    return "\n".join(line if len(line) <= width else f"{line[: width - 1]}…" for line in lines)


def _counted(runs: int) -> str:
    return "1 run" if runs == 1 else f"{runs:,} runs"


def _listed(runs: list[NamedRun]) -> str:
    names = [f"{run.experiment} {run.run_id}" for run in runs]
    more = f" and {len(names) - _MOST_RUNS:,} more" if len(names) > _MOST_RUNS else ""
    return ", ".join(names[:_MOST_RUNS]) + more


def _named(runs: Iterable[tuple[str, str]]) -> list[NamedRun]:
    return [NamedRun(experiment=experiment, run_id=run_id) for experiment, run_id in sorted(runs)]
