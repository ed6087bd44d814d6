"""Flow: one look for checkpoints that have landed; each new one starts a run of its experiment, once."""

import logging

from prefect import flow, tags
from prefect.client.orchestration import get_client
from prefect.client.schemas.objects import FlowRun
from prefect.deployments import arun_deployment
from prefect.exceptions import ObjectNotFound

from flows.experiment.file import load_experiment
from flows.planning.new_checkpoints import Landed, new_checkpoints
from flows.run_experiment import run_experiment
from flows.workers.dispatch import ChildFailed
from flows.workers.tags import tags_of
from storage import keys
from storage.identity import digest_of
from storage.soundness import is_committed
from storage.store import Store, open_store

RUN = "run-experiment/scheduled"  # as prefect.yaml calls it
_ATTEMPTS = 3  # runs that a checkpoint is given, when those before it failed

log = logging.getLogger("dawin.watch")


@flow(name="watch-checkpoints", flow_run_name="watch {experiment}")
async def watch_checkpoints(experiment: str, store: str, checkpoint: str | None = None) -> list[str]:
    """Start a run for every checkpoint that has landed and is not evaluated; return their addresses.

    Runs are started on the deployment `run-experiment/scheduled`; where there is none they are done here, one by one.

    Args:
        experiment: path or name of an experiment file, one of whose models' checkpoints is a pattern; empty: none is
            watched, as in deployments made without one.
        store: address of the store.
        checkpoint: the address of one that is known to have landed; None: all are looked for.

    Raises:
        ChildFailed: runs that were done here failed; those after them were done all the same.
    """
    if not experiment:
        log.info("no experiment is watched")
        return []
    opened = open_store(store)
    found = list(new_checkpoints(load_experiment(experiment), opened, checkpoint))
    elsewhere = await _is_deployed()
    started, failed = [], []
    for landed in found:
        try:
            if not elsewhere:
                with tags(*tags_of(landed.experiment)):
                    await run_experiment(landed.experiment, opened.url)
            elif not await _start(landed, opened):
                continue
        except Exception as error:
            log.exception("%s: its run failed", landed.url)
            failed.append(f"{landed.url}: {error}")
            continue
        started.append(landed.url)
    log.info("%s: %d new checkpoints, %d runs started", experiment, len(found), len(started))
    if failed:
        raise ChildFailed(f"{len(failed)} of {len(found)} runs failed: {'; '.join(failed)}")
    return started


async def _is_deployed() -> bool:
    async with get_client() as client:
        try:
            await client.read_deployment_by_name(RUN)
        except ObjectNotFound:
            return False
    return True


async def _start(landed: Landed, store: Store) -> bool:
    """Start a checkpoint's run; tell whether it is under way now.

    The key is that of content and store, so that whoever asks again, by another name or from another poll, gets the run
    there is. One that failed gets a successor, up to a number, and so does one whose results are gone; one that was
    cancelled gets none.
    """
    place = digest_of({"store": store.url})[:12]
    key = f"ckpt-{landed.digest}-{landed.run_id}-{place}"
    for _ in range(_ATTEMPTS):
        run: FlowRun = await arun_deployment(
            RUN,
            parameters={"experiment": landed.experiment.model_dump(mode="json"), "store": store.url},
            flow_run_name=f"{landed.experiment.name}: {landed.name}",
            timeout=0,
            tags=tags_of(landed.experiment),
            idempotency_key=key,
            as_subflow=False,
        )
        if run.state is None or not run.state.is_final():
            return True
        if run.state.is_cancelled():
            log.info("%s: its run %s was cancelled; looked at no more until its experiment changes", landed.url, run.id)
            return False
        if is_committed(store, keys.results(landed.experiment.name, landed.run_id)):
            return False  # it has completed since the look
        key = f"{key}-after-{run.id}"
    log.error("%s: %d runs without results; looked at no more until its experiment changes", landed.url, _ATTEMPTS)
    return False
