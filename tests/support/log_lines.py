"""The lines of a logger, whatever the handlers and filters are that Prefect or a command has given to others."""

import logging
from contextlib import contextmanager


@contextmanager
def heard(name):
    """Collect the messages of the logger of this name, from INFO on, in the list that the block gets."""
    lines, log = [], logging.getLogger(name)

    class Collector(logging.Handler):
        def emit(self, record):
            lines.append(record.getMessage())

    collector, level, disabled = Collector(), log.level, log.disabled
    log.addHandler(collector)
    log.setLevel(logging.INFO)
    log.disabled = False
    try:
        yield lines
    finally:
        log.removeHandler(collector)
        log.setLevel(level)
        log.disabled = disabled
