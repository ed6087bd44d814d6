"""A checkpoint checked in a process of its own, whose memory and time are limited by the checkpoint's size.

A server process imports torch once and forks for each checkpoint, so that a file which breaks its reader breaks that
fork alone. Answers are JSON: a fork can make its parent run nothing.
"""

import atexit
import contextlib
import errno
import gc
import json
import os
import resource
import select
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable
from pathlib import Path
from typing import IO, Any, NamedTuple

import storage.errors
import tasks.errors
from storage.errors import StorageError
from storage.locations import Location
from storage.text import shown
from tasks.errors import CheckpointError, InputError

Check = Callable[[str, Location, str | None, Location | None], dict[str, Any]]
"""From kind (`model` or `head`), checkpoint, architecture and base to the checkpoint's summary."""

_MEMORY = 1 << 30  # bytes beyond the server's own, for reading the smallest checkpoint
_COPIES = 8  # of a file's bytes in memory: float8 as float32, packed projections, checks
_SECONDS = 60.0  # for a small file on a busy machine
_BYTES_A_SECOND = 10e6  # of a slow network
_IDLE_SECONDS = 60.0  # without a question; longer than the time between two checkpoints of one look
_MOST_REMEMBERED = 10_000  # refusals

# refusals by address, content and question, while this process lives. In the store they would outlast a reader that
# was improved. Only the reader's own refusals: a failed network, exceeded memory or time, or a killed process says
# nothing about the file, and the next check may go well.
_refused: dict[tuple[str, ...], str] = {}


def check_here(kind: str, location: Location, architecture: str | None, base: Location | None) -> dict[str, Any]:
    """Return a checkpoint's summary, checked in this process.

    Raises:
        CheckpointError: the checkpoint is not good.
    """
    from tasks.opening.check_checkpoint import check_checkpoint, check_head  # noqa: PLC0415  loads torch: only when needed

    return check_head(location) if kind == "head" else check_checkpoint(location, architecture, base)


class Limits(NamedTuple):
    """Limits of the check of one checkpoint."""

    memory: int
    """Bytes, beyond those of a process that has loaded torch."""
    seconds: float


def limits_of(size: int) -> Limits:
    """Return the limits of the check of a file of `size` bytes."""
    return Limits(_MEMORY + _COPIES * size, _SECONDS + size / _BYTES_A_SECOND)


def confined_check(
    kind: str,
    location: Location,
    architecture: str | None,
    base: Location | None,
    *,
    limits_of: Callable[[int], Limits] = limits_of,
) -> dict[str, Any]:
    """Return a checkpoint's summary, checked by `check_here` in a process of its own.

    A refused file is not read again by this process until it changes; a file whose check was cut short is read again.

    Args:
        kind: `model` or `head`.
        location: the checkpoint.
        architecture: an open_clip model, or a configuration as text; None: the tensors' shapes decide.
        base: the checkpoint that lends its last projection.
        limits_of: gives the limits for a number of bytes.

    Raises:
        CheckpointError: the checkpoint is not good, or the check exceeded its limits.
        StorageError: it cannot be read.
    """
    files = [location] if base is None else [location, base]
    asked = (kind, architecture or "", *(text for file in files for text in (file.url, file.fingerprint())))
    if asked in _refused:
        raise CheckpointError(_refused[asked])
    size = sum(entry.size for file in files for entry in file.files())
    question = {"kind": kind, "url": location.url, "architecture": architecture, "base": base.url if base else None}
    limits = limits_of(size)
    answer = server.ask({**question, **limits._asdict()})
    if answer.get("error") == CheckpointError.__name__:
        if len(_refused) >= _MOST_REMEMBERED:
            _refused.clear()
        _refused[asked] = answer["message"]
    return _summary(answer, location.url, limits)


def _summary(answer: dict[str, Any], url: str, limits: Limits) -> dict[str, Any]:
    """Return the summary of an answer, or raise its error."""
    if "summary" in answer:
        summary: dict[str, Any] = answer["summary"]
        return summary
    if "error" in answer:
        raise _error(answer["error"], answer["message"])
    if answer.get("signal") == signal.SIGALRM:
        raise CheckpointError(f"{url}: the check took more than {limits.seconds:.0f} s")
    reason = f"ended by signal {answer['signal']}" if "signal" in answer else "refused memory"
    raise CheckpointError(f"{url}: the check, limited to {limits.memory >> 20:,} MiB, was {reason}")


