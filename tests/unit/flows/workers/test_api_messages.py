"""Messages of the embedded API: one line each, and a report to its command if the database cannot be written."""

import asyncio
import logging
import sqlite3

import sqlalchemy as sa

from flows.workers.api_messages import OneLine


def record_of(message, cause=None):
    """Return a record as Prefect logs it, with the traceback of an error of SQLAlchemy's if it has a cause."""
    error = sa.exc.OperationalError("INSERT INTO task_run\nVALUES (1)", {}, sqlite3.Error(cause)) if cause else None
    exc_info = (type(error), error, None) if error else None
    return logging.LogRecord("prefect.server", logging.ERROR, "file", 1, message, (), exc_info)


def test_a_full_disk_is_reported_to_the_command_once_and_not_logged(capfd):
    """Several failing requests give one line on standard output, and no log line."""
    one_line = OneLine()
    for _ in range(3):
        assert not one_line.filter(record_of("Encountered exception in request:", "database or disk is full"))
    report = capfd.readouterr().out
    assert report.count("\n") == 1
    assert report.endswith("cannot be written: database or disk is full\n")


def test_a_full_disk_is_found_in_a_traceback_that_is_text(capfd):
    """Uvicorn logs such a text when the start fails; the line that follows it is removed too."""
    one_line = OneLine()
    text = "Traceback (most recent call last):\n  ...\nsqlite3.OperationalError: disk I/O error\n(Background on this)"
    assert not one_line.filter(record_of(text))
    assert not one_line.filter(record_of("Application startup failed. Exiting."))
    assert capfd.readouterr().out.endswith("cannot be written: disk I/O error\n")


def test_a_lock_is_logged_only_if_events_are_lost():
    """The recorder of task runs logs the number of events that it drops; a repeated attempt is not logged."""
    again = "Error flushing 1 events (1 to retry, 0 dropped)"
    assert not OneLine().filter(record_of(again, "database is locked"))
    lost = record_of("Error flushing 1 events (0 to retry, 1 dropped)", "database is locked")
    assert OneLine().filter(lost)
    assert "1 dropped) (OperationalError: (sqlite3.Error) database is locked)" in lost.getMessage()


def test_a_cancelled_request_is_not_logged():
    """Prefect cancels a request whose sender is gone, and SQLAlchemy then reports its connection."""
    cancelled = asyncio.CancelledError()
    record = record_of("Exception during reset or similar")
    record.exc_info = (type(cancelled), cancelled, None)
    assert not OneLine().filter(record)


def test_any_other_error_is_one_line_without_traceback():
    """The line has the message, and the class and first line of the error."""
    record = record_of("Encountered exception in request:", "no such table")
    assert OneLine().filter(record)
    assert record.getMessage() == "Encountered exception in request: (OperationalError: (sqlite3.Error) no such table)"
    assert record.exc_info is None
