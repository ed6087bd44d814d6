"""The house rules that import-linter does not know: who imports Prefect, what lies where, how large files are."""

import ast
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from tasks.methods.registry import METHODS

ROOT = Path(__file__).parents[2]
FLOWS = {"run_experiment", "extract_outputs", "merge_weights", "evaluate_merges", "aggregate_results"}
FLOWS |= {"calibrate_models", "predict_images", "watch_checkpoints"}
STAGES = {
    "upgrading",
    "extraction",
    "model_merging",
    "fitting",
    "evaluation",
    "ensembling",
    "aggregation",
    "prediction",
}
LONGEST = 300  # lines


def sources(*packages):
    return [path for package in packages or ("flows", "tasks", "storage") for path in (ROOT / package).rglob("*.py")]


def imported(path):
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module


def test_the_roots_hold_flows_and_tasks():
    """`ls flows/*.py` lists the flows of the Prefect UI, `ls tasks/*.py` the stages of the pipeline."""
    assert {path.stem for path in (ROOT / "flows").glob("*.py")} == FLOWS | {"__init__", "errors"}
    assert {path.stem for path in (ROOT / "tasks").glob("*.py")} == STAGES | {"__init__", "errors", "progress"}


def test_prefect_is_imported_in_flows_and_the_stages_only():
    """The rooms below can be used, and tested, without Prefect."""
    users = {str(p.relative_to(ROOT)) for p in sources() if any(m.split(".")[0] == "prefect" for m in imported(p))}
    assert {name for name in users if not name.startswith("flows/")} == {f"tasks/{name}.py" for name in STAGES}


@pytest.mark.parametrize(
    ("modules", "unwanted"),
    [
        ("flows.run_experiment, flows.watch_checkpoints", {"torch", "open_clip"}),
        (
            "flows.planning.check, flows.planning.written_plan, tasks.methods.registry",
            {"torch", "open_clip", "prefect"},
        ),
        ("tasks.numerics.beta_mixture, tasks.numerics.measures, tasks.numerics.metrics.registry", {"torch", "prefect"}),
        ("flows.cli", {"torch", "prefect", "polars"}),
    ],
)
def test_light_parts_load_no_heavy_library(modules, unwanted):
    """Parents, planning, mathematics and the command line start fast, and many run at a time on one machine."""
    program = f"import sys, {modules}; print(sorted({unwanted} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout == "[]\n"


def test_no_source_unpickles():
    """No file calls Python's pickle or torch's: checkpoints are read by an interpreter that can call nothing.

    The program that exports leave in a folder reads images of its user, and allows torch plain tensors alone.
    """
    calls = {"torch.load", "pickle.load", "pickle.loads", "pickle.Unpickler", "torch.jit.load"}
    for path in sources():
        text = path.read_text()
        assert "allow_pickle=True" not in text, path
        nodes = [node for node in ast.walk(ast.parse(text)) if isinstance(node, ast.Attribute)]
        allowed = {"torch.load"} if path.name == "router.py" and text.count("torch.load(") == 1 else set()
        assert not allowed or "torch.load(sys.argv[1], weights_only=True)" in text
        assert not {ast.unparse(node) for node in nodes} & calls - allowed, path
        assert not {name for name in imported(path) if name.split(".")[0] in ("pickle", "dill", "joblib")}, path


def test_no_flow_file_bears_the_name_of_a_package():
    """`flows/storage.py` would hijack `import storage` where flows/ comes first on the path."""
    assert not {p.stem for p in (ROOT / "flows").glob("*.py")} & {"flows", "tasks", "storage", "tests"}


def test_only_a_methods_own_file_compares_its_name():
    """Everybody else asks the registry: no comparison, prefix or `match` with a method's name outside of its room."""

    def is_method(node):
        return isinstance(node, ast.Constant) and isinstance(node.value, str) and node.value.split("/")[0] in METHODS

    found = []
    for path in sources("flows", "tasks"):
        if path.is_relative_to(ROOT / "tasks" / "methods") or path.name == "descriptions.py":
            continue  # descriptions compare the interpolation `random` of open_clip
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Compare):
                compared = [node.left, *node.comparators]
            elif isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
                compared = node.args if node.func.attr in ("startswith", "endswith", "removeprefix") else []
            elif isinstance(node, ast.MatchValue):
                compared = [node.value]
            else:
                continue
            parts = [part for one in compared for part in (one.elts if isinstance(one, ast.Tuple | ast.Set) else [one])]
            found += [f"{path.relative_to(ROOT)}:{node.lineno}" for part in parts if is_method(part)]
    assert found == []


@pytest.mark.parametrize("package", ["flows", "tasks", "storage", "benchmarks", "infra", "tests"])
def test_files_and_functions_stay_small(package):
    """No file is longer than 300 lines, and no function of the three packages than 50."""
    too_long = []
    for path in sources(package):
        text = path.read_text()
        if text.count("\n") > LONGEST:
            too_long.append(f"{path.relative_to(ROOT)}: {text.count(chr(10))} lines")
        functions = ast.walk(ast.parse(text)) if package in ("flows", "tasks", "storage") else ()
        for node in functions:
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.end_lineno - node.lineno >= 50:
                too_long.append(f"{path.relative_to(ROOT)}: {node.name}")
    assert too_long == []


@pytest.mark.parametrize("package", ["flows", "tasks", "storage", "benchmarks", "infra"])
def test_no_two_files_of_a_package_have_one_name(package):
    """A file is known by its name alone, except commands, called as they are typed, and each room's registry."""
    names = [path.name for path in sources(package) if path.parent != ROOT / "flows" / "cli"]
    twice = {name for name, count in Counter(names).items() if count > 1}
    assert twice - {"__init__.py", "registry.py"} == set()


def test_tests_are_no_packages():
    """Without __init__.py two test files may have the same name."""
    assert list((ROOT / "tests").rglob("__init__.py")) == []


def test_tests_mirror_the_tree():
    """A unit test lies in the folder of the file or the room that it tests."""
    folders = {path.parent for path in (ROOT / "tests" / "unit").rglob("test_*.py")}
    rooms = {folder.relative_to(ROOT / "tests" / "unit") for folder in folders}
    assert {str(room) for room in rooms if not (ROOT / room).is_dir()} == set()
