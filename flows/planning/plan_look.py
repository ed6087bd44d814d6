"""The tables of a plan that a store holds at one moment."""

from collections.abc import Sequence

from flows.planning.needed_logits import Reader, note_of, readers_of_logits, touching
from storage import keys
from storage.known_manifests import leave_manifests, recall_manifests
from storage.look import Listing, Look
from storage.soundness import counts_as_missing, missing_spans, states
from storage.spans import Span
from storage.store import Store
from tasks.opening.former_outputs import former_spans
from tasks.references.coefficients import BinsReference, CoefficientsReference, MixtureReference
from tasks.references.names import NamesReference
from tasks.references.outputs import OutputsReference
from tasks.references.predictions import EnsembleReference, MergeReference
from tasks.references.results import RunRecord

Table = OutputsReference | CoefficientsReference | MixtureReference | BinsReference | MergeReference | EnsembleReference


class PlanLook:
    """One look at the tables of a plan, shared by all questions about them.

    Args:
        store: holds the tables.
        record: the run, whose results the store may hold.
        outputs: all outputs of the plan.
        tables: all other tables.
        all_logits: whether all outputs need their logits; otherwise those do that a missing table is computed from.
    """

    def __init__(
        self,
        store: Store,
        record: RunRecord,
        outputs: Sequence[OutputsReference],
        tables: Sequence[Table],
        *,
        all_logits: bool = False,
    ) -> None:
        self._store, self._record = store, record
        self._look = Look(store)
        self._moment, self._missing = self._look.moment, dict[str, list[Span]]()
        self._look.expect([_folder(record.key), *(_folder(one.prefix) for one in outputs)])
        self._look.expect(one.prefix for one in tables)
        self._mixtures = [one for one in tables if isinstance(one, MixtureReference)]
        self._look.expect(_folder(one.components_key) for one in self._mixtures)
        self._tables = [*outputs, *tables]
        self._all_logits, self._readers = all_logits, readers_of_logits(tables)
        self._readers_of = dict[str, list[Reader]]()
        for reader in self._readers:
            for one in reader.outputs:
                self._readers_of.setdefault(one.prefix, []).append(reader)
        self._has_recalled = False

    def leave_manifests(self) -> None:
        """Write what this process knows of the plan's objects on S3, so that a later one reads one object for all."""
        found = [keys.samples(one.prefix, span) for one in self._tables for span in one.dataset.spans]
        found += [mixture.components_key for mixture in self._mixtures]
        names = {one.dataset.digest: NamesReference(of=one.dataset) for one in self._tables}
        found += [keys.samples(one.prefix, span) for one in names.values() for span in one.dataset.spans]
        leave_manifests(self._store, keys.known_manifests(self._record.run_id), [*found, self._record.key])

    def _listing(self, folder: str) -> Listing:
        """Return a listing of a folder; before the first one is used, recall the manifests that a run left."""
        found = self._look.listing(folder)
        self.recall_manifests()
        return found

    def recall_manifests(self) -> None:
        """Recall the manifests that a run of the same plan left, once."""
        where = keys.known_manifests(self._record.run_id)
        if not self._has_recalled and not self._look.is_known_absent(where):
            recall_manifests(self._store, where)
        self._has_recalled = True

    def renew(self) -> None:
        """Forget the answers: other processes have written or deleted tables."""
        self._look.renew()

    @property
    def has_results(self) -> bool:
        """Whether the store holds the run's results, sound."""
        key = self._record.key
        found = states(self._store, _folder(key), contents=True, only=(key,), listing=self._listing(_folder(key)))
        return key in found and not counts_as_missing(found[key])

    def missing(self, reference: Table) -> list[Span]:
        """Return the spans of a table that are not in the store."""
        if self._moment != self._look.moment:
            self._moment, self._missing = self._look.moment, {}
        if reference.prefix not in self._missing:
            self._missing[reference.prefix] = self._asked(reference)
        return self._missing[reference.prefix]

    def _asked(self, reference: Table) -> list[Span]:
        spans = reference.dataset.spans
        listing = self._listing(reference.prefix)
        needed = self.logits(reference) if isinstance(reference, OutputsReference) else ()
        missing = missing_spans(self._store, reference.prefix, spans, listing=listing, vectors=needed)
        if isinstance(reference, MixtureReference) and self.damaged([reference.components_key]).get(
            reference.components_key, True
        ):
            return spans
        return missing

    def logits(self, reference: OutputsReference) -> list[Span]:
        """Return the spans of outputs whose logits are needed."""
        spans = reference.dataset.spans
        if self._all_logits:
            return spans
        readers = self._readers_of.get(reference.prefix, ())
        return touching(spans, [span for reader in readers for span in self.missing(reader.table)])

    def notes(self) -> list[str]:
        """Return a note for each data set with outputs that are computed again because they are without logits."""
        found = []
        for dataset in {reader.table.dataset.name: reader.table.dataset for reader in self._readers}.values():
            mine = [r for r in self._readers if r.table.dataset == dataset and self.missing(r.table)]
            again = {o: self._stripped(o) for o in {o.prefix: o for r in mine for o in r.outputs}.values()}
            again = {o: spans for o, spans in again.items() if spans}
            if again:
                passes = sum(span.length for spans in again.values() for span in spans)
                subjects = [r.subject for r in mine if any(o in again for o in r.outputs)]
                found.append(note_of(dataset.name, [o.model.name for o in again], subjects, passes))
        return found

    def _stripped(self, reference: OutputsReference) -> list[Span]:
        """Return the spans that the store holds without their logits, which are needed."""
        missing, listing = self.missing(reference), self._listing(reference.prefix)
        without = missing_spans(self._store, reference.prefix, missing, listing=listing)
        return [span for span in missing if span not in without]

    def former(self, reference: OutputsReference) -> list[Span]:
        """Return the missing spans of outputs that the store holds in the form of an earlier version."""
        of_weights = _folder(reference.prefix)
        others = self._look.names(of_weights) - {reference.prefix.rpartition("/")[2]}
        missing = self.missing(reference) if others else []
        return former_spans(reference, missing, self._store, listing=self._listing(of_weights)) if missing else []

    def damaged(self, objects: Sequence[str]) -> dict[str, bool]:
        """Return whether each committed object of some keys is damaged."""
        found = dict[str, bool]()
        self._look.expect(map(_folder, objects))
        for key in objects:
            own = states(self._store, "", only=(key,), listing=self._listing(_folder(key)))
            found |= {key: counts_as_missing(error) for key, error in own.items()}
        return found


def _folder(key: str) -> str:
    return key.rpartition("/")[0]
