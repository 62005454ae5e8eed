"""Sleep is the time in which nothing of a program runs or waits for a processor, whatever the load and the tricks.

A /proc of files: each process has one thread; times are the meter's clock, set by hand.
"""

from __future__ import annotations

import os
import select
import shutil
from pathlib import Path

import pytest

from dreamprm_code.grading.sandbox import meter
from dreamprm_code.grading.sandbox.levels import Sandbox
from dreamprm_code.grading.sandbox.meter import Meter

STEP = 0.05


class Host:
    """``look(pid=(state, seconds running or waiting), ...)`` is what the meter finds one step later."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch):
        self.folder, self.now = folder, 1000.0
        monkeypatch.setattr(meter.time, "monotonic", lambda: self.now)
        monkeypatch.setattr(Meter, "_waited_for", staticmethod(lambda: 0.0))
        self.meter = Meter(Sandbox("namespaces", str(folder), 0, proc=os.open(folder, os.O_RDONLY)), 1 << 30, self.now, 0.0)

    def give_streams(self) -> tuple[int, int]:
        """A pipe each as the program's input and output; returns the supervisor's ends."""
        (their_input, our_input), (our_output, their_output) = os.pipe(), os.pipe()
        for fd, event in ((their_input, select.POLLIN), (their_output, select.POLLOUT)):
            self.meter._streams.register(fd, event)
        self.meter._num_streams = 2
        return our_input, our_output

    def look(self, threads: dict[int, tuple[str, float]]) -> float:
        self.now += STEP
        for pid, (state, busy) in threads.items():
            task = self.folder / str(pid) / "task" / str(pid)
            task.mkdir(parents=True, exist_ok=True)
            # the fields of stat after the name: state ... 11 to 14 times, 20 virtual size, 21 resident pages
            fields = f"{pid} (python) {state} " + " ".join(["0"] * 40)
            (task / "stat").write_text(fields)
            (self.folder / str(pid) / "stat").write_text(fields)
            (task / "schedstat").write_text(f"0 {round(busy * 1e9)} 1")
        self.meter.look()
        return self.meter.sleep


@pytest.fixture
def host(tmp_path, monkeypatch):
    return Host(tmp_path, monkeypatch)


def test_sleep_is_counted_as_it_passes(host):
    for number in range(1, 21):
        assert host.look({10: ("S", 0.0)}) == pytest.approx(number * STEP)


def test_waiting_for_a_processor_is_no_sleep_however_late_the_kernel_tells(host):
    """Sixteen steps of waiting, of which the kernel says nothing before they are over; then as many asleep."""
    for _ in range(15):
        assert host.look({10: ("R", 0.0)}) == 0
    assert host.look({10: ("S", 16 * STEP)}) == pytest.approx(0, abs=1e-9)
    for _ in range(16):
        sleep = host.look({10: ("S", 16 * STEP)})
    assert sleep == pytest.approx(16 * STEP)


def test_a_wait_that_is_longer_than_anything_is_taken_back_when_it_is_told(host):
    for _ in range(100):
        host.look({10: ("R", 0.0)})
    assert host.meter.sleep == pytest.approx(61 * STEP)  # after 3 s it counts, in doubt
    assert not host.meter.has_slept(0)
    assert host.look({10: ("S", 101 * STEP)}) == pytest.approx(0, abs=1e-9)


def test_threads_that_take_turns_on_a_busy_host_do_not_sleep(host):
    """Thirty threads, of which one at a time has the interpreter, and waits 25 ms for a processor."""
    busy = dict.fromkeys(range(10, 40), 0.0)
    for number in range(60):
        first, second = 10 + 2 * number % 30, 11 + 2 * number % 30
        busy[first] += STEP / 2
        busy[second] += STEP / 2
        host.look({pid: ("R" if pid == 10 + (2 * number + 2) % 30 else "S", value) for pid, value in busy.items()})
    assert host.meter.sleep < 2 * STEP


def test_a_crowd_that_wakes_up_together_does_not_pay_for_the_sleep_before(host):
    """A second of sleep, then sixty threads want two processors at once: 25 ms of waiting each, 1.5 s in all."""
    crowd = range(10, 70)
    for _ in range(20):
        host.look(dict.fromkeys(crowd, ("S", 0.0)))
    assert host.look(dict.fromkeys(crowd, ("S", 0.025))) == pytest.approx(20 * STEP)


def test_who_is_awake_whenever_the_meter_looks_has_slept_all_the_same(host):
    """One millisecond in fifty, at the right moment."""
    for number in range(100):
        host.look({10: ("R", 0.001 * (number // 2))})
    assert host.meter.sleep > 3.0
    for _ in range(700):
        host.look({10: ("R", 0.1)})
    assert host.meter.has_slept(1.0)


def test_children_that_wait_for_a_processor_and_end_before_they_tell_do_not_sleep(host, tmp_path):
    """A parent that forks and waits, child by child, on a host where each gets a processor after two steps."""
    for child in range(100, 120):
        host.look({10: ("S", 0.0), child: ("R", 0.0)})
        host.look({10: ("S", 0.0), child: ("R", 0.0)})
        shutil.rmtree(tmp_path / str(child))
    host.look({10: ("S", 0.0)})
    assert host.meter.sleep <= STEP + 1e-9


def test_who_waits_for_the_supervisor_does_not_sleep(host):
    """Input that is still to come, then output that nobody takes; after half a minute it is no excuse any more."""
    our_input, our_output = host.give_streams()
    for _ in range(20):
        assert host.look({10: ("S", 0.0)}) == 0
    os.write(our_input, b"x")
    assert host.look({10: ("S", 0.0)}) == pytest.approx(STEP)
    theirs = os.open(f"/proc/self/fd/{our_output}", os.O_WRONLY)
    os.write(theirs, bytes(1 << 16))
    for _ in range(20):
        assert host.look({10: ("S", 0.0)}) == pytest.approx(STEP)
    os.read(our_output, 1 << 16)
    assert host.look({10: ("S", 0.0)}) == pytest.approx(2 * STEP)
    os.write(theirs, bytes(1 << 16))
    for _ in range(700):
        host.look({10: ("S", 0.0)})
    assert host.meter.sleep > 4
