"""YAML as experiment files need it: plain values, each setting once, nothing that grows when it is read."""

from typing import Any

import yaml

from flows.experiment.yaml_wording import Refused
from storage.credentials import without_credentials
from storage.text import shown

_MOST_CHARACTERS = 256 * 1024  # of a file or a value; the names of ImageNet's 1,000 classes take 20,000
_MOST_NODES = (
    25_000  # values and keys, those behind an alias counted wherever it stands; ImageNet-21k has 21,841 classes
)
_DEEPEST = 32  # lists and mappings inside of one another
_LONGEST_NUMBER = 100  # characters; base 60 and millions of digits take longer the more there are, squared
_PREFIX = "tag:yaml.org,2002:"
_NUMBERS = {f"{_PREFIX}int", f"{_PREFIX}float"}
_KINDS = {"int": "whole number", "float": "number", "timestamp": "date", "bool": "true or false"}
_SHORT = 80  # characters of a value that a message shows
_TAGS = {f"{_PREFIX}{kind}" for kind in ("null", "bool", "int", "float", "str", "seq", "map")}


def parse_yaml(text: str) -> Any:  # noqa: ANN401  whatever the text holds
    """Return the values of a YAML document.

    Raises:
        yaml.YAMLError: the text is not YAML, sets a setting twice, or exceeds the limits.
    """
    if len(text) > _MOST_CHARACTERS:
        raise yaml.YAMLError(f"{len(text):,} characters, wanted at most {_MOST_CHARACTERS:,}")
    try:
        return yaml.load(text, _Strict)
    except (ValueError, TypeError, LookupError, AttributeError, RecursionError) as error:  # a tag on another's value
        raise yaml.YAMLError("a value that is not of its kind") from error


class _Strict(yaml.SafeLoader):
    """Counts a document's nodes, aliases expanded, before any value is built."""

    def __init__(self, stream: str) -> None:
        super().__init__(stream)
        self._sizes: dict[int, int] = {}
        self._depth = self._composed = 0

    def compose_node(self, parent: yaml.Node | None, index: Any) -> yaml.Node | None:  # noqa: ANN401  as yaml has it
        """See yaml; an alias gives the node that was composed before."""
        is_alias = self.check_event(yaml.AliasEvent)
        self._depth, self._composed = self._depth + 1, self._composed + 1
        if self._depth > _DEEPEST:
            raise _refused(f"values more than {_DEEPEST} deep inside of one another", None)
        if self._composed > _MOST_NODES:
            raise _refused(f"more than {_MOST_NODES:,} values", None)
        node = super().compose_node(parent, index)
        self._depth -= 1
        if node is not None:
            if not is_alias:
                _check_node(node)
            self._count(node, is_alias)
        return node

    def construct_object(self, node: yaml.Node, deep: bool = False) -> Any:  # noqa: ANN401  as yaml has it
        """See yaml; a number or date that does not exist is refused with its place."""
        try:
            return super().construct_object(node, deep=deep)
        except (ValueError, TypeError, LookupError, AttributeError) as error:
            if not isinstance(node, yaml.ScalarNode):
                raise
            kind = _KINDS.get(node.tag.removeprefix(_PREFIX), "value")
            value = shown(without_credentials(node.value), _SHORT)
            problem = f"a value that is not of its kind: wanted a {kind}, got '{value}'; a text needs quotes"
            raise _refused(problem, node.start_mark) from error

    def _count(self, node: yaml.Node, is_alias: bool) -> None:
        """Add a node to the document's size; an alias counts as all the nodes that it stands for."""
        if is_alias and id(node) not in self._sizes:
            raise _refused("an alias of what it stands in", node.start_mark)
        if not is_alias:
            self._sizes[id(node)] = 1 + sum(self._sizes[id(child)] for child in _children(node))
        if self._sizes[id(node)] > _MOST_NODES:
            raise _refused(f"more than {_MOST_NODES:,} values", node.start_mark)


def _children(node: yaml.Node) -> list[yaml.Node]:
    if isinstance(node, yaml.MappingNode):
        return [part for pair in node.value for part in pair]
    return list(node.value) if isinstance(node, yaml.SequenceNode) else []


def _check_node(node: yaml.Node) -> None:
    """Refuse constructs that plain YAML reads differently from the author's intent."""
    if node.tag == f"{_PREFIX}merge":
        raise _refused("merge keys (<<) are not read; write the settings out", node.start_mark)
    if node.tag not in _TAGS | {f"{_PREFIX}timestamp"}:
        raise _refused(f"tag {node.tag} is not read", node.start_mark)
    if node.tag in _NUMBERS and len(node.value) > _LONGEST_NUMBER:
        raise _refused(f"a number of {len(node.value):,} characters", node.start_mark)
    if isinstance(node, yaml.MappingNode):
        keys = [key for key, _ in node.value]
        if odd := next((key for key in keys if not isinstance(key, yaml.ScalarNode)), None):
            raise _refused("a list or a mapping as the name of a setting", odd.start_mark)
        seen = set[str]()
        for key in keys:
            if key.value in seen:
                raise _refused(f"{key.value} is set twice", key.start_mark)
            seen.add(key.value)


def _refused(problem: str, mark: Any) -> Refused:  # noqa: ANN401  yaml's class of places
    return Refused(None, None, problem, mark)
