"""Prints what the meter takes four children of this process to hold, who share 100 MiB: `shared_memory.py hidden|seen FOLDER`.

A process of its own: the children of a test run share all that the tests before have loaded, too.
"""

from __future__ import annotations

import mmap
import os
import signal
import sys
import time

from dreamprm_code.grading.sandbox.levels import Sandbox
from dreamprm_code.grading.sandbox.meter import Meter

SIZE = 100 << 20


def main(hidden: bool, folder: str) -> None:
    data = mmap.mmap(-1, SIZE) if hidden else bytearray(SIZE)
    for position in range(0, SIZE, 4096):
        data[position] = 1
    if hidden:
        data.madvise(mmap.MADV_DONTNEED)
    children = []
    read_end, write_end = os.pipe()
    for _ in range(4):
        child = os.fork()
        if child == 0:
            if not hidden:
                sum(data[position] for position in range(0, SIZE, 4096))
            os.write(write_end, b"x")
            time.sleep(100)
            os._exit(0)
        children.append(child)
    try:
        for _ in children:
            os.read(read_end, 1)
        meter = Meter(Sandbox("rlimits", folder, 0), 50 << 20, time.monotonic(), 0.0)
        meter.look()
        print(meter.memory)
    finally:
        for child in children:
            os.kill(child, signal.SIGKILL)
            os.waitpid(child, 0)


if __name__ == "__main__":
    main(sys.argv[1] == "hidden", sys.argv[2])