class CheckServer:
    """The process that forks for each question. It starts with the first and ends when none comes for a while."""

    def __init__(self) -> None:
        self.process: subprocess.Popen[str] | None = None
        self._lock = threading.Lock()  # one question at a time
        atexit.register(self.close)

    def close(self) -> None:
        """End the process and a check under way."""
        if self.process is not None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self.process.pid, signal.SIGKILL)  # it leads a group of its own
            self.process.communicate()
            self.process = None

    def ask(self, question: dict[str, Any]) -> dict[str, Any]:
        """Return the answer to a question."""
        with self._lock:
            for _ in range(2):  # the server may time out just as this question is sent
                try:
                    line = self._line(json.dumps({**question, "environment": dict(os.environ)}))
                except BaseException:  # an interrupt: the pending answer is not the next question's
                    self.close()
                    raise
                if line:
                    answer: dict[str, Any] = json.loads(line)
                    return answer
                self.close()
        raise CheckpointError(
            f"{question['url']}: the process that checks checkpoints ended twice while it read this one"
        )

    def _line(self, question: str) -> str:
        self.process = process = self.process or _start()
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            process.stdin.write(f"{question}\n")
            process.stdin.flush()
            return process.stdout.readline()
        except BrokenPipeError:
            return ""


server = CheckServer()
"""The process that checks checkpoints for this one."""


def _error(name: str, message: str) -> Exception:
    """Return the error of a fork; an unexpected one becomes a `CheckpointError` that names it."""
    kind = getattr(storage.errors, name, None) or getattr(tasks.errors, name, None)
    if isinstance(kind, type) and issubclass(kind, InputError | StorageError):
        return kind(message)
    return CheckpointError(f"the check failed: {name}: {shown(message)}")


def _start() -> "subprocess.Popen[str]":
    # -P: nothing is imported from the working folder, which may hold a `tasks` of the user's own
    path = os.pathsep.join(filter(None, [str(Path(__file__).parents[2]), os.environ.get("PYTHONPATH")]))
    # one thread: a pool of them does not survive a fork, and each takes 100 MiB of address space
    environment = {**os.environ, "PYTHONPATH": path, "OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}
    return subprocess.Popen(
        [sys.executable, "-P", "-m", "flows.planning.confined_check"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env=environment,
        start_new_session=True,  # an interrupt from the keyboard reaches the parent, which closes this input
    )


def _serve() -> None:
    """Answer questions, one per line, until the input ends."""
    import tasks.opening.check_checkpoint  # noqa: F401, PLC0415  loaded once for all forks

    gc.freeze()  # a collection in a fork would touch, and so copy, all memory
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # the libraries' output must not reach the answers
    while select.select([sys.stdin], [], [], _IDLE_SECONDS)[0] and (line := sys.stdin.readline()):
        answers.write(json.dumps(_forked(json.loads(line))) + "\n")
        answers.flush()
    os._exit(0)  # without the libraries' complaints about objects that outlive them


def _forked(question: dict[str, Any]) -> dict[str, Any]:
    """Answer one question in a fork of this process."""
    with tempfile.TemporaryFile("w+") as answer:
        child = os.fork()
        if not child:
            _answer(question, answer)
        _, ended = os.waitpid(child, 0)
        answer.seek(0)
        text = answer.read()
    if os.WIFSIGNALED(ended) or not text:
        return {"signal": os.WTERMSIG(ended) if os.WIFSIGNALED(ended) else 0}
    found: dict[str, Any] = json.loads(text)
    return found


def _answer(question: dict[str, Any], answer: IO[str]) -> None:
    """Check a checkpoint within the limits, write the answer, and end this process."""
    try:
        os.dup2(os.open(os.devnull, os.O_WRONLY), 2)  # C++ messages about memory help nobody
        os.environ.clear()
        os.environ.update(question["environment"])  # the environment of this question, not of the first one
        _limit(question["memory"], question["seconds"])
        location, base = Location(question["url"]), question["base"]
        summary = check_here(question["kind"], location, question["architecture"], Location(base) if base else None)
        json.dump({"summary": summary}, answer)
        answer.flush()
    except BaseException as error:
        found = {"error": type(error).__name__, "message": shown(str(error), 2000)}
        answer.seek(0)
        answer.truncate()
        json.dump({"memory": True} if _is_out_of_memory(error) else found, answer)
        answer.flush()
    finally:
        os._exit(0)


def _is_out_of_memory(error: BaseException) -> bool:
    """Return whether an error is about memory: Python's, the system's when a file is mapped, or torch's."""
    is_mapping = isinstance(error, OSError) and error.errno == errno.ENOMEM
    return is_mapping or isinstance(error, MemoryError) or "can't allocate memory" in str(error)


def _limit(memory: int, seconds: float) -> None:
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    status = Path("/proc/self/statm")
    if status.exists():  # Linux; elsewhere only the time is limited
        bound = int(status.read_text().split()[0]) * resource.getpagesize() + memory
        resource.setrlimit(resource.RLIMIT_AS, (bound, bound))
    signal.setitimer(signal.ITIMER_REAL, seconds)  # the signal ends a process that has no handler


if __name__ == "__main__":
    _serve()
