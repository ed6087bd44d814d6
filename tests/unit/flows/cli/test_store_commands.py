"""The commands of a store that show progress can be silent about it."""

import kept_store
import pytest

from flows.cli import main
from storage.store import Store


@pytest.mark.parametrize("command", ["verify", "prune"])
def test_quiet_prints_the_results_alone(command, tmp_path, capsys):
    """`-q` leaves the outcome on standard output, and standard error empty."""
    store = kept_store.fill(Store(str(tmp_path / "store")))
    store.delete(kept_store.PLAN)  # which prune would warn about
    kept_store.needing(store)
    assert main(["store", command, "-q", "--store", store.url]) == 0
    shown = capsys.readouterr()
    assert store.url in shown.out
    assert "removing" not in shown.err
    assert "verifying" not in shown.err
