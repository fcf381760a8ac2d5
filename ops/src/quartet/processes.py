"""Starts other programs: as an account, in an environment, and ending with their parent."""

import ctypes
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO

PR_SET_PDEATHSIG = 1  # <linux/prctl.h>
_libc = ctypes.CDLL(None, use_errno=True) if sys.platform == "linux" else None


@dataclass(frozen=True)
class Account:
    """A user of the operating system under whom a program runs."""

    name: str
    uid: int
    gid: int


def module_command(module: str, *arguments: str) -> list[str]:
    """The command that runs an installed module; `-P` keeps Python from taking one of that name in the current folder."""
    return [sys.executable, "-P", "-m", module, *arguments]


def run(
    command: Sequence[str | Path],
    account: Account | None = None,
    *,
    environment: Mapping[str, str] | None = None,
    timeout_seconds: float = 120,
    folder: str | Path = "/",
) -> subprocess.CompletedProcess[str]:
    """Run a program to its end, as `account` if one is given; its exit code and output."""
    return subprocess.run(  # noqa: S603  no shell; the commands are put together by this package
        [str(part) for part in command],
        check=False,
        capture_output=True,
        text=True,
        errors="replace",
        stdin=subprocess.DEVNULL,
        cwd=folder,  # not the caller's, which the account may not be able to enter
        env=None if environment is None else dict(environment),
        timeout=timeout_seconds,
        user=account.uid if account else None,
        group=account.gid if account else None,
        extra_groups=[] if account else None,
    )


def spawn(
    command: Sequence[str | Path],
    account: Account | None = None,
    *,
    environment: Mapping[str, str],
    output: IO[bytes] | int,
    signal_at_parents_death: signal.Signals | None,
    folder: str | Path = "/",
    descriptors: Sequence[int] = (),
) -> subprocess.Popen[bytes]:
    """Start a program in a session of its own, so that a Ctrl-C at the terminal reaches only its parent.

    With `signal_at_parents_death` the kernel signals the program when the thread that started it ends, even
    by SIGKILL (Linux only): call this from the main thread. The program inherits `descriptors` under their numbers.
    """
    return subprocess.Popen(  # noqa: S603  no shell; the commands are put together by this package
        [str(part) for part in command],
        stdin=subprocess.DEVNULL,
        stdout=output,
        stderr=subprocess.STDOUT,
        env=dict(environment),
        cwd=folder,
        start_new_session=True,
        user=account.uid if account else None,
        group=account.gid if account else None,
        extra_groups=[] if account else None,
        pass_fds=descriptors,
        preexec_fn=_bind_to_parent(signal_at_parents_death),
    )


def open_pipe(
    command: Sequence[str | Path],
    *,
    environment: Mapping[str, str],
    stdin: int,
    stdout: int,
    stderr: IO[bytes],
) -> subprocess.Popen[bytes]:
    """Start a program that this process writes to or reads from; `stdin` and `stdout` are subprocess.PIPE or DEVNULL.

    It has a session of its own, so that a Ctrl-C reaches this process alone, and ends with it: call this from the main
    thread.
    """
    return subprocess.Popen(  # noqa: S603  no shell; the commands are put together by this package
        [str(part) for part in command],
        stdin=stdin,
        stdout=stdout,
        stderr=stderr,
        env=dict(environment),
        cwd="/",
        start_new_session=True,
        preexec_fn=_bind_to_parent(signal.SIGTERM),
    )


def _bind_to_parent(chosen: signal.Signals | None) -> Callable[[], None] | None:
    """The function that the child calls between fork and exec, after the change of user, which clears the setting."""
    if chosen is None or _libc is None:
        return None
    libc, parent = _libc, os.getpid()

    def bind() -> None:
        libc.prctl(PR_SET_PDEATHSIG, int(chosen))
        if os.getppid() != parent:  # the parent ended before the setting was made
            os._exit(1)

    return bind


def exists(pid: int) -> bool:
    """Whether a process has the number; a zombie counts."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass
    return True


def is_alive(pid: int) -> bool:
    """Whether a process of that number runs; a zombie does not count, where /proc shows it."""
    if not exists(pid):
        return False
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return not Path("/proc/self").exists()
    except (OSError, IndexError):
        return True
    return state not in "ZX"
