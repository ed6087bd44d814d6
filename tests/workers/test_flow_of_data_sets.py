"""Data sets of one run go their own way on a pool: neither a large one nor one that fails holds up the others."""

from datetime import datetime

import pytest
import tiny
import yaml
from pools import MINUTES, command, manifests, runs

pytestmark = [pytest.mark.workers, pytest.mark.xdist_group("workers")]


@pytest.fixture(scope="module")
def flowing(pool, place, tmp_path_factory):
    """A run on two workers of a large data set, one of a tenth of it, and one whose images vanish, and its rerun.

    The children of the first run by the data set's name and stage, the store's manifests before the rerun, and the
    exit statuses and lines of both.
    """
    folder, home = place[0], tmp_path_factory.mktemp("flowing")
    images, file, store = str(folder / "one"), home / "flowing.yaml", str(home / "store")
    tiny.image_folder(home / "gone", 12, 5)
    for seed, name in enumerate(("base", "tuned"), 1):
        tiny.checkpoint(home / f"{name}.pt", seed)
    content = {
        "name": "flowing",
        "models": [{"name": name, "checkpoint": f"{name}.pt"} for name in ("base", "tuned")],
        "datasets": [
            {"name": "large", "images": images},
            {"name": "small", "images": images, "limit": 830},
            {"name": "gone", "images": str(home / "gone")},
        ],
        "merge": {"granularity": ["clusters"], "clusters": 2},
        "baselines": [],
        "batch_size": 2,  # the large one takes longer to extract than the small one in all
        "workers": 0,
        "samples_per_run": 10_000,
    }
    file.write_text(yaml.safe_dump(content))
    first = command(pool, str(file), store)
    next(line for line in first.stderr if line.startswith("to run"))
    (home / "gone").rename(home / "away")
    shown = [first.communicate(timeout=60 * MINUTES)[1]]
    children = {run["name"].partition(":")[0]: run for run in runs(pool, state="COMPLETED", tag="experiment:flowing")}
    kept = manifests(store)
    (home / "away").rename(home / "gone")
    second = command(pool, str(file), store)
    shown.append(second.communicate(timeout=60 * MINUTES)[1])
    return children, kept, store, [first.returncode, second.returncode], shown


def test_a_small_data_set_is_evaluated_while_a_large_one_is_extracted(flowing):
    """Of two data sets of sizes 1 : 10 on two workers, the small one waits for its own outputs alone."""
    children, *_ = flowing
    assert set(children) >= {"extract large", "extract small", "evaluate large", "evaluate small"}
    begun = datetime.fromisoformat(children["evaluate small"]["start_time"])
    assert begun < datetime.fromisoformat(children["extract large"]["end_time"])


def test_a_data_set_whose_images_vanish_leaves_the_others_whole(pool, flowing):
    """One line names it, the exit status is 1, and the rerun computes it alone."""
    children, kept, store, statuses, shown = flowing
    assert statuses == [1, 0], shown
    (line,) = [line for line in shown[0].splitlines() if line.startswith("dawin: ")]
    assert line.startswith("dawin: data set gone failed: ")
    assert "all tables of the other data sets are complete" in line
    assert "Traceback" not in shown[0]
    after = manifests(store)
    assert all(after[key] == content for key, content in kept.items() if not key.startswith("datasets/"))
    again = {run["name"].partition(":")[0] for run in runs(pool, state="COMPLETED", tag="experiment:flowing")}
    assert again - children.keys() >= {"extract gone", "evaluate gone"}
    assert not any("large" in name or "small" in name for name in again - children.keys())
