"""Programs that try what the kernel offers besides: calls that no program needs, what it counts for a whole user or host."""

from __future__ import annotations

from attack import Attack

_HIDE = """
import os, time
n = int(input())
def fill(number):
    stream = open(f"file{{number}}", "wb", buffering=0)
    for _ in range(40):
        stream.write(bytes(1 << 20))
    return stream
try:
{how}
    time.sleep(0.6)
    print("hidden")
except OSError as error:
    print(2 * n if error.errno in (28, 1, 13, 38) else error)
"""
"""Three files of 40 MiB are more than there may be: they do not fit, may not be made as they are made here, or are counted."""

CALLS = (
    Attack(
        "calls that no program needs",
        ("passed",),
        """
import ctypes, platform
n = int(input())
libc = ctypes.CDLL(None, use_errno=True)
numbers = {
    "ptrace": 101, "process_vm_readv": 310, "pidfd_getfd": 438, "io_uring_setup": 425, "userfaultfd": 323, "memfd_create": 319,
    "memfd_secret": 447, "keyctl": 250, "bpf": 321, "perf_event_open": 298, "fanotify_init": 300, "name_to_handle_at": 303,
    "mount": 165, "fsopen": 430, "open_tree": 428, "unshare": 272, "setns": 308, "chroot": 161, "sync": 162, "syncfs": 306,
    "modify_ldt": 154, "seccomp": 317, "process_madvise": 440, "clone3": 435, "personality": 135, "setuid": 105,
    "setresuid": 117, "setgroups": 116, "ioprio_set": 251, "sched_setscheduler": 144, "sched_setattr": 314, "shmget": 29,
    "mq_open": 240, "msgget": 68, "semget": 64, "tee": 276, "splice": 275, "vmsplice": 278, "kcmp": 312, "acct": 163,
    "inotify_init1": 294, "landlock_restrict_self": 446, "setxattr": 188, "truncate": 76, "statmount": 457, "listmount": 458,
}
reached = []
if platform.machine() == "x86_64":
    for name, number in numbers.items():
        if libc.syscall(number, 0, 0, 0, 0, 0) != -1 or ctypes.get_errno() != 38:
            reached.append((name, ctypes.get_errno()))
print(reached or 2 * n)
""",
        needs="landlock",
    ),
    Attack(
        "watch what others do with files",
        ("passed",),
        """
import ctypes
n = int(input())
libc = ctypes.CDLL(None)
watches = [libc.inotify_add_watch(libc.inotify_init(), path, 0xFFF) for path in (b"/usr/bin", b"/tmp", b"@SCRATCH@")]
print(2 * n if set(watches) == {-1} else "watching")
""",
        needs="landlock",
    ),
    Attack(
        "locks on files that all programs share",
        ("passed",),
        """
import fcntl, os, struct
n = int(input())
def held():
    stream = open(os.__file__)
    try:
        fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
        question = struct.pack("hhqqi4x", fcntl.F_WRLCK, 0, 0, 0, 0)
        return struct.unpack("hhqqi4x", fcntl.fcntl(stream, fcntl.F_GETLK, question))[0] != fcntl.F_UNLCK
    except BlockingIOError:
        return True
    except OSError:
        return False
stream = open(os.__file__)
fcntl.flock(stream, fcntl.LOCK_EX)
fcntl.lockf(stream, fcntl.LOCK_SH)
if os.fork() == 0:
    os._exit(held())
print(2 * n if os.wait()[1] == 0 else "seen")
""",
        needs="landlock",
    ),
    Attack(
        "numbers that count the mounts of the host, the age of a folder, and attributes of its files",
        ("passed",),
        """
import ctypes, os
n = int(input())
libc = ctypes.CDLL(None)
found = []
statx = {"x86_64": 332, "aarch64": 291}[os.uname().machine]  # the C library's own asks for less when it is refused
for asked, what in ((0x4000, "unique number of the mount"), (0x800, "when the folder was made"), (0xFFF, "the same and more")):
    if libc.syscall(statx, -100, b".", 0, asked, ctypes.create_string_buffer(256)) == 0:
        found.append(what)
try:
    found += [os.listxattr("@SCRATCH@/keep")]
except OSError:
    pass
print(found or 2 * n)
""",
        needs="landlock",
    ),
    Attack(
        "use up the signals that the user may have waiting",
        ("passed",),
        """
import ctypes
n = int(input())
libc = ctypes.CDLL(None)
timer, made = ctypes.c_void_p(), 0
while made < 20000 and libc.timer_create(1, None, ctypes.byref(timer)) == 0:
    made += 1
print(2 * n if made <= 1024 else made)
""",
    ),
    Attack(
        "raise one's own limits",
        ("passed",),
        """
import resource
n = int(input())
raised = []
for name in ("AS", "CPU", "NPROC", "NOFILE", "FSIZE", "CORE", "SIGPENDING"):
    number = getattr(resource, "RLIMIT_" + name, 11)
    soft, hard = resource.getrlimit(number)
    for wanted in (resource.RLIM_INFINITY, hard + 1):
        try:
            resource.setrlimit(number, (soft, wanted))
            raised.append(name)
        except (ValueError, OSError):
            pass
print(raised or 2 * n)
""",
    ),
    Attack(
        "settings of a process that hide it or free it",
        ("passed",),
        """
import ctypes
n = int(input())
libc = ctypes.CDLL(None)
tricks = {"not dumpable": (4, 0), "subreaper": (36, 1), "ptracer": (0x59616D61, -1), "map": (35, 1, 4096), "seccomp": (22, 1),
          "ambient": (47, 2, 12), "securebits": (28, 1), "keepcaps": (8, 1), "timing": (26, 1), "core scheduling": (62, 1)}
print([name for name, values in tricks.items() if libc.prctl(*values, 0, 0) == 0] or 2 * n)
""",
        needs="landlock",
    ),
    Attack(
        "step back behind all others",
        ("passed",),
        """
import os
n = int(input())
os.nice(19)
print(2 * n if os.getpriority(os.PRIO_PROCESS, 0) == 0 else "never done")
""",
        needs="landlock",
    ),
    Attack(
        "ignore the signal of the CPU limit, on one processor",
        ("time_limit",),
        """
import os, signal
n = int(input())
for number in set(signal.Signals) - {signal.SIGKILL, signal.SIGSTOP, signal.SIGCHLD}:
    signal.signal(number, signal.SIG_IGN)
os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
while True:
    pass
""",
    ),
    Attack(
        "arguments of megabytes",
        ("passed",),
        """
import subprocess
n = int(input())
try:
    subprocess.run(["true", *["x" * 131000] * 100], env={f"E{number}": "x" * 100000 for number in range(100)})
except OSError:
    pass
print(2 * n)
""",
    ),
    Attack(
        "a farm of empty files and of links that lead in circles",
        ("passed", "output_limit", "time_limit"),
        """
import os, time
n = int(input())
made = 0
try:
    os.symlink(".", "loop")
    os.symlink("../tmp", "../tmp/other")
    os.chdir("../tmp")
    while made < 16500:
        os.mknod(str(made))
        made += 1
    time.sleep(1)
    print("made", made)
except OSError:
    print(2 * n)
""",
    ),
    Attack(
        "files below a path that is too long to be named",
        ("passed", "output_limit"),
        _HIDE.format(
            how="""    for _ in range(20):
        os.mkdir("d" * 250)
        os.chdir("d" * 250)
    kept = [fill(number) for number in range(3)]"""
        ),
    ),
    Attack(
        "files in a folder that cannot be listed",
        ("passed", "output_limit"),
        _HIDE.format(how="    os.mkdir('dark', 0o300)\n    os.chdir('dark')\n    kept = [fill(k) for k in range(3)]"),
    ),
    Attack(
        "nameless files of a process whose program cannot be read",
        ("passed", "output_limit"),
        _HIDE.format(
            how="""    tool = os.open("tool", os.O_CREAT | os.O_WRONLY, 0o111)
    os.write(tool, open("/bin/sleep", "rb").read())
    os.close(tool)
    for number in range(3):
        stream = fill(number)
        os.unlink(stream.name)
        if os.fork() == 0:
            os.dup2(stream.fileno(), 0)
            os.execv("./tool", ["sleep", "5"])
        stream.close()"""
        ),
    ),
    Attack(
        "nameless files in flight between two sockets",
        ("passed", "output_limit"),
        _HIDE.format(
            how="""    import array, socket
    ends = socket.socketpair()
    for number in range(3):
        stream = fill(number)
        os.unlink(stream.name)
        ends[0].sendmsg([b"x"], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", [stream.fileno()]))])
        stream.close()"""
        ),
        needs="landlock",
    ),
    Attack(
        "a socket, a pipe and a device left for the next program",
        ("passed",),
        """
import os, socket
n = int(input())
def attempt(what):
    try:
        what()
    except OSError:
        pass
attempt(lambda: socket.socket(socket.AF_UNIX).bind("../tmp/socket"))
attempt(lambda: os.mkfifo("../tmp/pipe"))
attempt(lambda: os.mknod("../tmp/device", 0o20666, os.makedev(1, 1)))
attempt(lambda: os.mknod("../tmp/disk", 0o60666, os.makedev(8, 0)))
opened = []
for name in ("device", "disk"):
    attempt(lambda: opened.append(os.open("../tmp/" + name, os.O_RDONLY)))
print(2 * n if not opened else "opened a device")
""",
    ),
)
