"""The order of parts: the longest path first on a pool, one data set after the other in one process."""

from run_parts import chain, part

from flows.planning.part_order import one_by_one, path_lengths

SOUP = part("make", "soup", "extract large", passes=7)


def test_a_path_is_as_long_as_the_work_up_to_the_end_of_the_run():
    """An extraction counts what waits for it, and of several ways the longest."""
    parts = [*chain("small", 1, "make soup"), *chain("large", 10), SOUP]
    lengths = path_lengths(parts)
    assert lengths["evaluate small"] == 1
    assert lengths["make soup"] == 7 + 1
    assert lengths["extract large"] == 10 + 10
    assert lengths["extract small"] == 2
    assert max(lengths, key=lengths.get) == "extract large"


def test_in_one_process_a_data_set_is_finished_before_the_next_begins():
    """Those with the least to do come first; a model is made after what it reads and before what needs it."""
    parts = [*chain("large", 10), *chain("middle", 5, "make soup"), *chain("small", 1), SOUP]
    assert [one.name for one in one_by_one(parts)] == [
        *("extract small", "fit small", "evaluate small"),
        *("extract middle", "fit middle", "extract large", "make soup", "evaluate middle"),
        *("fit large", "evaluate large"),
    ]


def test_the_order_holds_every_part_once():
    """Also models that nothing needs."""
    parts = [*chain("one"), part("make", "idle")]
    assert sorted(one_by_one(parts)) == sorted(parts)
