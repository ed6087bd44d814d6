"""Commands in a terminal of their own: everything that they print, and the screen that it leaves."""

import fcntl
import os
import pty
import re
import struct
import subprocess
import termios

from rich.text import Text


def in_terminal(command, *, width=100, height=50, env=None, cwd=None):
    """Run a command in a terminal; return its output with all control characters, and its exit status."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", height, width, 0, 0))
    process = subprocess.Popen(command, stdin=theirs, stdout=theirs, stderr=theirs, env=env, cwd=cwd, close_fds=True)
    os.close(theirs)
    output = b""
    while True:
        try:
            part = os.read(ours, 65536)
        except OSError:  # the terminal ends with its last process
            break
        if not part:
            break
        output += part
    os.close(ours)
    return output.decode(), process.wait(timeout=60)


def screen(output):
    """Return the lines that a terminal shows at the end, without styles; it knows what rich's live display sends."""
    lines, row, column = [""], 0, 0
    for token in re.findall(r"\x1b\[[?0-9;]*[A-Za-z]|\r|\n|[^\x1b\r\n]+", output):
        if token == "\n":
            row += 1
            lines += [""] * (row + 1 - len(lines))
        elif token == "\r":
            column = 0
        elif token.endswith("A") and token.startswith("\x1b["):
            row = max(0, row - int(token[2:-1] or 1))
        elif token == "\x1b[2K":
            lines[row] = ""
        elif not token.startswith("\x1b["):
            text = Text.from_ansi(token).plain
            lines[row] = f"{lines[row]:<{column}}"[:column] + text + lines[row][column + len(text) :]
            column += len(text)
    return [line.rstrip() for line in lines]
