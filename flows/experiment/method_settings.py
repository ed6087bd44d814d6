"""Settings of methods: each method's options below its own key, as the registry of methods defines them."""

from typing import TYPE_CHECKING, Any

from pydantic import Field, create_model, model_serializer

from flows.experiment.setting_types import Settings
from tasks.methods.method import MethodOptions
from tasks.methods.registry import METHODS

WITH_OPTIONS = {name: method.options for name, method in METHODS.items() if method.options.model_fields}
"""The options of every method that has any, by the method's name."""


class _Methods(Settings):
    @model_serializer
    def _written(self) -> dict[str, Any]:
        """Write the given options alone: read again, the others would count as options that nobody asked for."""
        return {
            name: getattr(self, _field(name)).model_dump(exclude_unset=True)
            for name in WITH_OPTIONS
            if name in self.given
        }

    @property
    def by_method(self) -> dict[str, MethodOptions]:
        """All options, by the method's name."""
        return {name: getattr(self, _field(name)) for name in WITH_OPTIONS}

    @property
    def given(self) -> set[str]:
        """The methods whose options the experiment file sets."""
        return {name for name in WITH_OPTIONS if _field(name) in self.model_fields_set}


def _field(method: str) -> str:
    return method.replace("-", "_")


_FIELDS: dict[str, Any] = {
    _field(name): (options, Field(default=options(), alias=name)) for name, options in WITH_OPTIONS.items()
}
if TYPE_CHECKING:
    MethodsSettings = _Methods
else:
    MethodsSettings = create_model("MethodsSettings", __base__=_Methods, **_FIELDS)
