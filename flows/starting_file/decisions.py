"""The decisions of a first experiment file: heads, groups, methods, and the questions left to its reader."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from flows.experiment.input_settings import ZERO_SHOT
from flows.experiment.method_settings import MethodsSettings
from flows.experiment.preprocess_settings import PreprocessSettings
from flows.planning.preprocessing import choose_preprocessing
from flows.starting_file.checkpoints_found import FoundCheckpoints, FoundHead
from flows.starting_file.datasets_found import FoundDataset
from tasks.datasets.catalogue import CATALOGUE
from tasks.datasets.prompts import prompts_of
from tasks.errors import DatasetError
from tasks.methods.method import Setup
from tasks.methods.registry import METHODS, fault
from tasks.references.datasets import DatasetReference

_IMAGENET_CLASSES = 1000  # of the heads that label spaces map from
_MOST_NAMED = 1000  # classes of a head that is written down by their names
_TWO = ("individual", "wise-ft", "output-ensemble", "classifier-selection", "oracle")
_SEVERAL = (
    "individual",
    "weight-average",
    "uniform-soup",
    "model-stock",
    "output-ensemble",
    "classifier-selection",
    "oracle",
)
_TASKS = (
    *("individual", "weight-average", "task-arithmetic", "ties", "tsv-merge", "iso-c"),
    *("output-ensemble", "classifier-selection", "oracle"),
)
TEMPLATE = "a photo of a {}."


@dataclass(frozen=True)
class Head:
    """The head of a data set."""

    setting: str | None
    """An address or `zero-shot`; None: the checkpoints hold it, or its class names are written down."""
    classes: tuple[str, ...] = ()
    """Class names of a head that the base's text tower makes."""
    remark: str = ""
    """Why this head, in words."""
    fault: str | None = None
    """Why the data set has no head that fits, in words; None: it has one."""


@dataclass(frozen=True)
class Draft:
    """A first experiment: its inputs, and all decisions about them."""

    name: str
    found: FoundCheckpoints
    datasets: tuple[FoundDataset, ...]
    heads: dict[str, Head]
    """By data set."""
    groups: dict[str, str | None]
    """By data set; None: the catalogue's."""
    is_multi_task: bool
    clusters: int
    baselines: tuple[str, ...]
    questions: tuple[str, ...]
    """Decisions that were guesses, and what is missing, each a sentence."""
    left_out: tuple[str, ...] = field(default=())
    """Files and folders that the experiment does not use, each with its reason."""

    @property
    def has_heads(self) -> bool:
        """Whether any data set has a head that fits."""
        return any(head.fault is None for head in self.heads.values())

    @property
    def used(self) -> list[FoundDataset]:
        """The data sets with heads; all of them if none has one."""
        return [one for one in self.datasets if not self.heads[one.name].fault] or list(self.datasets)


def drafted(
    name: str, found: FoundCheckpoints, datasets: Sequence[FoundDataset], left_out: Sequence[str], *, multi_task: bool
) -> Draft:
    """Return the decisions for checkpoints and data sets.

    Args:
        name: of the experiment.
        found: at least two models.
        datasets: at least one.
        left_out: places that are no data sets, each with its reason.
        multi_task: whether the models were fine-tuned on tasks of their own.
    """
    heads = {one.name: _head(one, found) for one in datasets}
    used = [one for one in datasets if not heads[one.name].fault] or list(datasets)
    groups = {one.name: _group(one, datasets, multi_task) for one in datasets}
    smallest = min(one.samples for one in used)
    clusters = max(1, min(len(found.models) - 1 if multi_task else 3, smallest))
    return Draft(
        name=name,
        found=found,
        datasets=tuple(sorted(datasets, key=lambda one: groups[one.name] == "ood")),  # in-distribution ones first
        heads=heads,
        groups=groups,
        is_multi_task=multi_task,
        clusters=clusters,
        baselines=_baselines(found, used, multi_task, clusters),
        questions=tuple(_questions(found, datasets, heads, groups, multi_task)),
        left_out=(*found.left_out, *left_out),
    )


def _head(dataset: FoundDataset, found: FoundCheckpoints) -> Head:
    """Return the head of a data set: a file of its name, the checkpoints' own, the only file, or one made of text."""
    named = [head for head in found.heads if head.is_of(dataset.name) or head.is_of(dataset.catalogue or dataset.name)]
    if named:
        return _of_file(named[0], dataset, "its name is the data set's")
    inside = [model.classes for model in found.models]
    if None not in inside:
        wrong = [f"{m.name} has {m.classes}" for m in found.models if not _fits(m.classes, dataset)]
        if not wrong:
            return Head(None, remark="the checkpoints hold it")
        return Head(None, fault=f"it has {dataset.classes} classes, but the head in {' and that in '.join(wrong)}")
    if len(found.heads) == 1:
        return _of_file(found.heads[0], dataset, "the only head that was found")
    return _made_of_text(dataset, found)


