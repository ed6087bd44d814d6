"""Tags of flow runs: filters in the Prefect UI."""

from prefect.client.orchestration import get_client
from prefect.runtime import flow_run

from flows.experiment.settings import Experiment


def tags_of(experiment: Experiment, dataset: str | None = None) -> list[str]:
    """Return the tags of a run: its experiment, the checkpoints that it evaluates, and its data set.

    Every run has the tag `dawin`, by which infra/heartbeats.py recognises it.

    Args:
        experiment: the settings; the first model is the base, which has no tag.
        dataset: name of the data set of a child; None: the run has all data sets.
    """
    checkpoints = dict.fromkeys(model.checkpoint.rstrip("/").rpartition("/")[2] for model in experiment.models[1:])
    chosen = ["dawin", f"experiment:{experiment.name}", *(f"checkpoint:{name}" for name in checkpoints)]
    return chosen if dataset is None else [*chosen, f"dataset:{dataset}"]


async def tag_this_run(experiment: Experiment) -> None:
    """Add the missing tags of an experiment to the flow run that calls this."""
    missing = set(tags_of(experiment)) - set(flow_run.tags)
    if missing and flow_run.id:
        async with get_client() as client:
            await client.update_flow_run(flow_run.id, tags={*flow_run.tags, *missing})
