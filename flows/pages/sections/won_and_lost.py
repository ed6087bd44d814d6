"""Pictures of samples that the merge wins and loses."""

import logging
from collections.abc import Mapping, Sequence

from flows.pages.figures import PERCENT
from flows.pages.parts import Gallery, Line, Note, Part, Picture, Section
from flows.pages.picked_samples import Picked, by_dataset, picked_samples
from flows.pages.run_data import RunData
from storage.errors import StorageError
from tasks.errors import InputError
from tasks.opening.thumbnails import Thumbnail, thumbnails

log = logging.getLogger("dawin.report")

MOST = 40
"""Pictures of a report at most."""


def won_and_lost(run: RunData, merge: str | None) -> Section | None:
    """Return the section; None without labels, or where no prediction differs.

    Args:
        run: the run.
        merge: the method of DaWin that the report looks at.
    """
    picked = picked_samples(run, merge, MOST) if merge else []
    if not picked or merge is None:
        return None
    pictures, reasons = _opened(run, picked)
    parts: list[Part] = [Note(text=text) for text in reasons]
    names = {run.individual(model): model for model in run.models}
    for outcome in ("won", "lost"):
        mine = [(one, pictures[one.dataset, one.sample]) for one in picked if one.outcome == outcome]
        if shown := [_picture(one, small, names) for one, small in mine if small is not None]:
            parts.append(Gallery(title=f"Samples that {merge} {outcome}", pictures=tuple(shown)))
    several = len(run.models) > 2
    tuned = "the fine-tuned model that is best on the data set" if several else "the fine-tuned model"
    words = (
        f"Won: `{merge}` is right and {tuned} is wrong. Lost: it is wrong, and {tuned} or the base is right. Shown "
        "are the samples of which the predictions are most confident, so these are no random samples.",
    )
    return Section(id="samples", title="Samples won and lost", words=words, parts=tuple(parts))


def _opened(run: RunData, picked: Sequence[Picked]) -> tuple[Mapping[tuple[str, int], Thumbnail | None], list[str]]:
    """Return the picture of each sample, None where it cannot be opened, and the reasons in words."""
    found: dict[tuple[str, int], Thumbnail | None] = {(one.dataset, one.sample): None for one in picked}
    reasons = []
    datasets = {dataset.name: dataset for dataset in run.plan.datasets}
    for name, mine in by_dataset(picked).items():
        try:
            opened = thumbnails(datasets[name], [one.sample for one in mine])
        except (InputError, StorageError, OSError) as error:
            log.info("report: pictures of %s: %s", name, error)
            reasons.append(f"The images of `{name}` cannot be shown: {error}.")
            continue
        found |= {(name, index): small for index, small in opened.items()}
    return found, reasons


def _picture(one: Picked, small: Thumbnail, names: Mapping[str, str]) -> Picture:
    lines = tuple(
        Line(
            label=names.get(said.method, said.method),
            text=f"{said.label}, {100 * said.confidence:.0f}{PERCENT}",
            mark="right" if said.is_right else "wrong",
        )
        for said in one.said
    )
    return Picture(
        content=small.content,
        media_type="image/webp",
        width=small.width,
        height=small.height,
        alternative=f"sample {one.sample} of {one.dataset}, {one.label}",
        caption=f"**{one.label}**, {one.dataset}",
        lines=lines,
    )
