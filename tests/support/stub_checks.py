"""A check of checkpoints that reads none: files of a few bytes stand for models, a thousand of which cost nothing."""

from storage import keys
from storage.schemas import RESULTS
from storage.tables import TableWriter

CLASSES = 3


def summary(kind, *_):
    """The summary of any checkpoint, or of any head."""
    head = {"classes": CLASSES, "features": 16}
    if kind == "head":
        return head
    facts = {"architecture": None, "tower": "tiny", "assumed": None, "pixels": [], "described": {}}
    layout = {"visual.proj": "[16,16] float32"}
    tower = {"layout": layout, "image_size": 16, "completed": False, "uncovered": None, "text_features": None}
    return {**head, **tower, **facts}


def commit_results(store, found):
    """Commit results without rows for new checkpoints, so that a look finds them evaluated."""
    for new in found:
        key = keys.results(new.experiment.name, new.run_id)
        TableWriter(store, key, RESULTS, identity={"run": new.run_id}).commit()
