"""A process of this machine together with all its descendants: processor time and peak memory, from /proc."""

import os
from pathlib import Path

_PARENT, _TIMES = 1, slice(11, 15)  # fields of /proc/PROCESS/stat: own times, and those of ended children


class Family:
    """A process and its descendants, looked up anew at each request.

    Args:
        leader: the process.
    """

    def __init__(self, leader: int) -> None:
        self._leader = leader

    def seconds(self) -> float:
        """Return the processor time of all members, also of those that have ended and were waited for."""
        ticks = sum(int(field) for process in self._members() for field in _fields(process)[_TIMES])
        return ticks / os.sysconf("SC_CLK_TCK")

    def forget_peak(self) -> None:
        """Make `peak_mib` count from now."""
        for process in self._members():
            Path(f"/proc/{process}/clear_refs").write_text("5")

    def peak_mib(self) -> float:
        """Return the sum of the members' largest resident memories."""
        return sum(memory_mib("VmHWM", process) for process in self._members())

    def _members(self) -> list[int]:
        parents = {int(name): int(_fields(name)[_PARENT]) for name in os.listdir("/proc") if name.isdecimal()}
        members = [self._leader]
        for member in members:  # grows meanwhile
            members += [process for process, parent in parents.items() if parent == member]
        return members


def memory_mib(kind: str, process: int | str = "self") -> float:
    """Return a kind of memory of a process, such as VmRSS (now) or VmHWM (its peak); 0 if the process has ended."""
    try:
        lines = Path(f"/proc/{process}/status").read_text().splitlines()
    except OSError:
        return 0.0
    return next((int(line.split()[1]) / 1024 for line in lines if line.startswith(f"{kind}:")), 0.0)


def _fields(process: int | str) -> list[str]:
    """Return the fields of /proc/PROCESS/stat after the name; zeros if the process has ended."""
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return ["0"] * 50
