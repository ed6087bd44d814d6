"""The generated parts of the documentation: tables of settings, help texts, formulas, the look for addresses."""

import importlib.util
from typing import Literal

import pytest
from pages import DOCS
from pydantic import BaseModel, Field

from tasks.methods.registry import METHODS


def hook(name):
    """Load a hook as MkDocs does: a file, not a module of a package."""
    spec = importlib.util.spec_from_file_location(name, DOCS / "_hooks" / f"{name}.py")
    made = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(made)
    return made


class Inner(BaseModel):
    """Settings within settings."""

    share: float = Field(default=0.5, gt=0, le=1)
    """Share that is kept."""


class Outer(BaseModel):
    """Settings of every kind."""

    mode: Literal["a", "b"] | None = None
    """Mode with a | in its words."""
    items: tuple[int, ...] = ()
    """Items."""
    inner: Inner = Inner()
    described: int = Field(default=1, description="By the field itself.")


class Silent(BaseModel):
    """A setting that nothing describes."""

    name: str


def test_settings_are_listed_with_type_bounds_default_and_meaning():
    """Every field is a row, a model below it a section of its own."""
    text = hook("settings_tables").settings_tables(Outer)
    assert "| `mode` | `a`, `b` or null | `null` | Mode with a \\| in its words. |" in text
    assert "| `items` | list of: integer | `[]` | Items. |" in text
    assert "| `described` | integer | `1` | By the field itself. |" in text
    assert "| `share` | number, > 0, ≤ 1 | `0.5` | Share that is kept. |" in text.partition("### `inner`")[2]


def test_a_setting_without_a_description_is_refused_by_name():
    """The page would not say what the setting does."""
    with pytest.raises(Exception, match=r"Silent\.name"):
        hook("settings_tables").settings_tables(Silent)


def test_every_setting_of_the_experiment_file_is_listed():
    """The page of the experiment file shows the settings models as they are."""
    page = hook("settings_tables").on_page_markdown((DOCS / "experiment.md").read_text())
    rows = [line.split("|")[1].strip() for line in page.splitlines() if line.startswith("| `")]
    assert {"`name`", "`models`", "`datasets`", "`checkpoint`", "`images`", "`clusters`", "`seed`"} <= set(rows)
    assert "::settings" not in page


def test_every_command_is_shown_with_its_help():
    """The page of commands prints each command's own help text."""
    page = hook("command_help").on_page_markdown((DOCS / "commands.md").read_text())
    for command in ("quickstart", "run", "plan", "results", "watch"):
        assert f"### `dawin {command}`\n\n```text\nusage: dawin {command} " in page
    assert "::commands" not in page


def test_formulas_become_mathml():
    """A formula in TeX is MathML on the page, in its line or on its own."""
    pytest.importorskip("latex2mathml", reason="the extra `docs` is not installed")
    content = r'<p><span class="arithmatex">\(x_i\)</span></p><div class="arithmatex">\[y \lt 1\]</div>'
    page = hook("formulas").on_page_content(content)
    assert "arithmatex" not in page
    assert "<msub><mi>x</mi><mi>i</mi></msub>" in page
    assert 'display="block"' in page


@pytest.mark.parametrize(
    "element",
    [
        '<script src="https://cdn.example/x.js"></script>',
        '<link rel="stylesheet" href="//fonts.example/x.css">',
        '<img alt="" src="http://example/x.png">',
    ],
)
def test_a_page_that_loads_from_the_network_ends_the_build(tmp_path, element):
    """Scripts, styles and pictures come with the site; a link to another site is none of these."""
    pytest.importorskip("mkdocs", reason="the extra `docs` is not installed")
    network = hook("network")
    (tmp_path / "page.html").write_text('<a href="https://arxiv.org/abs/2410.03782">Oh et al.</a>')
    network.on_post_build({"site_dir": str(tmp_path)})
    (tmp_path / "page.html").write_text(element)
    with pytest.raises(Exception, match="would load from the network"):
        network.on_post_build({"site_dir": str(tmp_path)})


def test_the_page_of_methods_lists_the_registry():
    """Every method has a row, a section, and its options' section in the tables of settings."""
    text = hook("methods_table").methods_list()
    settings = hook("settings_tables").settings_tables()
    for name, method in METHODS.items():
        assert f"[`{name}`](#{name})" in text
        assert f"## {method.title} {{ #{name} }}" in text
        assert method.summary in text
        assert (f"{{ #settings-methods-{name} }}" in settings) == bool(method.options.model_fields)
    assert "`wise-ft/0.00`, `wise-ft/0.10`" in text
    assert "*greedy-soup needs a labelled data set to choose by" in text
