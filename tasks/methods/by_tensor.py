"""Methods that merge tensor by tensor: a rule for one tensor of all task vectors makes the model at scale 1."""

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from tasks.methods.method import Context, Method, Setup
from tasks.methods.static_merge import is_scale, static_merge
from tasks.references.outputs import OutputsReference
from tasks.references.predictions import PredictionsReference

if TYPE_CHECKING:
    import torch

    from tasks.merging.tensorwise import Rule
    from tasks.methods.making import Making, State


class TensorwiseMethod(Method):
    """A family that merges models tensor by tensor, by its `rule` or `merged`; a scale s gives (1 − s) θ_0 + s θ.

    Attributes:
        scales: the members that the family's name stands for; any other scale exists too. Empty: it has no scale.
        of_matrices: whether the rule is for matrices alone; other tensors of the task vectors are averaged.
    """

    scales: ClassVar[Sequence[str]] = ()
    of_matrices: ClassVar[bool] = False

    def rule(self, base: "State", tuned: "Sequence[State]", options: Any) -> "Rule":
        """Return the rule, from one tensor of each task vector (M, …) to the merged task vector."""
        raise NotImplementedError

    def members(self, setup: Setup) -> Sequence[str]:
        """Return the scales, or the family itself."""
        return self.scales or ("",)

    def has(self, member: str, setup: Setup) -> bool:
        """Return whether a member exists: every scale with two decimals does."""
        return member in self.members(setup) or (bool(self.scales) and is_scale(member))

    def predictions(self, member: str, context: Context) -> PredictionsReference:
        """Return the predictions of (1 − s) θ_0 + s θ, or of θ."""
        made = self.made_model(context.models, options=self.options_in(context.setup).model_dump())
        base, scale = context.outputs[0], float(member or 1)
        return static_merge((base, OutputsReference(model=made.model, scored=base.scored)), (1.0 - scale, scale))

    def make(self, making: "Making") -> "Iterable[tuple[str, torch.Tensor]]":
        """Return the tensors of θ; one tensor of each model is in memory at a time."""
        return self.merged(making.base, list(making.tuned), self.options(**making.options), making.device)

    def merged(
        self, base: "State", tuned: "Sequence[State]", options: Any, device: str = "cpu"
    ) -> "Iterable[tuple[str, torch.Tensor]]":
        """Yield the tensors of θ by name, in the base's order, on the CPU.

        A family whose arithmetic needs no tensor of all task vectors at once implements this, and no `rule`.
        """
        from tasks.merging.tensorwise import merged_tensors

        rule = self.rule(base, tuned, options)
        return merged_tensors(rule, base, tuned, of_matrices=self.of_matrices, device=device)
