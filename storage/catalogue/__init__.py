"""The catalogue: all runs of a store and their results in a few objects, so that readers list and open no run.

It is a view. The manifests below `results/` say which runs exist, and `rebuild` makes the catalogue of them again. Its
objects lie in `catalogue/`:

- `versions/00000042.json` names the objects that make up the catalogue (`storage.catalogue.layout.Version`). Only
  `Store.create` writes a version, so of two writers at one number the first wins, and the other one starts again on
  top of it. The highest number counts. A version holds the facts about recent runs itself.
- `parts/…-recent.parquet` has all rows of the recent runs, at most 64 of them; each commit writes it again. After that
  many runs they move to the main parts:
- `parts/…-segment.parquet` have the rows of at most 512 runs each, and are written twice at most: once for 64 runs, and
  once when eight of these become one. Moving 64 runs therefore costs the same after 10,000 runs as after 100. A
  single main part, written again for each 64 runs, would need seconds and gigabytes for it.
- `parts/…-runs.parquet` has one row for each run in the segments.
- `parts/…-newest.parquet` has the top-1 rows of the newest runs of each experiment: all that a terminal shows.
- `pending/EXPERIMENT/RUN/TIME-ID` says that a run's results are about to be committed (`storage.catalogue.notes`).

A reader of the leaderboard requests one listing, one version, and three parts, whatever the number of runs, and one
manifest for each pending note. In a local store it also looks at the files of all runs, which takes microseconds each:
runs that were deleted, damaged or added by hand show at once. On S3 these show after `dawin store verify --repair`.

`commit_results` notes a run as pending, commits it, folds it into a new version, and deletes the note. A process that
is killed in between leaves the note, and readers then look at the run's own manifest, until any writer has folded it.
A Delta table would serve the same purpose, with a further dependency and with a log that readers have to replay.
"""

from storage.catalogue.committing import commit_results
from storage.catalogue.layout import NEWEST
from storage.catalogue.reading import Look, look
from storage.catalogue.rebuilding import faults, forget, rebuild, runs

__all__ = ["NEWEST", "Look", "commit_results", "faults", "forget", "look", "rebuild", "runs"]
