"""Warnings: each distinct one is one line, and Prefect's handlers still get all."""

import logging
import warnings

import pytest

from flows.display.warning_lines import WarningLines, instead_of_log_lines


@pytest.fixture
def lines():
    """The lines that were shown; the handler is in place."""
    found = []
    with instead_of_log_lines(WarningLines(found.append)):
        yield found


def test_a_warning_is_shown_once_on_one_line(lines):
    """A second one of the same words is not, and information never is."""
    log = logging.getLogger("dawin.fitting")
    for _ in range(2):
        log.warning("data set %s:\n no optimum", "one")
    log.warning("data set two: no optimum")
    log.info("skipped")
    log.warning("data set \x1b[31mred: no optimum")
    assert lines[:2] == ["data set one: no optimum", "data set two: no optimum"]
    assert "\x1b" not in lines[2]


def test_a_warning_of_python_is_shown_without_its_place_in_the_source(lines):
    """As the words of a library, once."""
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        logging.captureWarnings(False)
        logging.captureWarnings(True)
        for _ in range(2):
            warnings.warn("an image is odd", UserWarning, stacklevel=1)
    assert lines == ["UserWarning: an image is odd"]


class Collecting(logging.Handler):
    """Collects the messages of a logger while the block runs."""

    def __init__(self, logger):
        super().__init__()
        self.logger, self.messages = logging.getLogger(logger), []

    def __enter__(self):
        self.logger.addHandler(self)
        return self

    def __exit__(self, *_):
        self.logger.removeHandler(self)

    def emit(self, record):
        self.messages.append(record.getMessage())


def test_other_handlers_of_the_logger_get_every_record_and_the_root_none(lines):
    """Prefect's handler sends them to its API; the console would print them a second time."""
    with Collecting("dawin") as api, Collecting(None) as root:
        for _ in range(2):
            logging.getLogger("dawin.run").warning("once")
    assert api.messages == ["once", "once"]
    assert lines == ["once"]
    assert root.messages == []


def test_afterwards_the_loggers_are_as_before():
    """The next warning reaches the root again."""
    before = warnings.showwarning
    with instead_of_log_lines(WarningLines(lambda line: None)):
        pass
    with Collecting(None) as root:
        logging.getLogger("dawin.run").warning("again")
    assert root.messages == ["again"]
    assert warnings.showwarning is before
