"""The names in an experiment: methods, data sets and options exist, and each name stands for one thing."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple

from flows.errors import Fault
from flows.experiment.published_names import faults_of_published
from flows.experiment.wording import printable
from tasks.errors import did_you_mean
from tasks.methods.method import Setup
from tasks.methods.registry import METHODS, Member, existing, fault, matching
from tasks.models.architecture import open_clip_models
from tasks.numerics.measures import STORED

if TYPE_CHECKING:
    from flows.experiment.settings import Experiment


_MOST = 2000  # characters of a fault, which may list what exists


class Known(NamedTuple):
    """The part of a faulty experiment file that names can be checked against."""

    models: Sequence[str] | None
    """Names of the models; None if some have none: members of methods are not checked then."""
    datasets: Sequence[str] | None
    """Names of the data sets; None if some have none."""
    wrong: frozenset[str] = frozenset()
    """Families of methods with a fault in their options."""


def is_pattern(checkpoint: str) -> bool:
    """Return whether the address of a checkpoint is a pattern."""
    return "*" in checkpoint.rpartition("/")[2]


def faults_of_names(experiment: "Experiment", known: Known | None = None) -> list[Fault]:
    """Return the faults of names that the settings alone show.

    Args:
        experiment: the settings; of a faulty file, those that are valid, with defaults in the place of the others.
        known: the names in a faulty file, also those of models and data sets with other faults; None: the
            experiment's.
    """
    found = known or Known([m.name for m in experiment.models], [d.name for d in experiment.datasets])
    faults = [*_architecture(experiment), *_repeated(experiment, found), *_heads(experiment, found)]
    faults += [
        *_expertise(experiment),
        *_models(experiment, found),
        *_tuned(experiment, found),
        *_methods(experiment, found),
    ]
    faults += faults_of_published(experiment, found)
    return [fault._replace(text=printable(fault.text, _MOST)) for fault in faults]


def _architecture(experiment: "Experiment") -> list[Fault]:
    name = experiment.architecture
    if name is None or name in (known := open_clip_models()):
        return []
    near = did_you_mean(name, known) or f"; some are {', '.join(known[:: len(known) // 8])}"
    return [Fault(f"architecture: no open_clip model {name!r}{near}", ("architecture",))]


def _repeated(experiment: "Experiment", known: Known) -> list[Fault]:
    faults = []
    granularity = experiment.merge.granularity
    if len(set(granularity)) < len(granularity):
        text = f"merge.granularity: each at most once, got {', '.join(granularity)}"
        faults.append(Fault(text, ("merge", "granularity")))
    for kind, names in (("models", known.models), ("datasets", known.datasets)):
        seen = Counter(names or ())
        faults += [Fault(f"{kind}: {n} have the name {name!r}", (kind,)) for name, n in sorted(seen.items()) if n > 1]
    return faults


def _heads(experiment: "Experiment", known: Known) -> list[Fault]:
    if known.datasets is None:
        return []
    unknown = [name for name in experiment.heads if name not in (*known.datasets, "*")]
    listed = f"; known: {', '.join(known.datasets)}"
    return [
        Fault(f"heads: no data set {n!r}{did_you_mean(n, known.datasets) or listed}", ("heads", n)) for n in unknown
    ]


def _expertise(experiment: "Experiment") -> list[Fault]:
    """Return the fault of a measure that is computed from logits where none are kept."""
    measure = experiment.merge.expertise
    if experiment.logits != "none" or measure in STORED or not experiment.merge.granularity:
        return []
    text = (
        f"merge.expertise: {measure} needs the models' logits, which logits: none does not keep; set logits: fp32, or "
        f"expertise: {', '.join(STORED)}"
    )
    return [Fault(text, ("merge", "expertise"))]


def _models(experiment: "Experiment", known: Known) -> list[Fault]:
    """Return the faults of models that are too few for the merge, and of patterns that stand for several."""
    faults = []
    if experiment.merge.kind == "task-vectors" and known.models is not None and len(known.models) < 3:
        got = len(known.models)
        text = f"merge.kind: task-vectors needs a base and at least two tasks, got {got} models"
        faults.append(Fault(text, ("merge", "kind")))
    patterns = [model.name for model in experiment.models if is_pattern(model.checkpoint)]
    is_base = bool(patterns) and (known.models or [""])[0] in patterns
    if len(patterns) > 1 or is_base:
        text = f"models: at most one checkpoint may be a pattern, and not the base's; got {', '.join(patterns)}"
        faults.append(Fault(text, ("models",)))
    return faults


def _tuned(experiment: "Experiment", known: Known) -> list[Fault]:
    """Return the faults of data sets that name the model which was fine-tuned on them."""
    if not known.models or known.datasets is None:
        return []
    base, *tuned = known.models
    faults = []
    for dataset in experiment.datasets:
        name, position = dataset.tuned_model, known.datasets.index(dataset.name)
        if name is None or name in tuned:
            continue
        listed = f"; known: {', '.join(tuned)}"
        is_base = name == base
        reason = f"wanted a fine-tuned model, got the base, {name}" if is_base else f"no model {name!r}"
        near = (not is_base and did_you_mean(name, tuned)) or listed
        faults.append(Fault(f"datasets.{position}.tuned_model: {reason}{near}", ("datasets", position, "tuned_model")))
    return faults


def _methods(experiment: "Experiment", known: Known) -> list[Fault]:
    setup = replace(experiment.setup, models=tuple(known.models or ()), datasets=tuple(known.datasets or ()))
    faults = []
    for position, name in enumerate(experiment.baselines):
        if reason := _fault_of(name, setup, known):
            faults.append(Fault(f"baselines: {reason}", ("baselines", position)))
    if not experiment.merge.granularity and not experiment.baselines:
        text = "merge.granularity, baselines: both are empty, so nothing would be evaluated"
        faults.append(Fault(text, ("baselines",)))
    return [*faults, *_options(experiment, setup)]


def _fault_of(name: str, setup: Setup, known: Known) -> str | None:
    """Return why `baselines` cannot hold a name, as far as the models are known."""
    family = name.partition("/")[0]
    if family in METHODS and (known.models is None or known.datasets is None or family in known.wrong):
        return None
    if not matching(name, setup):
        return f"no method {name!r}{_near(name, setup) or '; ' + existing(name, setup)}"
    return fault(name, setup)


def _near(name: str, setup: Setup) -> str:
    """Return the methods that an unknown name can be meant as: families, or members of its own family."""
    family, _, member = name.partition("/")
    if family in METHODS:
        members = [member.member for member in matching(family, setup)]
        return did_you_mean(member, members).replace("mean ", f"mean {family}/").replace(" or ", f" or {family}/")
    families = [one for one, method in METHODS.items() if method.is_baseline]
    return did_you_mean(family, families)


def _options(experiment: "Experiment", setup: Setup) -> list[Fault]:
    """Return the faults of options that have no effect."""
    asked = dict[str, list[Member]]()
    for name in experiment.baselines:
        for member in matching(name, setup):
            asked.setdefault(member.method.name, []).append(member)
    named = {name.partition("/")[0] for name in experiment.baselines}
    faults = []
    for family in sorted(experiment.methods.given):
        if family not in named:
            text = f"methods.{family}: options of a method that baselines does not name"
            faults.append(Fault(text, ("methods", family)))
        members = [member.member for member in asked.get(family, ())]
        for option in sorted(setup.options[family].model_fields_set) if members else ():
            if reason := METHODS[family].idle(option, members):
                faults.append(Fault(f"methods.{family}.{option}: {reason}", ("methods", family, option)))
    return faults
