"""The runs that somebody gives up: by their number in an experiment, and by age."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from flows.errors import ExperimentError
from flows.upkeep.kept import Run, order_of
from storage.text import shown
from tasks.errors import did_you_mean

_DAY = 24 * 3600.0


@dataclass(frozen=True, kw_only=True)
class RunChoice:
    """The runs to remove; without a number and an age none."""

    keep_last: int | None = None
    """The number of newest runs of each experiment that stay."""
    older_than: float | None = None
    """Days: younger runs stay."""
    experiment: str | None = None
    """Name of the only experiment whose runs go; None: all."""

    def check(self) -> None:
        """Refuse a choice that says nothing, or a negative number.

        Raises:
            ExperimentError: the message names the option and what to add.
        """
        if self.experiment is not None and self.keep_last is None and self.older_than is None:
            raise ExperimentError(
                f"--experiment {shown(self.experiment)}: wanted the runs to remove beside it, --keep-last N or "
                "--older-than DAYS"
            )
        for option, value in (("--keep-last", self.keep_last), ("--older-than", self.older_than)):
            if value is not None and not value >= 0:
                raise ExperimentError(f"{option}: wanted 0 or more, got {value:g}")

    def chosen(self, runs: Sequence[Run], latest: Mapping[str, str | None], now: float) -> list[Run]:
        """Return the runs to remove.

        The latest run of an experiment counts as its newest, and stays unless `keep_last` is 0.

        Args:
            runs: all runs of the store.
            latest: the run that commands show, by experiment.
            now: seconds since 1970 by the store's clock.

        Raises:
            ExperimentError: the store has no results of the experiment; the message lists those that it has.
        """
        self.check()
        names = sorted({run.experiment for run in runs})
        if self.experiment is not None and self.experiment not in names:
            hint = did_you_mean(self.experiment, names) or ";"
            known = ", ".join(map(shown, names)) or "none"
            raise ExperimentError(f"--experiment {shown(self.experiment)}: no results{hint} known: {known}")
        if self.keep_last is None and self.older_than is None:
            return []
        by_name = dict[str, list[Run]]()
        for run in sorted(runs, key=order_of, reverse=True):
            by_name.setdefault(run.experiment, []).append(run)
        found = list[Run]()
        for name in names if self.experiment is None else [self.experiment]:
            own = sorted(by_name[name], key=lambda run: run.run_id != latest.get(run.experiment))  # the latest first
            found += own[1 if self.keep_last is None else self.keep_last :]
        if self.older_than is None:
            return found
        # a store that was copied has younger files than its runs say, and a clock of another machine may be wrong
        before = now - self.older_than * _DAY
        return [run for run in found if max(order_of(run)[0], run.written) < before]
