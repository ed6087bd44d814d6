"""What each part of a run computes: it sends children, fits or mixes, and computes damaged objects again."""

import asyncio
import logging
from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from functools import partial
from typing import TypeVar

from flows.computing.beside import in_thread
from flows.computing.fits import fit, mix
from flows.experiment.settings import Experiment
from flows.planning.absent import absent
from flows.planning.plan import Plan
from flows.planning.plan_parts import Part, parts_of
from flows.planning.plan_works import spans_of, works_of
from flows.reports.artifacts import publish_coefficients
from flows.reports.progress_artifact import begin_progress, show_progress
from flows.scheduling.schedule import Schedule
from flows.scheduling.sizes import Sizing
from flows.workers.children import Child, Children
from flows.workers.dispatch import STAGES, ChildCancelled, ChildFailed, dispatch, send_child
from flows.workers.pool import in_flight, pool
from flows.workers.sender import Sender
from flows.workers.sharing import share_of
from storage.errors import ObjectDamaged, ObjectMissing
from storage.spans import Span
from tasks.progress import work
from tasks.references.datasets import DatasetReference
from tasks.upgrading import upgrade_outputs

T = TypeVar("T")

log = logging.getLogger("dawin.run")

REPAIRS = 3  # damaged objects found by reading, one after the other, that are computed again for each data set


