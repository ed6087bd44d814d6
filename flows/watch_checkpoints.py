"""Flow: one look for new checkpoints; each starts a run of its experiment, once."""

import logging
from collections.abc import Sequence

from prefect import flow, tags
from prefect.client.orchestration import get_client
from prefect.client.schemas.objects import FlowRun
from prefect.deployments import arun_deployment
from prefect.exceptions import ObjectNotFound

from flows.experiment.file import load_experiment
from flows.pages.leaderboard_file import write_leaderboard
from flows.planning.new_checkpoints import NewCheckpoint, new_checkpoints
from flows.run_experiment import run_experiment
from flows.workers.dispatch import ChildFailed
from flows.workers.tags import tags_of
from storage import keys
from storage.identity import digest_of
from storage.soundness import is_committed
from storage.store import Store, open_store

RUN = "run-experiment/scheduled"  # as prefect.yaml calls it
_ATTEMPTS = 3  # runs of one checkpoint, when the earlier ones failed

log = logging.getLogger("dawin.watch")


@flow(name="watch-checkpoints", flow_run_name="watch {experiment}")
async def watch_checkpoints(
    experiment: str, store: str, checkpoint: str | None = None, settings: Sequence[str] = ()
) -> list[str]:
    """Start a run for every new checkpoint and return their addresses.

    The runs are those of the deployment `run-experiment/scheduled`; where it does not exist, they run in this process,
    one after the other.

    Args:
        experiment: path or name of an experiment file, in which the checkpoint of one model is a pattern; empty: no
            pattern is watched, as in deployments made without an experiment.
        store: address of the store.
        checkpoint: address of the one checkpoint to look at, as an event names it; None: all.
        settings: such as `merge.clusters=5`, over those of the file. Each run gets its experiment with these settings,
            here and as a run of the deployment.

    Raises:
        ChildFailed: runs in this process failed; the others ran all the same.
    """
    if not experiment:
        log.info("no experiment is watched")
        return []
    opened = open_store(store)
    found = list(new_checkpoints(load_experiment(experiment, tuple(settings)), opened, checkpoint))
    elsewhere = await _is_deployed()
    started, failed = [], []
    for new in found:
        try:
            if not elsewhere:
                with tags(*tags_of(new.experiment)):
                    await run_experiment(new.experiment, opened.url)
            elif not await _start(new, opened):
                continue
        except Exception as error:
            log.exception("%s: its run failed", new.url)
            failed.append(f"{new.url}: {error}")
            continue
        started.append(new.url)
    log.info("%s: %d new checkpoints, %d runs started", experiment, len(found), len(started))
    _keep_leaderboard(opened)
    if failed:
        raise ChildFailed(f"{len(failed)} of {len(found)} runs failed: {'; '.join(failed)}")
    return started


def _keep_leaderboard(store: Store) -> None:
    """Bring the leaderboard's page beside the results up to date; a fault is a warning, as no run depends on it."""
    try:
        write_leaderboard(store)
    except Exception as error:
        log.warning("no leaderboard: %s", next(iter(str(error).splitlines()), repr(error)))


async def _is_deployed() -> bool:
    async with get_client() as client:
        try:
            await client.read_deployment_by_name(RUN)
        except ObjectNotFound:
            return False
    return True


async def _start(new: NewCheckpoint, store: Store) -> bool:
    """Start a checkpoint's run; return whether it is under way now.

    The idempotency key holds content and store, so that another look, or another name of the same content, gets the
    run that exists. A failed run gets a successor, up to a number of attempts, and so does one whose results are gone;
    a cancelled run gets none.
    """
    place = digest_of({"store": store.url})[:12]
    key = f"ckpt-{new.digest}-{new.run_id}-{place}"
    for _ in range(_ATTEMPTS):
        run: FlowRun = await arun_deployment(
            RUN,
            parameters={"experiment": new.experiment.model_dump(mode="json"), "store": store.url},
            flow_run_name=f"{new.experiment.name}: {new.name}",
            timeout=0,
            tags=tags_of(new.experiment),
            idempotency_key=key,
            as_subflow=False,
        )
        if run.state is None or not run.state.is_final():
            return True
        if run.state.is_cancelled():
            log.info("%s: its run %s was cancelled; not run again until its experiment changes", new.url, run.id)
            return False
        if is_committed(store, keys.results(new.experiment.name, new.run_id)):
            return False  # it completed since the look
        key = f"{key}-after-{run.id}"
    log.error("%s: %d runs without results; not run again until its experiment changes", new.url, _ATTEMPTS)
    return False
