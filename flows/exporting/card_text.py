"""The text of a model card beside its results: what was merged and how, and how to load and to cite it."""

from collections.abc import Mapping, Sequence
from typing import Any

from flows.exporting.card_markdown import code, plain, prose, public_address, public_command, table
from flows.exporting.card_metadata import UNFILLED_LICENCE
from tasks.methods.method import Method, Paper
from tasks.methods.registry import METHODS, method_of

Record = Mapping[str, Any]

AUTHORS = "Oh, Changdae and Li, Yixuan and Song, Kyungwoo and Yun, Sangdoo and Han, Dongyoon"
"""The authors of the paper of DaWin, in BibTeX's form."""

_SETS = {"static": "merged model", "clusters": "cluster", "bins": "bin"}
_MOST_ROWS = 16  # coefficients of more merged models are in dawin.json alone

_KINDS = {
    "static": "One model, merged of {models} once: every image is classified with the same weights.",
    "clusters": (
        "A merged model of {models} for each cluster ({sets}), and a router. The entropies of the source models' "
        "predictions on an image choose its cluster, and the cluster's merged model classifies it."
    ),
    "bins": (
        "A merged model of {models} for each bin ({sets}), and a router. The entropies of the source models' "
        "predictions on an image give its coefficient, the coefficient its bin, and the bin's merged model classifies "
        "the image."
    ),
    "samples": (
        "The weights of {models}, and a router. The entropies of the source models' predictions on an image give its "
        "coefficients, and a model that is merged with them classifies this one image."
    ),
}
_SHARES = (
    "A model's entropy is that of the softmax of its logits, divided by its temperature. A model's coefficient for an "
    "image grows as its entropy falls; `router.json` holds every number of the rule. "
)
_RULES = {
    "static": "The merged weights are the sum of all models' weights, each times its coefficient.",
    "clusters": (
        f"{_SHARES}A mixture, fitted to the coefficients of all images, groups them. A cluster's merged weights are "
        "the sum of all models' weights, each times the mean coefficient of the cluster."
    ),
    "bins": (
        f"{_SHARES}The images, sorted by it, were cut into bins. A bin's merged weights are the sum of all models' "
        "weights, each times the mean coefficient of the bin."
    ),
    "samples": (
        f"{_SHARES}An image's merged weights are the sum of all models' weights, each times the image's coefficient."
    ),
}


def opening(record: Record) -> str:
    """Return the title and the first paragraph: the model in two sentences.

    Args:
        record: of the exported folder.
    """
    *others, last = map(code, _merged(record))
    names = f"{', '.join(others)} and {last}" if others else last
    words = _KINDS[record["kind"]] if others else "One model, {models}, as it was: nothing is merged into it."
    words = words.format(models=names, sets=len(record["coefficients"]))
    where = f" It was fitted on data set {code(record['dataset'])}." if record["dataset"] else ""
    fitted = where if record["kind"] != "static" else ""
    family = _family(record)
    classes = f" Classes: {len(record['classes'])}." if record["classes"] else ""
    method = f"Method: {code(record['method'])} ({prose(family.title)})." if family else f"{code(record['method'])}."
    return "\n\n".join(
        [
            f"# {prose(record['experiment'])}: {prose(record['method'])}",
            f"{words}{fitted} {method}{classes}",
            _licence(),
        ]
    )


def merged_section(record: Record) -> str:
    """Return the section on the sources: models with digests, temperatures and addresses, and the coefficients.

    Args:
        record: of the exported folder.
    """
    made = record["made"]
    sources = {*_merged(record), *map(_name_of, made["models"] if made else ())}
    rows = [
        [code(m["name"]), code(public_address(m["url"])), code(m["digest"]), f"{m['temperature']:g}"]
        for m in record["models"]
        if m["name"] in sources
    ]
    parts = ["## What was merged", table(["model", "checkpoint", "SHA-256", "temperature"], rows, right=[3])]
    if made:
        options = ", ".join(f"{plain(name)} = {plain(value)}" for name, value in _options(made["options"]))
        with_options = f" with {code(options)}" if options else ""
        parts.append(
            f"Method {code(made['method'])} made the model of that name of "
            f"{', '.join(code(_name_of(model)) for model in made['models'])}{with_options}."
        )
    parts.append(_RULES[record["kind"]])
    if record["scale"] is not None:
        parts.append(
            f"Models are merged by task vectors, the differences of the fine-tuned weights from the base's, with the "
            f"scale {record['scale']:g}."
        )
    if record["kind"] != "samples" and record["coefficients"]:
        parts.append(_coefficients(record))
    parts.append(f"Tower: {code(record['architecture'])}. Precision: {code(record['precision'])}. {_images(record)}")
    return "\n\n".join(parts)


