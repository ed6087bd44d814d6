"""What flow runs are found by in the Prefect UI."""

from prefect.client.orchestration import get_client
from prefect.runtime import flow_run

from flows.experiment.settings import Experiment


def tags_of(experiment: Experiment, dataset: str | None = None) -> list[str]:
    """Return a run's tags: its experiment, the checkpoints it evaluates (not the base), its data set if it has one.

    All bear `dawin`: infra/heartbeats.py knows ours by it.
    """
    checkpoints = dict.fromkeys(model.checkpoint.rstrip("/").rpartition("/")[2] for model in experiment.models[1:])
    chosen = ["dawin", f"experiment:{experiment.name}", *(f"checkpoint:{name}" for name in checkpoints)]
    return chosen if dataset is None else [*chosen, f"dataset:{dataset}"]


async def tag_this_run(experiment: Experiment) -> None:
    """Give the flow run that this is called in those tags of its experiment that nobody gave it before."""
    missing = set(tags_of(experiment)) - set(flow_run.tags)
    if missing and flow_run.id:
        async with get_client() as client:
            await client.update_flow_run(flow_run.id, tags={*flow_run.tags, *missing})
