"""The summary of a file of predictions."""

import polars as pl

from flows.reports.prediction_summary import _by_name


def test_classes_of_one_name_are_counted_apart():
    """ImageNet has two classes called missile; a name that stands once has no number."""
    counted = pl.DataFrame({"prediction": [657, 744, 3], "class": ["missile", "missile", "shark"], "len": [7, 3, 2]})
    assert _by_name(counted) == {"missile (657)": 7, "missile (744)": 3, "shark": 2}
