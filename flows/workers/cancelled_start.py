"""The end of a flow run that was cancelled while its process started.

Prefect 3.8.8 refuses to start such a run, and its process ends with an error. The worker takes that for the end that
somebody wanted, so that the run would stay in the state Cancelling for ever.
"""

import os
from contextlib import suppress
from uuid import UUID

FLOW_RUN = "PREFECT__FLOW_RUN_ID"
"""The variable in which a worker names the run."""


def end_if_cancelling() -> None:
    """Report that the run of this process is cancelled, if somebody has asked for it; called after it failed."""
    from prefect.client.orchestration import get_client  # noqa: PLC0415  most runs do not fail
    from prefect.states import Cancelled  # noqa: PLC0415

    with suppress(Exception), get_client(sync_client=True) as client:  # without an answer, an automation ends the run
        run = client.read_flow_run(UUID(os.environ[FLOW_RUN]))
        if run.state is not None and run.state.is_cancelling():
            message = "It was cancelled while its process started."
            client.set_flow_run_state(run.id, Cancelled(message=message), force=True)
