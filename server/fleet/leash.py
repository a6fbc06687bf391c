"""Run as a script: becomes another program that dies with the process which started it.

    python leash.py PARENT PROGRAM [ARGUMENT...]

The kernel kills the program when its parent has ended, however that came about: a parent that is
itself killed has no chance to do so. The kernel watches the thread that started us, so that must
be the parent's main thread.

Must not know: anything but the standard library, so that it starts in a few milliseconds.
"""

import ctypes
import os
import signal
import sys

PR_SET_PDEATHSIG = 1


def main() -> None:
    """Put ourselves on the leash and become the program."""
    parent, program, arguments = int(sys.argv[1]), sys.argv[2], sys.argv[2:]
    ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:  # it ended before the kernel knew
        sys.exit(1)
    os.execvp(program, arguments)  # noqa: S606 - what our own parent asks for, by no shell


if __name__ == "__main__":
    main()
