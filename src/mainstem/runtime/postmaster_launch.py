"""The last step before the postmaster: the same process, bound to the life of whoever started it.

The kernel sends it the signal of a fast shutdown when its parent ends, by whatever end: also when the guardian, whose
task that is otherwise, was killed in the same moment. It has to be asked for after the account was changed and before the
program is executed, which in a process with threads only a program can do safely. Standard library alone.
"""

from __future__ import annotations

import ctypes
import os
import signal

__all__ = ["main"]

_PR_SET_PDEATHSIG = 1


def main(arguments: list[str]) -> None:
    """Become the postmaster. Arguments: `parent uid gid program...`; an empty uid: the account stays."""
    parent, uid, gid, *program = arguments
    # Somebody may have told us to ignore it.
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    if uid:
        os.setgroups([])
        os.setgid(int(gid))
        os.setuid(int(uid))
    # Where the kernel does not know it, the guardian alone has to do.
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGINT, 0, 0, 0)
    if os.getppid() != int(parent):
        # It ended before it could be asked for.
        return
    os.execv(program[0], program)  # noqa: S606 - a program of our own choice
