"""`dawin predict` against a plain loop of the same passes, and its peak memory for 1,000 and for 40,000 images.

Both decode each image once and run the two models and the merged model of its cluster. `dawin predict` also keeps every
number in its store, checks it, and writes the file. The start of both, until the pass begins, is apart: that of dawin
includes Prefect's API and the list of the images.

    python -m benchmarks.predict --runs 3
    python -m benchmarks.predict --memory 1000 40000
"""

import argparse
import json
import shutil
import tempfile
from pathlib import Path
from statistics import median

from benchmarks.bare_passes import BEGIN
from benchmarks.children import run_child
from benchmarks.options import children_environment, options
from benchmarks.pipeline import SIZES, Size, Took, make_example, took, write_images
from benchmarks.reporting import report, spread

METHOD = "dawin/clusters-3"
_TINY = Size("a layer × pictures", None, 1000, 250, layers=1)  # its activations are small beside what images leave
_FITTED = 300  # images of the run that the mixture is fitted in
_FIRST_STAGE = "extract: "


def _prepare(folder: Path, size: Size, environment: dict[str, str]) -> None:
    """Write models and images, run the experiment on a few of them, and write the rule that it fitted."""
    make_example(folder, size._replace(images=min(_FITTED, size.images)))
    run_child(["-m", "flows.cli", "run", f"{folder}/clusters.yaml", "--store", f"{folder}/store", "-q"], **environment)
    from flows.experiment.file import load_experiment
    from flows.planning.fitted_method import fitted_method
    from storage.store import Store
    from tasks.opening.fitted_rules import offset_for, read_components

    store = Store(f"{folder}/store")
    source = fitted_method(load_experiment(f"{folder}/clusters.yaml"), store, METHOD).predictions.source
    found = read_components(store, source)._asdict()
    rule = {name: values.tolist() for name, values in found.items()}
    offset = offset_for(store, source.coefficients)
    (folder / "rule.json").write_text(json.dumps({**rule, "offset": list(offset or (0.0, 1.0))}))


def _command(folder: Path, images: Path, out: str) -> list[str]:
    asked = ["--method", METHOD, "--dataset", "images", "--images", str(images), "--store", f"{folder}/store"]
    return ["-m", "flows.cli", "predict", f"{folder}/clusters.yaml", *asked, "-o", f"{folder}/{out}.parquet"]


def _speed(size: Size, arguments: argparse.Namespace) -> list[dict[str, object]]:
    """Return the rows of one size; the processes run in turn, so that a change of the machine's speed affects all."""
    seconds: dict[str, list[Took]] = {"plain loop": [], "dawin predict": []}
    with tempfile.TemporaryDirectory() as name:
        folder, images = Path(name), Path(name) / "new"
        environment = {**children_environment(arguments), "PREFECT_HOME": f"{name}/prefect"}
        _prepare(folder, size, environment)
        write_images(images, size)
        fitted = folder / "fitted"
        (folder / "store").rename(fitted)
        bare = ["-m", "benchmarks.bare_predictions", name, str(images), f"{name}/rule.json", "--batch", str(size.batch)]
        bare += ["--arch", size.arch] if size.arch else []
        for number in range(arguments.runs):
            shutil.rmtree(folder / "store", ignore_errors=True)
            shutil.copytree(fitted, folder / "store")
            seconds["plain loop"].append(took(bare, environment, BEGIN))
            seconds["dawin predict"].append(took(_command(folder, images, f"out{number}"), environment, _FIRST_STAGE))
    plain = seconds["plain loop"]
    return [
        {
            "size": size.title,
            "process": title,
            "start, s": spread([one.start for one in found]),
            "pass, s": spread([one.passes for one in found]),
            "images/s": size.images / median(one.passes for one in found),
            "× plain": median(one.passes / other.passes for one, other in zip(found, plain, strict=True)),
            "idle": median(one.idle for one in found),
        }
        for title, found in seconds.items()
    ]


def _memory(counts: list[int], arguments: argparse.Namespace) -> list[dict[str, object]]:
    rows: list[dict[str, object]] = []
    with tempfile.TemporaryDirectory() as name:
        folder, first = Path(name), 0.0
        environment = {**children_environment(arguments), "PREFECT_HOME": f"{name}/prefect"}
        _prepare(folder, _TINY, environment)
        for count in counts:
            images = folder / f"new-{count}"
            write_images(images, _TINY._replace(images=count))
            ended = run_child([*_command(folder, images, str(count)), "-q"], **environment)
            first = first or ended.peak_mib
            size = (folder / f"{count}.parquet").stat().st_size / 2**20
            rows.append({"images": count, "s": ended.seconds, "peak MiB": ended.peak_mib})
            rows[-1] |= {"times the first": ended.peak_mib / first, "file, MiB": size}
    return rows


def main() -> None:
    """Measure and print the table."""
    parser = options(__doc__)  # ignores --arch, --batch and --dtype: each size has its own
    parser.add_argument("--size", choices=("small", "large"), help="one of the two sizes (default: both)")
    parser.add_argument("--memory", type=int, nargs="+", metavar="IMAGES", help="measure memory, for these numbers")
    arguments = parser.parse_args()
    if arguments.memory:
        report("predict_memory", _memory(arguments.memory, arguments), arguments)
        return
    chosen = SIZES if arguments.size is None else SIZES[:1] if arguments.size == "small" else SIZES[1:]
    report("predict", [row for size in chosen for row in _speed(size, arguments)], arguments)


if __name__ == "__main__":
    main()
