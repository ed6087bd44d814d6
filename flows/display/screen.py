"""What a person sees of a run: header, progress, warnings. Results follow on standard output."""

import sys
from contextlib import ExitStack
from types import TracebackType

from rich.text import Text

from flows.display.consoles import standard_error
from flows.display.header import device_in_words, field, header
from flows.display.live_block import LiveBlock
from flows.display.plain_lines import PlainLines
from flows.display.planned import planned_stages
from flows.display.stages import Stage, Stages
from flows.display.warning_lines import WarningLines, instead_of_log_lines
from flows.planning.plan import Plan
from tasks.progress import listening


class Screen:
    """Shows the progress of all work inside its `with` block, and the warnings, on standard error.

    A terminal has a live block with a bar for each stage. Anything else, and a verbose run, has plain lines.

    Args:
        quiet: whether to show nothing.
        verbose: whether Prefect's log lines are shown too; they would tear a live block apart.
        waiting: what happens before any work begins, in words.

    Attributes:
        is_verbose: whether Prefect's log lines are shown too.
        stages: the stages so far.
        warnings: shows warnings, each once.
    """

    def __init__(self, *, quiet: bool = False, verbose: bool = False, waiting: str = "starting") -> None:
        self._quiet, self.is_verbose = quiet, verbose
        self._console = standard_error()
        self._waiting = waiting
        self._is_live = self._console.is_terminal and not verbose and not quiet
        self._plain = PlainLines(self._console)
        self.stages = Stages(self._observe)
        self.warnings = WarningLines(self._show_warning)
        self._shows_device = False
        self._open = ExitStack()

    def __enter__(self) -> "Screen":
        self._open.enter_context(listening(self.stages))
        if not self.is_verbose:
            self._open.enter_context(instead_of_log_lines(self.warnings))
        if self._is_live:
            self._open.enter_context(LiveBlock(self.stages, self._console, self._waiting))
        elif not self._quiet:
            self._open.push(self._close_lines)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._open.__exit__(kind, error, trace)

    def plan(self, plan: Plan, *, pool: str | None = None) -> None:
        """Show the header of a run and its warnings, and expect the stages of its plan.

        Args:
            plan: the plan of the run, before anything is computed.
            pool: the work pool that runs the models; None: they run in this process.
        """
        steps = plan.steps()
        is_done = not any(step.missing for step in steps) and plan.has_results
        if not self._quiet:
            for line in header(plan, steps, is_done=is_done, pool=pool):
                self._console.print(line, soft_wrap=True)
        for note in plan.notes:
            self.warnings.warn(note)
        if not is_done:
            self.stages.plan(planned_stages(plan, steps))
            self._shows_device = pool is None and not self._quiet

    def expect(self, stage: str, total: int, unit: str = "images") -> None:
        """Expect a stage of work that no plan names, so that its bar has the whole length from the begin.

        Args:
            stage: its name, as `tasks.progress.work` has it.
            total: its size in units.
            unit: in the plural.
        """
        self.stages.plan([Stage(stage, unit, total)])

    @property
    def known(self) -> tuple[str, ...]:
        """The warnings that this screen has printed; the results table does not repeat them."""
        return tuple(self.warnings.printed) if self._console.is_terminal and not self._quiet else ()

    def _observe(self, stage: Stage, event: str) -> None:
        if self._shows_device and "torch" in sys.modules:
            self._shows_device = False
            self._console.print(field("device", device_in_words()))
        if not self._is_live and not self._quiet:
            self._plain(stage, event)

    def _close_lines(self, kind: type[BaseException] | None, _error: object, _trace: TracebackType | None) -> None:
        self._plain.close(is_done=kind is None)

    def _show_warning(self, line: str) -> None:
        if not self._quiet:
            self._console.print(Text.assemble(("warning ", "yellow"), line), soft_wrap=not self._is_live)
