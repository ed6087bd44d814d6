"""Progress in the UI: a failure to show it disturbs no work."""

import asyncio
import uuid

import httpx
import pytest
from log_lines import heard

from flows.reports import progress_artifact as module


@pytest.fixture
def api(monkeypatch):
    """Records what is shown; a test sets `error` to have every request fail."""

    class Api:
        error, shown = None, []

        async def answer(self, **fields):
            if self.error:
                raise self.error
            self.shown.append(fields)
            return uuid.UUID(int=1)

    made = Api()
    made.shown = []
    monkeypatch.setattr(module, "acreate_progress_artifact", made.answer)
    monkeypatch.setattr(module, "aupdate_progress_artifact", made.answer)
    return made


def shown(done):
    async def go():
        progress = await module.begin_progress("extract one")
        await module.show_progress(progress, done, 4, "extract one")

    asyncio.run(go())


def test_progress_is_a_percentage_and_counts(api):
    """It begins with nothing."""
    shown(1)
    assert api.shown == [
        {"progress": 0.0, "description": "extract one"},
        {"artifact_id": uuid.UUID(int=1), "progress": 25.0, "description": "1 of 4: extract one"},
    ]


def test_an_api_that_does_not_answer_costs_a_warning(api):
    """The part goes on without its progress in the UI."""
    api.error = httpx.ConnectError("down")
    with heard("dawin.dispatch") as lines:
        shown(1)
        asyncio.run(module.show_progress(uuid.uuid4(), 1, 4, "extract one"))
    assert lines == ["progress of extract one not shown: down", "progress not shown (1 of 4: extract one): down"]
