"""The order of a run as text: one line for data sets alike, and only what is missing."""

from run_parts import chain, part

from flows.reports.order_text import order_text


def test_data_sets_that_go_the_same_way_share_a_line():
    """A made model that nothing holds up is made at once; one that reads outputs waits for their data set alone."""
    parts = [
        *chain("clean", 1, "make ties"),
        *chain("noisy", 1, "make ties"),
        *chain("photos", 1, "make ties", "make soup"),
        part("mix", "photos", "fit photos"),
        part("make", "ties"),
        part("make", "soup", "extract clean"),
    ]
    assert order_text(parts).splitlines() == [
        "  order   clean, noisy  extract, fit, evaluate (waits for ties)",
        "          photos        extract, fit, evaluate (waits for ties, soup), mix outputs",
        "          ties          at once",
        "          soup          waits for extract clean",
    ]


def test_parts_in_the_store_are_left_out_also_where_others_wait_for_them():
    """After a failed run, the text shows the data set that failed; nothing to do has no text."""
    done = [one._replace(missing=0) for one in [*chain("clean"), part("make", "ties")]]
    assert order_text([*done, *chain("noisy", 1, "make ties")]) == "  order   noisy  extract, fit, evaluate"
    assert order_text(done) == ""


def test_many_data_sets_are_named_by_the_first_and_the_last():
    """Twenty share a line of ordinary length."""
    parts = [one for number in range(20) for one in chain(f"d{number}")]
    assert order_text(parts) == "  order   d0 … d19, 20 data sets  extract, fit, evaluate"
