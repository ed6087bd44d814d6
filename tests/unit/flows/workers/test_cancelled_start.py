"""Runs that are cancelled while their processes start, as a Prefect API sees them."""

import pytest
from prefect import flow
from prefect.client.orchestration import get_client
from prefect.client.schemas.objects import StateType
from prefect.states import Cancelling, Running

from flows.workers import engine
from flows.workers.cancelled_start import FLOW_RUN

pytestmark = [pytest.mark.xdist_group("prefect"), pytest.mark.usefixtures("prefect_api")]


@flow
def work():
    pass


@pytest.mark.parametrize(
    ("state", "status", "found"),
    [
        (Cancelling(), 1, StateType.CANCELLED),
        (Running(), 1, StateType.RUNNING),
        (Cancelling(), 0, StateType.CANCELLING),
    ],
)
def test_only_a_failed_process_of_a_run_that_is_being_cancelled_ends_it(monkeypatch, state, status, found):
    """The worker reports how every other one ends."""
    monkeypatch.setattr(engine, "_run", lambda: status)
    with get_client(sync_client=True) as client:
        run = client.create_flow_run(work, state=state)
        monkeypatch.setenv(FLOW_RUN, str(run.id))
        assert engine.run() == status
        assert client.read_flow_run(run.id).state_type == found


def test_an_api_that_does_not_answer_changes_no_exit_status(monkeypatch):
    """The process has failed, whatever can be reported."""
    monkeypatch.setattr(engine, "_run", lambda: 3)
    monkeypatch.setenv(FLOW_RUN, "no id")
    assert engine.run() == 3
