"""The greedy soup: fine-tuned models join an average one by one, as long as held-out accuracy does not fall."""

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from tasks.errors import did_you_mean
from tasks.methods.method import Context, Method, MethodOptions, Setup
from tasks.methods.static_merge import static_merge
from tasks.methods.uniform_soup import PAPER
from tasks.references.datasets import DatasetReference, ScoredDataset
from tasks.references.outputs import OutputsReference
from tasks.references.predictions import PredictionsReference

if TYPE_CHECKING:
    import torch

    from tasks.methods.making import Making, State


class GreedySoupOptions(MethodOptions):
    """Options of the greedy soup."""

    held_out: str | None = None
    """Name of the labelled data set whose accuracy decides."""


class GreedySoup(Method):
    """Recipe 1 of the paper: a model stays out only if it lowers the accuracy (≥).

    The authors' release wants the accuracy to rise (>), so that a model that changes no prediction stays out there.
    """

    name = "greedy-soup"
    title = "Greedy soup"
    summary = "Fine-tuned models join an average, the best first, as long as the held-out accuracy does not fall."
    paper = PAPER
    version = 2
    options = GreedySoupOptions

    def refusal(self, member: str, setup: Setup) -> str | None:
        """Return why it makes no sense: no data set is named, or none of that name exists."""
        held_out = self._held_out(setup)
        if held_out is None:
            return "needs a labelled data set to choose by: set methods.greedy-soup.held_out"
        if held_out not in setup.datasets:
            near = did_you_mean(held_out, setup.datasets) or f"; known: {', '.join(setup.datasets)}"
            return f"needs a data set to choose by, got methods.greedy-soup.held_out={held_out}{near}"
        return None

    def refusal_on(self, dataset: DatasetReference, setup: Setup) -> str | None:
        """Return why it cannot choose: the held-out data set has no labels."""
        is_blind = dataset.classes is None and dataset.name == self._held_out(setup)
        return "images without labels, but baseline greedy-soup chooses by them" if is_blind else None

    def uses_labels(self, dataset: DatasetReference, setup: Setup) -> bool:
        """Return whether the data set's labels chose the models: those of the held-out one did."""
        return dataset.name == self._held_out(setup)

    def looks_at(self, everywhere: Sequence[ScoredDataset], setup: Setup) -> tuple[ScoredDataset, ...]:
        """Return the held-out data set."""
        return tuple(scored for scored in everywhere if scored.dataset.name == self._held_out(setup))

    def predictions(self, member: str, context: Context) -> PredictionsReference:
        """Return the predictions of the made model."""
        looks_at = self.looks_at(context.everywhere, context.setup)
        options = {"precision": context.setup.precision}
        made = self.made_model(context.models, options=options, looks_at=looks_at)
        base = context.outputs[0]
        return static_merge((base, OutputsReference(model=made.model, scored=base.scored)), (0.0, 1.0))

    def make(self, making: "Making") -> "Iterable[tuple[str, torch.Tensor]]":
        """Return the tensors of the soup; it keeps the checkpoints' own heads, and scores with the data set's."""
        from tasks.merging.combination import combine
        from tasks.merging.weighted_sums import weighted_sums

        (held_out,) = making.looks_at
        names = making.names[1:]
        scores = {name: held_out.top1_of(number) for number, name in enumerate(names)}
        order = sorted(range(len(names)), key=lambda number: -scores[names[number]])
        head = held_out.head()
        chosen, best = [order[0]], scores[names[order[0]]]
        soup: State = {**making.tuned[order[0]], **head}
        for number in order[1:]:
            weight = 1.0 / (len(chosen) + 1)
            tried = combine([soup, {**making.tuned[number], **head}], [1.0 - weight, weight])
            accuracy = held_out.top1(tried)
            if accuracy >= best:
                chosen, best, soup = [*chosen, number], accuracy, tried
        making.learnt |= {
            "chosen": [names[number] for number in chosen],
            "held_out": held_out.name,
            "top1": best,
            "each": scores,
        }
        averaged = [making.tuned[number] for number in chosen]
        return weighted_sums(averaged, [1.0 / len(averaged)] * len(averaged), making.base)

    def _held_out(self, setup: Setup) -> str | None:
        held_out: str | None = self.options_in(setup).held_out
        return held_out


METHOD = GreedySoup()
