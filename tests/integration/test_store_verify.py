"""`dawin store verify` on the store of a finished run: what is repaired is computed again, with equal results."""

from pathlib import Path

import damage
import pytest
import runs

from flows.cli import main
from flows.reports.json_models import DOCUMENTS
from flows.upkeep.verify import verify
from storage import keys
from storage.manifests import committed
from storage.store import Store


def of_table(store, table):
    """Return the key of the first committed object of a table."""
    return next(key for key in store.keys(table) if keys.is_table(key))


def test_a_finished_run_is_sound(example, capsys):
    """Every object, record and pointer of a run fits, and nothing is left over."""
    assert main(["store", "verify", "--store", example[2], "--json"]) == 0
    document = DOCUMENTS["store-verify"].model_validate_json(capsys.readouterr().out)
    assert document.is_sound
    assert document.objects == len(list(committed(Store(example[2]), "")))
    assert (document.faults, document.leftovers, document.remarks) == ([], [], [])


def test_a_store_of_every_method_is_sound(table):
    """No table is missed that the run did not compute, such as the outputs of made models that are only merged."""
    verified = verify(Store(table[1]))
    assert (verified.faults, verified.leftovers, verified.remarks) == ([], [], [])


def test_repair_then_run_gives_equal_results(copied):
    """Damage in several tables and in the results goes aside; a run computes it again, and the store is sound."""
    _, file, url, rows = copied
    store = Store(url)
    tables = ["outputs", "coefficients", "predictions", "samples", "results"]
    for table in tables:
        key = of_table(store, table)
        store.replace(key, damage.flipped(store.read(key)))
    assert main(["store", "verify", "--store", url]) == 1
    assert main(["store", "verify", "--store", url, "--repair"]) == 0
    verified = verify(store)
    assert verified.faults == []
    assert runs.table(runs.run(file, url)) == runs.table(rows)
    verified = verify(store)
    assert (verified.faults, verified.remarks) == ([], [])
    assert {one.kind for one in verified.leftovers} == {"aside"}


@pytest.mark.parametrize("table", ["outputs", "coefficients", "mixtures", "components", "predictions", "samples"])
def test_a_table_that_is_gone_is_named_until_a_run_computes_it(copied, table):
    """Verify names the folder; a run fills it, and then nothing is missing."""
    _, file, url, rows = copied
    store = Store(url)
    folder = of_table(store, table).rpartition("/")[0]
    for path in Path(url, folder).iterdir():
        path.unlink()
    assert [(fault.kind, fault.key) for fault in verify(store).faults] == [("tables", folder)]
    assert main(["store", "verify", "--store", url, "--repair"]) == 1
    assert runs.table(runs.run(file, url)) == runs.table(rows)
    assert verify(store).faults == []
