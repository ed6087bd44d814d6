"""Parts of made-up runs, and a fake computation that records the order and lets parts fail or wait."""

import asyncio

from flows.planning.plan_parts import Part


def part(stage, dataset, *waits_for, passes=1, missing=None):
    """Return a part; `make` has a model's method in place of a data set."""
    if stage == "make":
        return Part(f"make {dataset}", "make", "", dataset, waits_for, passes, 1 if missing is None else missing)
    return Part(f"{stage} {dataset}", stage, dataset, "", waits_for, passes, passes if missing is None else missing)


def chain(dataset, passes=1, *waits_for):
    """Return extract, fit and evaluate of a data set; the evaluation waits for more parts."""
    return [
        part("extract", dataset, passes=passes),
        part("fit", dataset, f"extract {dataset}", passes=0, missing=1),
        part("evaluate", dataset, f"fit {dataset}", *waits_for, passes=passes),
    ]


class FakeComputation:
    """Records when parts begin and end.

    Args:
        failing: by name of a part, the error that it raises.
        held: names of parts that do not end until the test sets their event.
    """

    def __init__(self, failing=None, held=()):
        self.failing, self.held = failing or {}, {name: asyncio.Event() for name in held}
        self.events, self.cancelled = [], []

    async def compute(self, part):
        """Compute a part."""
        self.events.append(("begin", part.name))
        try:
            await asyncio.sleep(0)
            if part.name in self.held:
                await self.held[part.name].wait()
        except asyncio.CancelledError:
            self.cancelled.append(part.name)
            raise
        if part.name in self.failing:
            raise self.failing[part.name]
        self.events.append(("end", part.name))
        for name in self.held:
            if self.releases(name):
                self.held[name].set()

    def releases(self, name):
        """Return whether a held part may end now; a test replaces it."""
        return False

    @property
    def begun(self):
        """The names of the parts that have begun, in order."""
        return [name for kind, name in self.events if kind == "begin"]
