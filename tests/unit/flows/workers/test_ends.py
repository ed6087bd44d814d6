"""The ends of children: one request for all of them, despite faults of the API, deleted runs and cancelled waits."""

import asyncio
import uuid
from types import SimpleNamespace

import httpx
import pytest
from prefect.exceptions import ObjectNotFound
from prefect.states import Cancelled, Completed, Crashed, Failed

from flows.workers import ends as module
from flows.workers.ends import Ends

RUNS = [uuid.uuid4() for _ in range(100)]


def answer(status):
    """The error of an answer with a status."""
    request = httpx.Request("POST", "http://api/flow_runs/filter")
    return httpx.HTTPStatusError("refused", request=request, response=httpx.Response(status, request=request))


class Api:
    """Prefect's client: runs end at the request that `ends` says, requests fail as `faults` says, some are deleted."""

    def __init__(self, ends, faults=(), deleted=()):
        self.ends, self.faults, self.deleted, self.asked = ends, dict(faults), set(deleted), []

    async def __aenter__(self):
        return self

    async def __aexit__(self, *_):
        pass

    async def read_flow_runs(self, *, flow_run_filter):
        self.asked.append(set(flow_run_filter.id.any_))
        assert {kind.value for kind in flow_run_filter.state.type.any_} == {
            "COMPLETED",
            "FAILED",
            "CANCELLED",
            "CRASHED",
        }
        if len(self.asked) in self.faults:
            raise self.faults[len(self.asked)]
        over = {run: state for run, (request, state) in self.ends.items() if request <= len(self.asked)}
        return [SimpleNamespace(id=run, state=over[run]) for run in flow_run_filter.id.any_ if run in over]

    async def count_flow_runs(self, *, flow_run_filter):
        return len(set(flow_run_filter.id.any_) - self.deleted)

    async def read_flow_run(self, run):
        if run in self.deleted:
            raise ObjectNotFound(answer(404))


@pytest.fixture
def api(monkeypatch):
    """Return a function that puts an `Api` in the place of Prefect's."""
    monkeypatch.setattr(module, "_SECONDS", 0)
    monkeypatch.setattr(module, "_RETRY_SECONDS", 0)

    def made(*arguments, **options):
        made_api = Api(*arguments, **options)
        monkeypatch.setattr(module, "get_client", lambda: made_api)
        return made_api

    return made


def waited(runs):
    """Wait for all runs at the same time; return their states or errors."""

    async def wait():
        return await asyncio.gather(*map(Ends().of, runs), return_exceptions=True)

    ended = asyncio.run(asyncio.wait_for(wait(), 20))
    return [one if isinstance(one, Exception) else one.state for one in ended]


def test_many_runs_are_asked_for_together(api):
    """Each wait gets the state of its own run, and a request asks for all runs that have not ended."""
    states = [Completed(), Failed(), Cancelled(), Crashed()]
    ends = {run: (1 + number % 7, states[number % 4]) for number, run in enumerate(RUNS)}
    served = api(ends)
    assert waited(RUNS) == [ends[run][1] for run in RUNS]
    assert len(served.asked) == 7
    assert served.asked[0] == set(RUNS)
    assert served.asked[-1] == {run for run in RUNS if ends[run][0] == 7}


@pytest.mark.parametrize("fault", [httpx.ConnectError("down"), httpx.ReadTimeout("slow"), answer(503), answer(429)])
def test_a_run_is_waited_for_while_the_api_does_not_answer(api, fault):
    """A connection error, silence or a fault of the server ends no wait."""
    served = api({RUNS[0]: (4, Completed())}, faults={1: fault, 2: fault})
    (state,) = waited(RUNS[:1])
    assert state.is_completed()
    assert len(served.asked) == 4


@pytest.mark.parametrize("fault", [answer(401), answer(422), ValueError("no JSON")])
def test_a_refused_request_ends_every_wait(api, fault):
    """Whoever waits gets the error, since another request would have the same answer."""
    api({}, faults={2: fault})
    assert waited(RUNS[:3]) == [fault] * 3


def test_a_deleted_run_ends_its_own_wait_only(api, monkeypatch):
    """It will never have a final state; the others are waited for."""
    monkeypatch.setattr(module, "_LOOK_FOR_DELETED", 3)
    api({run: (9, Completed()) for run in RUNS[1:]}, deleted=RUNS[:1])
    gone, *states = waited(RUNS[:5])
    assert isinstance(gone, ObjectNotFound)
    assert all(state.is_completed() for state in states)


def test_a_wait_that_is_cancelled_disturbs_no_other(api):
    """Its run is not asked for any more, and the requests end with the last wait."""
    served = api({RUNS[1]: (6, Completed())})

    async def wait():
        ends = Ends()
        first, second = (asyncio.ensure_future(ends.of(run)) for run in RUNS[:2])
        while len(served.asked) < 3:
            await asyncio.sleep(0)
        first.cancel()
        state = (await second).state
        await ends._asking
        return first.cancelled(), state, len(served.asked)

    cancelled, state, asked = asyncio.run(asyncio.wait_for(wait(), 20))
    assert (cancelled, state.is_completed(), asked) == (True, True, 6)
    assert served.asked[-1] == {RUNS[1]}
