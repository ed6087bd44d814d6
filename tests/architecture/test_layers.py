"""The house rules that import-linter does not know: who may import Prefect, where packages begin, how big files are."""

import ast
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
SHELLS = {f"tasks/{name}.py" for name in ("extraction", "fitting", "evaluation", "ensembling", "aggregation")}


def sources():
    return [path for package in ("flows", "tasks", "storage") for path in (ROOT / package).rglob("*.py")]


def imported(path):
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module


def test_prefect_is_imported_in_flows_and_the_shells_only():
    """The work can be done, and tested, without it."""
    users = {str(p.relative_to(ROOT)) for p in sources() if any(m.split(".")[0] == "prefect" for m in imported(p))}
    assert {name for name in users if not name.startswith("flows/")} == SHELLS


def test_a_parent_and_a_look_load_no_torch():
    """They wait for others, many at a time on one machine: what they load is time and memory of that machine."""
    loaded = "print(sorted({'torch', 'open_clip'} & set(sys.modules)))"
    program = f"import sys, flows.run_experiment, flows.watch_checkpoints; {loaded}"
    assert subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout == "[]\n"


def test_no_source_unpickles():
    """Neither by Python's pickle nor by torch's: checkpoints are read by a machine that can call nothing."""
    calls = {"torch.load", "pickle.load", "pickle.loads", "pickle.Unpickler", "torch.jit.load"}
    for path in sources():
        text = path.read_text()
        assert "allow_pickle=True" not in text, path
        nodes = [node for node in ast.walk(ast.parse(text)) if isinstance(node, ast.Attribute)]
        assert not {ast.unparse(node) for node in nodes} & calls, path
        assert not {name for name in imported(path) if name.split(".")[0] in ("pickle", "dill", "joblib")}, path


def test_no_flow_file_bears_the_name_of_a_package():
    """`flows/storage.py` would hijack `import storage` where flows/ comes first on the path."""
    assert not {p.stem for p in (ROOT / "flows").glob("*.py")} & {"flows", "tasks", "storage", "tests"}


def test_files_and_functions_stay_small():
    """300 lines a file, 50 a function: past that there would have to be a reason."""
    too_long = []
    for path in sources():
        text = path.read_text()
        if text.count("\n") > 300:
            too_long.append(str(path))
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.end_lineno - node.lineno >= 50:
                too_long.append(f"{path}:{node.name}")
    assert too_long == []


def test_tests_are_no_packages():
    """No __init__.py: two test files may have the same name."""
    assert list((ROOT / "tests").rglob("__init__.py")) == []
