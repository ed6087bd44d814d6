"""The JSON documents of the commands about a store: its content, its faults, and what pruning removed."""

from datetime import datetime

from flows.reports.json_document import Document


class StoredRun(Document):
    """A run whose results are in a store."""

    run_id: str
    """Identifier of the run."""
    created_at: datetime | None
    """When its results were written, UTC; null where their manifest cannot be read."""
    is_latest: bool
    """Whether it is the run that commands show by default."""
    is_outdated: bool
    """Whether an earlier version of dawin wrote its results, so that no command reads them until it runs again."""
    datasets: list[str]
    """Names of its data sets."""
    methods: list[str]
    """Names of its methods."""


class StoredExperiment(Document):
    """An experiment with results in a store."""

    name: str
    """Name of the experiment."""
    runs: list[StoredRun]
    """Its runs, the oldest first."""


class StoredTable(Document):
    """A kind of object in a store."""

    name: str
    """Name of the table, or of the folder."""
    objects: int
    """Number of objects; manifests are not counted."""
    bytes: int
    """Size of the objects, without their manifests."""
    unfinished: int
    """Objects among them without a manifest: a run that was interrupted left them, or one is writing them now."""


class StoreDocument(Document):
    """`dawin store list --json`: the content of a store."""

    store: str
    """Address of the store."""
    experiments: list[StoredExperiment]
    """The experiments with results, by name."""
    tables: list[StoredTable]
    """Everything that the store holds, by table."""
    objects: int
    """Number of all objects."""
    bytes: int
    """Size of all objects and of their manifests."""


class PrunedTable(Document):
    """A folder of a store, before and after."""

    name: str
    """Name of the table, or of the folder."""
    objects_before: int
    """Number of files before, manifests included."""
    bytes_before: int
    """Their size."""
    objects_removed: int
    """Number of files that went."""
    bytes_removed: int
    """Their size, and what objects became smaller by."""


class NamedRun(Document):
    """A run by name."""

    experiment: str
    """Name of the experiment."""
    run_id: str
    """Identifier of the run."""


class PruneDocument(Document):
    """`dawin store prune --json`: what went, or would go with `--dry-run`."""

    store: str
    """Address of the store."""
    is_dry_run: bool
    """Whether nothing was removed."""
    runs_removed: list[NamedRun]
    """The runs whose results went, by experiment."""
    runs_kept: int
    """Number of runs whose results stay."""
    runs_in_progress: list[NamedRun]
    """Runs without results whose plan is younger than a week: everything that they need stays."""
    tables: list[PrunedTable]
    """The folders of the store, by name."""
    objects_stripped: int
    """Number of objects whose logits went."""
    uploads_aborted: int
    """Number of unfinished uploads to S3 that were aborted."""
    bytes_before: int
    """Size of everything before."""
    bytes_after: int
    """Size of everything after."""


class StoreFault(Document):
    """Something in a store that is damaged."""

    key: str
    """The object or the record; for missing tables the folder."""
    kind: str
    """`missing`, `manifest`, `size`, `content`, `footer`, `unreadable`, `tables`, `pointer`, `record`, `catalogue`."""
    reason: str
    """The wanted and the actual state, in words."""
    is_repaired: bool
    """Whether `--repair` has repaired it."""


class StoreLeftover(Document):
    """A file that a killed process left, or that was moved aside; no reader uses it."""

    key: str
    """The file; of an unfinished upload the key that the object would get."""
    kind: str
    """`temporary`, `uncommitted`, `upload`, `aside`, `note` or `learnt`."""
    bytes: int
    """Its size; 0 for an unfinished upload, whose parts no listing shows."""


class StoreRemark(Document):
    """Something that is no damage."""

    key: str
    """The object, or the folder."""
    reason: str
    """The remark, in words."""


class VerifyDocument(Document):
    """`dawin store verify --json`: the faults of a store."""

    store: str
    """Address of the store."""
    is_sound: bool
    """Whether no fault is left, so that the exit status is 0."""
    objects: int
    """Number of committed objects."""
    bytes: int
    """Bytes that were verified: objects, manifests and records."""
    seconds: float
    """Time that this took."""
    faults: list[StoreFault]
    """The faults, by kind."""
    leftovers: list[StoreLeftover]
    """Files that no reader uses, by kind."""
    remarks: list[StoreRemark]
    """Objects of another version of dawin, and tables that the next run computes again."""
    moved_to: str | None
    """Folder of the store to which `--repair` moved what was damaged; null: nothing had to be repaired."""
