"""The progress of a part of a run in Prefect's UI. A failure to show it is a warning: the work itself goes on."""

import logging
from uuid import UUID

from prefect.artifacts import acreate_progress_artifact, aupdate_progress_artifact

log = logging.getLogger("dawin.dispatch")


async def begin_progress(title: str) -> UUID | None:
    """Show that nothing is done yet, and return the artifact's id; None if the API does not answer.

    Args:
        title: of the part.
    """
    try:
        found: UUID = await acreate_progress_artifact(progress=0.0, description=title)
    except Exception as error:
        log.warning("progress of %s not shown: %s", title, error)
        return None
    return found


async def show_progress(progress: UUID | None, done: int, total: int, title: str) -> None:
    """Show how much of a part is done.

    Args:
        progress: from `begin_progress`; None: nothing is shown.
        done: how many of its objects or models.
        total: the number of all.
        title: of the part.
    """
    if progress is None:
        return
    try:
        shown = f"{done} of {total}: {title}"
        await aupdate_progress_artifact(artifact_id=progress, progress=100.0 * done / total, description=shown)
    except Exception as error:
        log.warning("progress not shown (%d of %d: %s): %s", done, total, title, error)
