"""The methods and data sets of runs, and where the predictions of each are: by the manifests of results, unread."""

import logging
from collections.abc import Sequence
from typing import NamedTuple

from flows.reports.chosen_results import Choice, check_choice, chosen_runs
from storage import keys
from storage.errors import outdated
from storage.manifests import read_manifest
from storage.schemas import RESULTS
from storage.store import Store

log = logging.getLogger("dawin.report")


class Predicted(NamedTuple):
    """One method's predictions on one data set, as a run's results name them."""

    experiment: str
    run_id: str
    method: str
    dataset: str
    prefix: str
    logits: str
    """Type of the stored logits of the run, which decides the schema of outputs."""

    @property
    def digest(self) -> str:
        """The digest of the data set."""
        return next(part.removeprefix("dataset=") for part in self.prefix.split("/") if part.startswith("dataset="))


def predicted(
    store: Store, choice: Choice, *, runs: Sequence[tuple[str, str]] | None = None, warn: bool = False
) -> list[Predicted]:
    """Return the predictions of a choice, in the order of the results.

    Args:
        store: holds the results.
        choice: the runs, methods and data sets.
        runs: those of the choice, from `flows.reports.chosen_results.chosen_runs`; None: they are looked up.
        warn: whether to log a line for each run that is left out, since an earlier version of this program wrote it;
            `flows.reports.tables.results_of` logs the same line.

    Raises:
        ExperimentError: the choice names something that does not exist; the message lists what does.
        ObjectOutdated: an earlier version of this program wrote all results of the choice.
    """
    found, faults = [], []
    for name, own in chosen_runs(store, choice) if runs is None else runs:
        key = keys.results(name, own)
        manifest = read_manifest(store, key)
        if manifest.version < RESULTS.version:
            faults.append(outdated(store.address(key), RESULTS.name, manifest.version, RESULTS.version))
            continue
        places = manifest.identity["samples"]
        logits = str(manifest.identity["settings"].get("logits", "fp32"))
        found += [Predicted(name, own, method, dataset, prefix, logits) for method, dataset, prefix in places]
    if faults and not found:
        raise faults[0]
    for fault in faults if warn else ():
        log.warning("left out: %s", fault)
    check_choice(choice, list(dict.fromkeys(p.method for p in found)), list(dict.fromkeys(p.dataset for p in found)))
    return [p for p in found if choice.keeps_method(p.method) and choice.keeps_dataset(p.dataset)]