def _of_file(head: FoundHead, dataset: FoundDataset, remark: str) -> Head:
    if _fits(head.classes, dataset):
        return Head(head.address, remark=f"{head.classes} classes; {remark}")
    return Head(None, fault=f"it has {dataset.classes} classes, but the head {head.address} has {head.classes}")


def _made_of_text(dataset: FoundDataset, found: FoundCheckpoints) -> Head:
    """Return a head that the base's text tower makes of the catalogue's class names, or else of the data set's own."""
    without = "the checkpoints hold none, and no head's file has its name"
    base = found.models[0]
    if not base.has_text_tower:
        return Head(None, fault=f"{without}; the base has no text tower that could make one of class names")
    if dataset.catalogue:
        try:
            prompts_of(CATALOGUE[dataset.catalogue].prompts, dataset.class_names)
        except DatasetError as error:
            return Head(None, fault=f"{without}; {error}")
        return Head(ZERO_SHOT, remark="made by the base's text tower of the catalogue's class names")
    names = dataset.class_names
    if names and len(names) <= _MOST_NAMED and not all(name.isdigit() for name in names):
        return Head(None, classes=tuple(map(_readable, names)), remark="made by the base's text tower; check the names")
    return Head(None, fault=f"{without}; its classes have no names of which the base's text tower could make one")


def _readable(name: str) -> str:
    return name.replace("_", " ")


def _fits(classes: int | None, dataset: FoundDataset) -> bool:
    """Return whether a head has the classes of a data set; images without labels take any head."""
    record = CATALOGUE[dataset.catalogue] if dataset.catalogue else None
    if record and record.label_space:
        return classes == _IMAGENET_CLASSES
    if classes is None or dataset.classes is None:
        return classes is not None
    return classes == dataset.classes if dataset.class_names else classes >= dataset.classes


def _group(dataset: FoundDataset, everywhere: Sequence[FoundDataset], multi_task: bool) -> str | None:
    if multi_task:
        return "tasks"
    if dataset.catalogue:
        return None
    return "id" if dataset.is_in_distribution or len(everywhere) == 1 else "ood"


def _baselines(
    found: FoundCheckpoints, datasets: Sequence[FoundDataset], multi_task: bool, clusters: int
) -> tuple[str, ...]:
    """Return the methods to compare with: those that fit the models and the labels of all data sets."""
    several = _SEVERAL if len(found.models) > 2 else _TWO
    setup = Setup(
        models=tuple(model.name for model in found.models),
        datasets=tuple(one.name for one in datasets),
        granularity=("clusters",),
        clusters=clusters,
        options=MethodsSettings().by_method,
    )
    chosen = []
    for name in _TASKS if multi_task else several:
        method = METHODS[name]
        is_covered = not (method.per_sample and found.models[0].summary["uncovered"])
        asked = [_reference(one) for one in datasets]
        refused = any(method.refusal_on(one, setup) or method.leaves_out(one, setup) for one in asked)
        if fault(name, setup) is None and is_covered and not refused:
            chosen.append(name)
    return tuple(chosen)


def _reference(dataset: FoundDataset) -> DatasetReference:
    """Return a data set as methods are asked about it; nothing is computed from this reference."""
    return DatasetReference(
        name=dataset.name,
        url=dataset.address,
        group="",
        digest="",
        samples=dataset.samples,
        classes=dataset.classes,
        limit=None,
        preprocessing=choose_preprocessing(PreprocessSettings(), 224, {}, None, []).preprocessing,
    )


def _questions(
    found: FoundCheckpoints,
    datasets: Sequence[FoundDataset],
    heads: dict[str, Head],
    groups: dict[str, str | None],
    multi_task: bool,
) -> list[str]:
    """Return what was guessed or is missing, each in a sentence that says what to do."""
    asked = []
    base = found.models[0].name
    if not found.is_base_named:
        asked.append(
            f"no checkpoint's name says that it is the pre-trained one, so {base} is the base: it comes first in the "
            "alphabet. If another one is, move it to the top of `models`."
        )
    matched = sum(any(head.is_of(one.name) for head in found.heads) for one in datasets)
    if not multi_task and matched > 1 and len(found.models) > 2:
        asked.append(
            f"{matched} data sets have heads of their own. If every checkpoint was fine-tuned on a task of its own, "
            "`dawin init --multi-task` writes a file that merges by task vectors."
        )
    faults = {one.name: fault for one in datasets if (fault := heads[one.name].fault)}
    remedy = "Name one in `heads`" + (", and remove the # of its lines." if len(faults) < len(datasets) else ".")
    asked += [f"data set {name} has no head that fits: {fault}. {remedy}" for name, fault in faults.items()]
    if len(datasets) > 1 and not multi_task and not any(g == "id" or g is None for g in groups.values()):
        asked.append(
            "no data set's name says that it is in-distribution (such as clean, val or test). Write `group: id` at the "
            "one whose images are like those of the fine-tuning; `dawin calibrate` and the table of results use it."
        )
    return asked
