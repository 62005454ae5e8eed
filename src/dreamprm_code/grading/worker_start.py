"""Start of a worker process: ``python worker_start.py FD``, with the socket to the grader at file descriptor FD.

A script, so that a worker imports the sandbox alone and its programs are forked from a small process.
"""

import os
import sys

if __name__ == "__main__":
    sys.path[0] = os.path.dirname(os.path.abspath(__file__))
    from sandbox.supervisor import main

    del sys.path[0]
    main(int(sys.argv[1]))
