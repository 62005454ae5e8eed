"""Start of a worker process: ``python worker_start.py FD STACK``, with the socket to the grader at file descriptor FD.

A script, so that a worker imports the sandbox alone and its programs are forked from a small process. The kernel lays out a
process for the stack limit that it was executed under, hence the second start: judges give programs a stack of STACK bytes.
"""

import os
import resource
import sys

if __name__ == "__main__":
    stack, (soft, hard) = int(sys.argv[2]), resource.getrlimit(resource.RLIMIT_STACK)
    stack = stack if hard == resource.RLIM_INFINITY else min(stack, hard)
    if soft != stack:
        resource.setrlimit(resource.RLIMIT_STACK, (stack, hard))
        os.execv(sys.executable, [sys.executable, "-s", *sys.argv])
    sys.path[0] = os.path.dirname(os.path.abspath(__file__))
    from sandbox.supervisor import main  # type: ignore[import-not-found]  # of the folder put on the path above

    del sys.path[0]
    main(int(sys.argv[1]))
