"""Checks of a Dockerfile against the project: what it copies exists, what it starts takes these arguments."""

import json
import re
import shlex
import tomllib
from collections.abc import Iterator
from fnmatch import fnmatch
from pathlib import Path

_KEYWORDS = ("until", "while", "do", "if", "then", "else")
_BUILT_IN = ("for", "done", "fi", "sleep")


def steps(text: str) -> list[tuple[str, str]]:
    """Return the instructions of a Dockerfile with their arguments, continued lines joined."""
    lines = [line for line in text.splitlines() if not line.lstrip().startswith("#")]
    joined = re.sub(r"\\\n\s*", "", "\n".join(lines))
    return [(step[0].upper(), step[1]) for step in (line.split(None, 1) for line in joined.splitlines()) if step]


def faults(text: str, root: Path, *, ignored: str) -> list[str]:
    """Return the faults of a Dockerfile whose context is the folder `root` without the `ignored` patterns."""
    made = steps(text)
    copied = [source for kind, words in made if kind == "COPY" for source in words.split()[:-1]]
    found = [*_sources(copied, root, ignored), *_packages(copied, root), *_arguments(made)]
    for kind, words in made:
        if kind == "ENTRYPOINT":
            found.append("ENTRYPOINT: work pools give the whole command of a flow run")
        if kind == "CMD":
            found += command_faults(json.loads(words), root)
        if kind == "USER" and not re.search(rf"useradd\b.*\b{words}\b", text):
            found.append(f"USER {words}: no step adds this user")
        if kind == "RUN":
            files = re.findall(r"--constraint (\S+)", words)
            found += [f"RUN: {name} is not copied" for name in files if name not in copied]
    return found


def copies(text: str, path: str) -> bool:
    """Return whether a Dockerfile copies a file of the project."""
    copied = [source for kind, words in steps(text) if kind == "COPY" for source in words.split()[:-1]]
    return any(path == source or path.startswith(f"{source}/") for source in copied)


def declared_arguments(text: str) -> set[str]:
    """Return the names of the build arguments that a Dockerfile declares."""
    return {words.partition("=")[0] for kind, words in steps(text) if kind == "ARG"}


def leaves_out(ignored: str, path: str) -> bool:
    """Return whether a .dockerignore leaves a file out: of all patterns that match it, the last one decides."""
    parts, left_out = path.split("/"), False
    for line in ignored.splitlines():
        pattern = line.strip().removeprefix("!")
        if not pattern or pattern.startswith("#"):
            continue
        heads = ["/".join(parts[: number + 1]) for number in range(len(parts))]
        matched = any(fnmatch(head, pattern) or fnmatch(f"/{head}", pattern.replace("**", "*")) for head in heads)
        if matched:
            left_out = not line.strip().startswith("!")
    return left_out


def _sources(copied: list[str], root: Path, ignored: str) -> Iterator[str]:
    for source in copied:
        if not (root / source).exists():
            yield f"COPY {source}: the project has no such file"
        elif leaves_out(ignored, source):
            yield f"COPY {source}: .dockerignore leaves it out"


def _packages(copied: list[str], root: Path) -> Iterator[str]:
    project = tomllib.loads((root / "pyproject.toml").read_text())
    wanted = project["tool"]["hatch"]["build"]["targets"]["wheel"]["packages"] + [project["project"]["readme"]]
    for package in wanted:
        if package not in copied:
            yield f"COPY: {package} is part of the package and is not copied"


def _arguments(made: list[tuple[str, str]]) -> Iterator[str]:
    known: set[str] = set()
    for kind, words in made:
        if kind in ("ARG", "ENV"):
            known |= set(re.findall(r"(?:^|\s)(\w+)=", words)) | ({words} if words.isidentifier() else set())
        elif kind == "RUN":
            for name in re.findall(r"\$\{?([A-Z_]+)", words):
                if name not in known:
                    yield f"RUN: ${name} is no ARG or ENV before it"


def commands(script: str | list[str]) -> list[list[str]]:
    """Return the programs and arguments that a compose command starts: of a line, a list, or a script of `sh -c`."""
    if isinstance(script, list) and script[:1] != ["sh"]:
        return [script]
    found: list[list[str]] = []
    for line in (script if isinstance(script, str) else script[-1]).splitlines():
        lexer = shlex.shlex(line, posix=True, punctuation_chars=True)
        lexer.whitespace_split = True
        command: list[str] = []
        for word in [*lexer, ";"]:
            if word[0] not in ";&|":
                command += [word] if command or word not in _KEYWORDS else []
            elif command:
                found, command = [*found, command], []
    return [command for command in found if command[0] not in _BUILT_IN]


def command_faults(command: list[str], root: Path) -> list[str]:
    """Return the faults of one command: options that it does not take, files that do not exist."""
    program, *rest = command
    if program == "prefect":
        return _prefect_faults(rest, root)
    if program == "python" and rest[:1] == ["-c"]:
        compile(rest[1], "<command>", "exec")
        return []
    if program in ("python", "sh"):
        return [] if (root / rest[0]).is_file() else [f"{shlex.join(command)}: the project has no {rest[0]}"]
    return [f"{shlex.join(command)}: not a program of the image"]


def _prefect_faults(words: list[str], root: Path) -> list[str]:
    from prefect.cli._app import _app

    while words and words[0] in ("--no-prompt", "--prompt"):  # of the program, before its commands
        words = words[1:]
    try:
        _app.parse_args(words, exit_on_error=False, print_error=False)
    except Exception as error:
        return [f"prefect {shlex.join(words)}: {error}"]
    files = [word for word in words if word.startswith("infra/")]
    return [f"prefect {shlex.join(words)}: the project has no {name}" for name in files if not (root / name).is_file()]
