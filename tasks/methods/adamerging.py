"""AdaMerging: task vectors' coefficients learnt by entropy minimisation on unlabelled images of all data sets."""

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

from pydantic import Field

from tasks.methods.method import Context, Method, MethodOptions, Paper, Setup
from tasks.methods.static_merge import static_merge
from tasks.references.datasets import ScoredDataset
from tasks.references.outputs import OutputsReference
from tasks.references.predictions import PredictionsReference

if TYPE_CHECKING:
    import torch

    from tasks.methods.making import Making

_PLUS = "++"  # marks members whose task vectors go through TIES' trimming and sign election


class AdaMergingOptions(MethodOptions):
    """Options of AdaMerging: Adam on the mean entropy of predictions."""

    steps: int = Field(default=500, ge=1)
    """Steps, each on one batch of every data set."""
    batch_size: int = Field(default=16, ge=1)
    """Images per data set and step."""
    rate: float = Field(default=1e-3, gt=0, allow_inf_nan=False)
    """Learning rate."""
    start: float = Field(default=0.3, ge=0, le=1)
    """Every coefficient at the start."""
    keep: float = Field(default=0.2, gt=0, le=1)
    """Fraction of each task vector's numbers that the `++` members keep, the largest magnitudes."""


class AdaMerging(Method):
    """θ = θ_0 + Σ_t λ_t τ_t with learnt λ, one per task or one per task and tensor; `++`: TIES' task vectors."""

    name = "adamerging"
    title = "AdaMerging"
    summary = "Coefficients of task vectors are learnt by entropy minimisation on unlabelled images of all data sets."
    paper = Paper(
        "AdaMerging: Adaptive Model Merging for Multi-Task Learning", "ICLR", 2024, "https://arxiv.org/abs/2310.02575"
    )
    options = AdaMergingOptions
    reads_outputs = False  # only images

    def members(self, setup: Setup) -> Sequence[str]:
        """Return `task-wise` and `layer-wise`, each plain and with `++`."""
        return [f"{part}-wise{plus}" for plus in ("", _PLUS) for part in ("task", "layer")]

    def idle(self, option: str, members: Sequence[str]) -> str | None:
        """Return why an option has no effect: `keep` belongs to the members with `++`."""
        if option != "keep" or any(member.endswith(_PLUS) for member in members):
            return None
        asked, such = ", ".join(map(self.full_name, members)), self.full_name(f"layer-wise{_PLUS}")
        return f"has no effect: it belongs to members with {_PLUS}, such as {such}; baselines names {asked}"

    def looks_at(self, everywhere: Sequence[ScoredDataset], setup: Setup) -> tuple[ScoredDataset, ...]:
        """Return all data sets."""
        return tuple(everywhere)

    def predictions(self, member: str, context: Context) -> PredictionsReference:
        """Return the predictions of the made model."""
        unused = set() if member.endswith(_PLUS) else {"keep"}
        options = self.options_in(context.setup).model_dump(exclude=unused) | {"seed": context.setup.seed}
        looks_at = self.looks_at(context.everywhere, context.setup)
        made = self.made_model(context.models, member, options, looks_at)
        base = context.outputs[0]
        return static_merge((base, OutputsReference(model=made.model, scored=base.scored)), (0.0, 1.0))

    def make(self, making: "Making") -> "Iterable[tuple[str, torch.Tensor]]":
        """Return the tensors of the merged model after the last step (section 3.2 of the paper)."""
        from tasks.merging.learnt_coefficients import LearntCoefficients, learn
        from tasks.progress import work

        options: dict[str, Any] = dict(making.options)
        base = {name: making.base[name].to(making.device) for name in making.base}
        is_layer_wise = making.member.startswith("layer")
        merging = LearntCoefficients(
            base,
            list(making.tuned),
            layer_wise=is_layer_wise,
            start=float(options["start"]),
            keep=float(options["keep"]) if making.member.endswith(_PLUS) else None,
            parameters=making.parameters(),
        )
        looks = {look.name: look for look in making.looks_at}
        heads = {n: {k: t.to(making.device) for k, t in look.head().items()} for n, look in looks.items()}
        # the base's own tensors, not copies of them: the merged ones take their place
        modules = {name: look.classifier({**base, **heads[name]}) for name, look in looks.items()}
        size, seed = int(options["batch_size"]), int(options["seed"])
        batches = {name: look.batches(size, seed) for name, look in looks.items()}
        steps = int(options["steps"])
        with work(f"learn {self.full_name(making.member)}", steps, stage="learn", unit="steps") as progress:
            losses = learn(
                merging,
                modules,
                heads,
                batches,
                steps=steps,
                rate=float(options["rate"]),
                groups={name: look.groups for name, look in looks.items()},
                advanced=progress.advance,
            )
        making.learnt |= {
            "loss": losses,
            "tensors": merging.names if is_layer_wise else None,
            "models": list(making.names[1:]),
            "coefficients": merging.coefficients.detach().clamp(0, 1).cpu().tolist(),
        }
        merged = merging.merged()
        return ((name, merged[name].cpu()) for name in merged)


METHOD = AdaMerging()
