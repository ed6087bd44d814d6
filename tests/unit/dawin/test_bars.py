"""Progress bars of the Python module."""

from dawin.bars import bars
from tasks.progress import work


def test_each_piece_of_work_has_a_bar_with_its_name_and_size(capsys):
    """The bar shows the description and the count, and disappears at the end."""
    with bars(True), work("extract clean", 40) as progress:
        progress.advance(40)
    shown = capsys.readouterr().err
    assert "extract clean" in shown
    assert "/40" in shown


def test_without_progress_nothing_is_drawn(capsys):
    """No bar, and no other line."""
    with bars(False), work("extract clean", 40) as progress:
        progress.advance(40)
    assert capsys.readouterr().err == ""
