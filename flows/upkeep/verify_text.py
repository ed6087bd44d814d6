"""The outcome of a verification, as a document for programs and as text."""

from collections.abc import Iterable, Iterator, Mapping, Sequence

from flows.reports.store_models import StoreFault, StoreLeftover, StoreRemark, VerifyDocument
from flows.reports.text_tables import human_bytes
from flows.upkeep.leftovers import LEFTOVERS
from flows.upkeep.verify import KINDS, Verified
from storage.text import shown

_MOST = 20  # lines of a kind
_REPAIR = "`dawin store verify --repair` moves what is damaged aside; `dawin run` then computes it again"


def verify_document(verified: Verified, store: str) -> VerifyDocument:
    """Return the outcome of a verification.

    Args:
        verified: the outcome.
        store: address of the store.
    """
    repaired = set(verified.repaired)
    return VerifyDocument(
        store=store,
        is_sound=not verified.left,
        objects=verified.objects,
        bytes=verified.bytes,
        seconds=round(verified.seconds, 3),
        faults=[StoreFault(**one._asdict(), is_repaired=one in repaired) for one in verified.faults],
        leftovers=[StoreLeftover(key=one.key, kind=one.kind, bytes=one.size) for one in verified.leftovers],
        remarks=[StoreRemark(**one._asdict()) for one in verified.remarks],
        moved_to=verified.aside,
    )


def verify_text(document: VerifyDocument, width: int) -> str:
    """Return the outcome as text: the faults by kind, the leftovers, and a summary.

    Args:
        document: the outcome.
        width: columns of the terminal; a reason that does not fit beside its key is below it.
    """
    lines = [document.store]
    for kind, title in KINDS.items():
        own = [one for one in document.faults if one.kind == kind]
        lines += _section(title, [(one.key, _outcome(one) + one.reason) for one in own], width)
    for kind, (title, remedy) in LEFTOVERS.items():
        left = [one for one in document.leftovers if one.kind == kind]
        lines += _section(title, [(one.key, human_bytes(one.bytes)) for one in left], width, remedy)
    lines += _section("no damage", [(one.key, one.reason) for one in document.remarks], width)
    return "\n".join([*lines, "", *_summary(document)])


def _section(title: str, named: Sequence[tuple[str, str]], width: int, remedy: str = "") -> Iterator[str]:
    if not named:
        return
    yield from ["", f"{title}: {len(named):,}"]
    if remedy:
        yield f"({remedy})"
    for key, reason in named[:_MOST]:
        line = f"  {shown(key)}: {shown(reason)}"
        yield from [line] if len(line) <= width else [f"  {shown(key)}", f"      {shown(reason, width - 6)}"]
    if len(named) > _MOST:
        yield f"  and {len(named) - _MOST:,} more; --json lists all"


def _outcome(fault: StoreFault) -> str:
    return "repaired; " if fault.is_repaired else ""


def _summary(document: VerifyDocument) -> Iterator[str]:
    size = f"{_number(document.objects, 'object')}, {human_bytes(document.bytes)} in {document.seconds:.1f} s"
    left = [one for one in document.faults if not one.is_repaired]
    state = _counted(document.faults, KINDS) if document.faults else "all sound"
    more = f"; {_number(len(document.leftovers), 'leftover')}" if document.leftovers else ""
    yield f"{size}: {state}{more}"
    if document.moved_to:
        repaired = len(document.faults) - len(left)
        yield f"{repaired:,} of {len(document.faults):,} repaired; damaged files are in {document.moved_to}"
    if any(one.kind == "tables" for one in left):
        yield "next: `dawin run EXPERIMENT` computes the missing tables"
    if any(one.kind == "unreadable" for one in left):
        yield "next: let this user read the files that cannot be read, and verify again"
    if any(one.kind not in ("tables", "unreadable") for one in left):
        yield f"next: {_REPAIR}"
    elif document.moved_to and not left:
        yield "next: `dawin run EXPERIMENT` computes again what was moved aside"


def _counted(faults: Iterable[StoreFault], kinds: Mapping[str, str]) -> str:
    every = [one.kind for one in faults]
    counts = ", ".join(f"{every.count(kind):,} {kind}" for kind in kinds if kind in every)
    return f"{_number(len(every), 'fault')} ({counts})"


def _number(count: int, word: str) -> str:
    return f"1 {word}" if count == 1 else f"{count:,} {word}s"
