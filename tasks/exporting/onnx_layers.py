"""The layer at which the recording or the translation of a graph ends, by name."""

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Any

import torch
from torch import nn
from torch.fx.experimental.symbolic_shapes import is_concrete_int
from torch.utils._python_dispatch import TorchDispatchMode

from tasks.errors import UncoveredLayer

_WHOLE = "the model"
_REASON = 200  # characters of the exporter's reason in a message
_OPERATOR = re.compile(r"op='\w+\.(\w+)'")  # as the exporter names one that it has no translation for


class Layers:
    """Follows which layers of a model are running.

    Args:
        module: the model.

    Attributes:
        entered: names of the layers that are running, innermost last; an exception leaves them there.
        fixing: name of the first layer after which the number of images is fixed; None: it stays free.
    """

    def __init__(self, module: nn.Module) -> None:
        self._module = module
        self._images: int | torch.SymInt = 0
        self.entered: list[str] = []
        self.fixing: str | None = None

    @contextmanager
    def followed(self) -> Iterator[None]:
        """Follow the model's layers inside the context."""
        self.entered.clear()
        handles = []
        for name, layer in self._module.named_modules():
            handles += [
                layer.register_forward_pre_hook(partial(self._enter, name)),
                layer.register_forward_hook(self._leave),
            ]
        try:
            yield
        finally:
            for handle in handles:
                handle.remove()

    def _enter(self, name: str, _layer: nn.Module, inputs: tuple[torch.Tensor, ...]) -> None:
        if not self.entered:
            self._images = inputs[0].shape[0]
        self.entered.append(name)

    def _leave(self, *_: object) -> None:
        name = self.entered.pop()
        if self.fixing is None and isinstance(self._images, torch.SymInt) and is_concrete_int(self._images):
            self.fixing = name or _WHOLE

    @property
    def running(self) -> str:
        """The name of the innermost layer that is running; `the model` if no layer runs."""
        return next((name for name in reversed(self.entered) if name), _WHOLE)

    def failure(
        self, error: Exception, module: nn.Module, examples: Sequence[torch.Tensor], instead: str
    ) -> UncoveredLayer:
        """Return the error of a module that cannot become a graph, which names the layer.

        Args:
            error: of the exporter.
            module: the module, which is run once more if the exporter names an operator instead of a layer.
            examples: its inputs.
            instead: what a user can do, for the message.
        """
        causes = list(_causes(error))
        if self.fixing and not self.entered:
            return UncoveredLayer(f"ONNX: {self.fixing}: this layer works on a fixed number of images only; {instead}")
        layer = self.running
        operator = next((found[1] for cause in causes if (found := _OPERATOR.search(str(cause)))), None)
        if operator is not None:
            layer = self._using(operator, module, examples)
        first = next((line.strip(" -") for line in str(causes[-1]).splitlines() if line.strip()), "no message")
        reason = f"{type(causes[-1]).__name__}: {first[:_REASON]}"
        return UncoveredLayer(f"ONNX: {layer}: the exporter fails on this layer ({reason}); {instead}")

    def _using(self, operator: str, module: nn.Module, examples: Sequence[torch.Tensor]) -> str:
        """Return the name of the first layer that uses an operator."""
        with self.followed(), _Operators(self) as used, torch.no_grad():
            module(*examples)
        return next((layer for name, layer in used.layers.items() if operator in name), _WHOLE)


class _Operators(TorchDispatchMode):  # type: ignore[no-untyped-call]  # torch's base is not annotated
    """Keeps the first layer in which each operator runs."""

    def __init__(self, layers: Layers) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._layers = layers
        self.layers: dict[str, str] = {}

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:  # noqa: ANN401  as torch calls it
        """Note the operator and the layer, and run it."""
        self.layers.setdefault(str(func), self._layers.running)
        return func(*args, **(kwargs or {}))


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    """Yield an error and its causes, the innermost last."""
    while error is not None:
        yield error
        error = error.__cause__