def reproduction_section(record: Record) -> str:
    """Return the section with the command and the versions of the software.

    Args:
        record: of the exported folder.
    """
    software = "\n".join(f"- {prose(name)} {prose(version)}" for name, version in record["software"].items())
    command = public_command(record["command"])
    run = f" Run {code(record['run_id'])} computed what it reads." if record["run_id"] else ""
    return "\n\n".join(
        [
            "## Reproduce it",
            f"After `dawin run` of the same experiment, this command writes the folder again.{run}",
            f"```console\n$ {command}\n```",
            software,
        ]
    )


def limits_section(record: Record) -> str:
    """Return the section on when the model should not be used.

    Args:
        record: of the exported folder.
    """
    parts = [
        "## Limits",
        "- The numbers above hold for these data sets and this preprocessing. Nothing is known about other images.",
        "- Models are merged as weights, so all of them share one architecture and one start.",
    ]
    if record["kind"] != "static":
        parts += [
            "- DaWin can pay where each model is right on images that another gets wrong, and its entropy shows it. It "
            "does not pay where one model is best everywhere: take that model.",
            "- It costs a forward pass of each source model before that of the merged one. Where a single pass is all "
            "you can afford, take a fixed merge.",
            "- It relies on calibrated temperatures, and on images like those that it was fitted to.",
        ]
    return f"{parts[0]}\n\n" + "\n".join(parts[1:])


def citation_section(record: Record) -> str:
    """Return the section with the paper of DaWin, and that of the method where it is another one.

    Args:
        record: of the exported folder.
    """
    family, own = _family(record), METHODS["dawin"].paper
    assert own is not None  # the method that this software is named after
    entry = "\n".join(
        [
            "@inproceedings{oh2025dawin,",
            f"  title = {{{own.title}}},",
            f"  author = {{{AUTHORS}}},",
            f"  booktitle = {{International Conference on Learning Representations ({own.venue})}},",
            f"  year = {{{own.year}}},",
            f"  url = {{{own.url}}},",
            "}",
        ]
    )
    paper = family.paper if family else None
    other = [f"The method {code(record['method'])}: {_reference(paper)}."] if paper and paper != own else []
    return "\n\n".join(["## Citation", *other, f"```bibtex\n{entry}\n```"])


def _family(record: Record) -> Method | None:
    """Return the family of the record's method; None for one that this version does not know."""
    return method_of(record["method"]) if record["method"].partition("/")[0] in METHODS else None


def _reference(paper: Paper) -> str:
    return f"[{prose(paper.title)}]({paper.url}), {prose(paper.venue)} {paper.year}"


def _licence() -> str:
    return (
        f"> **The licence is not filled in.** The owner of this repository has to replace `license_name: "
        f"{UNFILLED_LICENCE}` in the metadata of this page by the licence that the checkpoints and their training data "
        "allow, and to delete this paragraph. Until then this page gives no permission to use the files."
    )


def _images(record: Record) -> str:
    pixels = record["preprocess"]
    numbers = {name: ", ".join(str(value) for value in pixels[name]) for name in ("mean", "std")}
    resized = {"shortest": "the shorter side resized and the middle cut out", "squash": "both sides resized"}
    how = resized.get(pixels["resize_mode"], f"the longer side resized and the rest filled with {pixels['fill']}")
    return (
        f"Images: {pixels['size']} × {pixels['size']} pixels, {how}, {prose(pixels['interpolation'])} interpolation, "
        f"mean {numbers['mean']}, standard deviation {numbers['std']}."
    )


def _coefficients(record: Record) -> str:
    """Return the table of coefficients: a row for each merged model, a column for each source."""
    rows: Sequence[Sequence[float]] = record["coefficients"]
    names = _merged(record)
    cells = [[f"{number}", *(f"{value:.6g}" for value in row)] for number, row in enumerate(rows[:_MOST_ROWS])]
    shown = table([_SETS[record["kind"]], *map(code, names)], cells, right=range(len(names) + 1))
    more = len(rows) - _MOST_ROWS
    return f"{shown}\n\nThe other {more} rows are in `dawin.json`." if more > 0 else shown


def _merged(record: Record) -> list[str]:
    """Return the names of the models that coefficients are given for; a made model stands for its sources."""
    return [*(record.get("merged") or [model["name"] for model in record["models"]])]


def _options(options: Mapping[str, object] | Sequence[Sequence[object]]) -> list[tuple[object, object]]:
    """Return options by name, from a mapping or from a list of pairs."""
    return list(options.items()) if isinstance(options, Mapping) else [(name, value) for name, value in options]


def _name_of(model: Mapping[str, object] | str) -> str:
    return model if isinstance(model, str) else str(model["name"])
