"""Settings of methods: each method's options below its own key, as the registry of methods defines them."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from pydantic import Field, SerializerFunctionWrapHandler, create_model, model_serializer, model_validator

from flows.experiment.setting_types import Settings
from tasks.methods.method import MethodOptions
from tasks.methods.registry import METHODS

WITH_OPTIONS = {name: method.options for name, method in METHODS.items() if method.options.model_fields}
"""The options of every method that has any, by the method's name."""


class _KnownMethods(Settings):
    @model_validator(mode="before")
    @classmethod
    def _known(cls, value: Any) -> Any:  # noqa: ANN401  whatever the file holds
        for name in value if isinstance(value, Mapping) else ():
            if name not in WITH_OPTIONS:
                reason = f"{name} has no options" if name in METHODS else f"no method {name!r}"
                raise ValueError(f"{reason}; methods with options are {', '.join(WITH_OPTIONS)}")
        return value

    @model_serializer(mode="wrap")
    def _written(self, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """Write the given options alone: read again, the others would count as options that nobody asked for."""
        return {name: options for name, options in handler(self).items() if name in self.given}

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
    MethodsSettings = _KnownMethods
else:
    MethodsSettings = create_model("MethodsSettings", __base__=_KnownMethods, **_FIELDS)