class Computation:
    """Computes the parts of a run.

    All parts of a data set share one look at its tables. Those of other data sets may be computed at the same time.

    Args:
        plan: the plan of the run.
        key: the plan's key in the store.
        experiment: names and tags the children.
        parts: of the run, in the order in which those that are ready begin.
    """

    def __init__(self, plan: Plan, key: str, experiment: Experiment, parts: Sequence[Part]) -> None:
        self._plan, self._order = plan, [part.name for part in parts]
        self._parts = {part.name: part for part in parts}
        self._plans = {dataset.name: plan.on(dataset.name) for dataset in plan.datasets}
        self._children = {name: Children(own, key, experiment) for name, own in self._plans.items()}
        self._of_models = Children(plan, key, experiment)
        self._sender = _sender(plan, parts, experiment) if pool() is not None else None
        self._heavy = asyncio.Lock()  # a fit uses all cores
        self._locks = defaultdict[str, asyncio.Lock](asyncio.Lock)
        self._repairs, self._computed, self._ahead = Counter[str](), Counter[str](), set[str]()

    async def compute(self, part: Part) -> None:
        """Compute the missing tables of a part; if one that it reads is damaged, compute what it is made of again.

        Raises:
            ChildCancelled: a child was cancelled.
            Exception: the part failed.
        """
        todo = [part]
        while True:
            try:
                for one in todo:
                    async with self._locks[one.name]:  # two data sets may repair one made model
                        await self._compute(one)
            except (ObjectDamaged, ObjectMissing) as error:  # its reader took its commit back: it counts as missing now
                subject = part.dataset or part.name
                self._repairs[subject] += 1
                if not str(error).startswith(f"{self._plan.store.url}/") or self._repairs[subject] > REPAIRS:
                    raise  # an input is missing: no run computes it
                log.warning("%s: this run computes it now", error)
                self._plan.look_again()  # another process may have removed the object
                for own in self._plans.values():
                    own.look_again()
                todo = [*self._before(part), part]
            else:
                return

    def _before(self, part: Part) -> list[Part]:
        """Return the parts that a part waits for, directly or not, in their order."""
        found = dict[str, Part]()
        for name in part.waits_for:
            own = self._parts[name]
            found |= {one.name: one for one in (*self._before(own), own)}
        return list(found.values())

    async def _compute(self, part: Part) -> None:
        self._computed[part.name] += 1
        if part.stage == "make":
            await self._send(part, self._of_models.merge(part.model))
            return
        plan, children = self._plans[part.dataset], self._children[part.dataset]
        (dataset,) = plan.datasets
        if part.stage in ("fit", "evaluate"):
            self._decode_ahead(part)
        match part.stage:
            case "extract":
                await self._prepare(plan)
                await self._send(part, children.extract(dataset, plan.extracted(dataset)))
            case "judge":
                await self._send(part, children.extract(dataset, plan.judges(dataset)))
            case "fit":
                await self._fit(plan, dataset)
            case "mix":
                if ensembles := plan.missing(plan.ensembles(dataset)):
                    await self._run(lambda: mix(dataset, ensembles, plan.store))
            case _:
                await self._send(part, children.evaluate(dataset, part.stage))

    def _decode_ahead(self, part: Part) -> None:
        """In one process, begin to decode the images of the data set that is extracted next."""
        if pool() is not None or part.dataset in self._ahead or not part.missing:
            return
        self._ahead.add(part.dataset)
        for name in self._order[self._order.index(part.name) :]:
            later = self._parts[name]
            if later.stage == "extract" and later.passes:
                from tasks.streaming.ahead import begin  # noqa: PLC0415  loads torch, which a parent seldom needs
                from tasks.streaming.devices import default_device  # noqa: PLC0415

                plan = self._plans[later.dataset]
                (dataset,) = plan.datasets
                begin(dataset, plan.reading, default_device(), plan.spans_to_extract(dataset))
                return

    def close(self) -> None:
        """Stop the decoding of images that no pass has taken."""
        if self._ahead:
            from tasks.streaming.ahead import drop  # noqa: PLC0415  see above

            drop()

    async def _prepare(self, plan: Plan) -> None:
        """Make damaged heads of a data set again, and write outputs in today's form that an earlier version wrote."""
        if heads := plan.damaged_heads:
            from tasks.opening.make_heads import text_head  # noqa: PLC0415  loads torch, which a parent seldom needs

            await self._run(lambda: [text_head(head, plan.store) for head in heads])
        if former := plan.former_outputs:
            logits = plan.needed_logits(former)
            await self._run(lambda: upgrade_outputs(former, plan.store, logits))

    async def _fit(self, plan: Plan, dataset: DatasetReference) -> None:
        coefficients = plan.missing(plan.coefficients(dataset))
        mixtures, bins = plan.missing(plan.mixtures(dataset)), plan.missing(plan.bins(dataset))
        if coefficients or mixtures or bins:
            await self._run(lambda: fit(dataset, coefficients, mixtures, bins, plan.store))
        if mixtures:
            try:
                await publish_coefficients(plan, dataset)
            except Exception as error:  # the tables are in the store, whether or not the UI shows them
                log.warning("%s: coefficients not shown: %s", dataset.name, error)

    async def _run(self, function: Callable[[], T]) -> T:
        """Run a function that uses all cores, one at a time; with children on a pool, in a thread beside them."""
        async with self._heavy:
            return await in_thread(function) if pool() is not None else function()

    async def _send(self, part: Part, children: Sequence[Child]) -> None:
        """Run the children of a part; an object that a child on a pool found damaged is raised as `ObjectDamaged`.

        Such a child took the object's commit back and failed, and the failure arrives without its error. So the parent
        compares what is missing of everything that the part can read, before and after: only damage adds to it. Where
        two data sets read a damaged model, the first one's child may have taken the commit back before, and the model
        may be whole again afterwards. So an input that is incomplete now, or was computed meanwhile, counts too.
        """
        if self._sender is None or not children:
            await dispatch(children)
            return
        plans, before = self._read_by(part), self._absent(part)
        inputs = {one.name: self._computed[one.name] for one in self._before(part)}
        try:
            await self._send_by_schedule(self._sender, part, children[0])
        except ChildCancelled:
            raise
        except ChildFailed as error:
            for plan in plans:
                plan.look_again()
            self._plan.look_again()
            after, incomplete = self._absent(part), self._incomplete()
            lost = dict.fromkeys(label for key, label in after.items() if key not in before)
            lost |= dict.fromkeys(n for n, times in inputs.items() if n in incomplete or self._computed[n] != times)
            if lost:
                found = f"{self._plan.store.url}/: damaged objects of {', '.join(lost)}"
                raise ObjectDamaged(f"{found} ({error})") from error
            raise
        finally:  # other processes have written
            for plan in (self._plan, *plans):
                plan.look_again()

    async def _send_by_schedule(self, sender: Sender, part: Part, child: Child) -> None:
        """Compute a part in children that the schedule cuts from one, and show how much of it is done."""
        spans, done = spans_of(self._plans[part.dataset], part) if part.dataset else (), 0
        total, unit = len(spans) or 1, "objects" if spans else "models"
        progress = await begin_progress(child.name)
        with work(child.name, total, stage=STAGES.get(child.flow), unit=unit) as shown:

            async def advance(objects: int) -> None:
                nonlocal done
                done += objects
                shown.advance(objects)
                await show_progress(progress, done, total, child.name)

            await sender.compute(part.name, child, spans, advance)

    def _read_by(self, part: Part) -> list[Plan]:
        """Return the plans of the data sets whose tables a part can read or write."""
        made = [one for one in self._plan.made_models if one.digest == part.model]
        names = [scored.dataset.name for one in made for scored in one.looks_at]
        return [self._plans[name] for name in ([part.dataset] if part.dataset else names)]

    def _incomplete(self) -> set[str]:
        """Return the names of the parts of which the store holds less than all."""
        return {part.name for part in parts_of(self._plan, on_pool=pool() is not None) if part.missing}

    def _absent(self, part: Part) -> dict[tuple[str, Span], str]:
        found = dict[tuple[str, Span], str]()
        for plan in self._read_by(part):
            found |= absent(plan)
        return found


def _sender(plan: Plan, parts: Sequence[Part], experiment: Experiment) -> Sender:
    """Return the sender of a run's children to the pool."""
    name = pool()
    assert name is not None
    schedule = Schedule(works_of(plan, parts), Sizing(samples=experiment.samples_per_run))
    return Sender(schedule, send_child, partial(share_of, name), in_flight())
