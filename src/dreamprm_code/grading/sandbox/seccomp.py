"""A seccomp filter for graded programs: the system calls that Python, numpy, shells and compilers need, and no others.

The list was made from traces of the real programs that the verdict suite grades. A call that is not in it does not exist for
a program (ENOSYS), and so no call that a future kernel brings. Some are allowed with some arguments only, the rest refused.
"""

from __future__ import annotations

import errno
import platform
import struct

_Numbers = dict[str, tuple[int | None, int | None]]
# System call numbers: (x86_64, aarch64); None where the architecture has no such call.
_ALLOWED: _Numbers = {
    # files
    "read": (0, 63), "write": (1, 64), "readv": (19, 65), "writev": (20, 66), "pread64": (17, 67), "pwrite64": (18, 68),
    "preadv": (295, 69), "pwritev": (296, 70), "preadv2": (327, 286), "pwritev2": (328, 287), "lseek": (8, 62),
    "close": (3, 57), "close_range": (436, 436), "creat": (85, None), "stat": (4, None), "fstat": (5, 80), "lstat": (6, None),
    "newfstatat": (262, 79), "statfs": (137, 43), "fstatfs": (138, 44), "access": (21, None),
    "faccessat": (269, 48), "faccessat2": (439, 439), "readlink": (89, None), "readlinkat": (267, 78), "getdents": (78, None),
    "getdents64": (217, 61), "getcwd": (79, 17), "chdir": (80, 49), "fchdir": (81, 50), "mkdir": (83, None),
    "mkdirat": (258, 34), "rmdir": (84, None), "rename": (82, None), "renameat": (264, 38), "renameat2": (316, 276),
    "link": (86, None), "linkat": (265, 37), "unlink": (87, None), "unlinkat": (263, 35), "symlink": (88, None),
    "symlinkat": (266, 36), "mknod": (133, None), "mknodat": (259, 33), "umask": (95, 166), "ftruncate": (77, 46),
    "fallocate": (285, 47), "fadvise64": (221, 223), "readahead": (187, 213), "fsync": (74, 82), "fdatasync": (75, 83),
    "sync_file_range": (277, 84), "dup": (32, 23), "dup2": (33, None), "dup3": (292, 24),
    "pipe": (22, None), "pipe2": (293, 59), "sendfile": (40, 71), "copy_file_range": (326, 285),
    # memory
    "mmap": (9, 222), "mprotect": (10, 226), "munmap": (11, 215), "mremap": (25, 216), "msync": (26, 227),
    "mincore": (27, 232), "madvise": (28, 233), "brk": (12, 214), "mlock": (149, 228), "munlock": (150, 229),
    # waiting
    "poll": (7, None), "ppoll": (271, 73), "select": (23, None), "pselect6": (270, 72), "epoll_create": (213, None),
    "epoll_create1": (291, 20), "epoll_ctl": (233, 21), "epoll_wait": (232, None), "epoll_pwait": (281, 22),
    "epoll_pwait2": (441, 441), "eventfd": (284, None), "eventfd2": (290, 19), "signalfd": (282, None),
    "signalfd4": (289, 74), "timerfd_create": (283, 85), "timerfd_settime": (286, 86), "timerfd_gettime": (287, 87),
    "timer_create": (222, 107), "timer_settime": (223, 110), "timer_gettime": (224, 108), "timer_getoverrun": (225, 109),
    "timer_delete": (226, 111), "nanosleep": (35, 101), "clock_nanosleep": (230, 115), "pause": (34, None),
    "alarm": (37, None), "getitimer": (36, 102), "setitimer": (38, 103), "futex": (202, 98), "futex_waitv": (449, 449),
    "restart_syscall": (219, 128), "sched_yield": (24, 124), "membarrier": (324, 283),
    # signals
    "rt_sigprocmask": (14, 135), "rt_sigreturn": (15, 139), "rt_sigpending": (127, 136), "rt_sigtimedwait": (128, 137),
    "rt_sigsuspend": (130, 133), "sigaltstack": (131, 132),
    # processes
    "fork": (57, None), "vfork": (58, None), "execve": (59, 221), "execveat": (322, 281), "exit": (60, 93),
    "exit_group": (231, 94), "wait4": (61, 260), "waitid": (247, 95), "getpid": (39, 172), "getppid": (110, 173),
    "gettid": (186, 178), "getuid": (102, 174), "geteuid": (107, 175), "getgid": (104, 176), "getegid": (108, 177),
    "getresuid": (118, 148), "getresgid": (120, 150), "getgroups": (115, 158), "getpgrp": (111, None), "getpgid": (121, 155),
    "setpgid": (109, 154), "getsid": (124, 156), "setsid": (112, 157), "capget": (125, 90), "capset": (126, 91),
    "set_tid_address": (218, 96), "set_robust_list": (273, 99), "get_robust_list": (274, 100), "rseq": (334, 293),
    "arch_prctl": (158, None), "pidfd_open": (434, 434), "getcpu": (309, 168), "getpriority": (140, 141),
    "sched_getaffinity": (204, 123), "sched_getparam": (143, 121), "sched_getscheduler": (145, 120),
    "sched_getattr": (315, 275), "sched_get_priority_max": (146, 125), "sched_get_priority_min": (147, 126),
    "sched_rr_get_interval": (148, 127), "getrlimit": (97, 163), "setrlimit": (160, 164), "getrusage": (98, 165),
    "times": (100, 153),
    # the host
    "uname": (63, 160), "sysinfo": (99, 179), "time": (201, None), "gettimeofday": (96, 169), "clock_gettime": (228, 113),
    "clock_getres": (229, 114), "getrandom": (318, 278),
    # sockets
    "bind": (49, 200), "listen": (50, 201), "accept": (43, 202), "accept4": (288, 242), "sendto": (44, 206),
    "recvfrom": (45, 207), "recvmsg": (47, 212), "recvmmsg": (299, 243), "shutdown": (48, 210), "getsockname": (51, 204),
    "getpeername": (52, 205), "getsockopt": (55, 209), "setsockopt": (54, 208),
}  # fmt: skip
# Modes, owners and times of files, which landlock does not judge.
_FILE_ATTRIBUTES: _Numbers = {
    "chmod": (90, None), "fchmod": (91, 52), "fchmodat": (268, 53), "fchmodat2": (452, 452), "chown": (92, None),
    "fchown": (93, 55), "lchown": (94, None), "fchownat": (260, 54), "utime": (132, None), "utimes": (235, None),
    "futimesat": (261, None), "utimensat": (280, 88),
}  # fmt: skip
# Which landlock does not judge either.
_READING_ATTRIBUTES: _Numbers = {
    "getxattr": (191, 8), "lgetxattr": (192, 9), "fgetxattr": (193, 10), "listxattr": (194, 11), "llistxattr": (195, 12),
    "flistxattr": (196, 13),
}  # fmt: skip
# By path they reach every service of the user; passing descriptors hides files from their count.
_CONNECTING: _Numbers = {"connect": (42, 203), "sendmsg": (46, 211), "sendmmsg": (307, 269)}
_SIGNALLING: _Numbers = {
    "kill": (62, 129), "tkill": (200, 130), "tgkill": (234, 131), "rt_sigqueueinfo": (129, 138),
    "rt_tgsigqueueinfo": (297, 240), "pidfd_send_signal": (424, 424),
}  # fmt: skip
# A process may set its own limits and processors, never another's: the argument that names the process must be 0.
_SELF_ONLY = {"prlimit64": (302, 261, 0), "sched_setaffinity": (203, 122, 0)}
_OPEN, _OPENAT, _CLONE, _SETPRIORITY = (2, None), (257, 56), (56, 220), (141, 140)
_SOCKET, _SOCKETPAIR = (41, 198), (53, 199)
_FCNTL, _IOCTL, _PRCTL, _RT_SIGACTION = (72, 25), (16, 29), (157, 167), (13, 134)
_FLOCK, _STATX = (73, 32), (332, 291)

_NEW_NAMESPACE_FLAGS = 0x7E020000  # every CLONE_NEW* flag that clone() takes
_AF_UNIX, _SOCK_STREAM, _SOCK_SEQPACKET, _SOCK_KINDS, _SIGCHLD = 1, 1, 5, 0xF, 17
_O_TRUNC, _O_TMPFILE, _O_ACCMODE = 0o1000, 0o20000000, 0o3
_OTHERS_SIGNALS = (8, 10, 15, 1024, 1026)  # F_SETOWN, F_SETSIG, F_SETOWN_EX, F_SETLEASE, F_NOTIFY: by them the kernel signals
_LOCKS, _LOCK_QUESTIONS = (6, 7, 37, 38), (5, 36)  # F_SETLK, F_SETLKW and F_GETLK, of processes and of open files
_STATX_BTIME, _STATX_MNT_ID_UNIQUE = 0x800, 0x4000
# Terminals asked for (TCGETS, TCSETS*, TIOCGPGRP, TIOCGWINSZ, TCGETS2), FIONREAD, FIONBIO, FIONCLEX, FIOCLEX.
_IOCTLS = (0x5401, 0x5402, 0x5403, 0x5404, 0x540F, 0x5413, 0x802C542A, 0x541B, 0x5421, 0x5450, 0x5451)
# PDEATHSIG, DUMPABLE (asked), names, seccomp and capabilities asked for, timer slack, no_new_privs
_PRCTLS = (1, 2, 3, 15, 16, 21, 23, 29, 30, 38, 39)
_PR_SET_DUMPABLE = 4
_AUDIT_ARCH = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}

_LD, _ALU_AND, _JUMP, _JEQ, _JGE, _JSET, _RET = 0x20, 0x54, 0x05, 0x15, 0x35, 0x45, 0x06
_Instruction = tuple[int, int, int, int]
_ALLOW: _Instruction = (_RET, 0, 0, 0x7FFF0000)
_KILL: _Instruction = (_RET, 0, 0, 0x80000000)


def _answer(number: int) -> _Instruction:
    """Do not call; say that it failed so (0: that it succeeded)."""
    return (_RET, 0, 0, 0x00050000 | number)


def _load(argument: int, high: int = 0) -> _Instruction:
    """The low half of an argument (4 more: the high half)."""
    return (_LD, 0, 0, 16 + 8 * argument + high)


def _one_of(values: tuple[int, ...], refusal: int) -> list[_Instruction]:
    """Allow what was loaded if it is one of these."""
    tests = [(_JEQ, len(values) - index, 0, value) for index, value in enumerate(values)]
    return [*tests, _answer(refusal), _ALLOW]


def build_filter(*, own_world: bool, signal_only: int | None = None) -> bytes:
    """A classic BPF program for this machine.

    ``own_world``: namespaces keep files, sockets and processes of the host out of reach. Without it no socket may be made
    (a connected pair may), and no mode, owner or time of a file be changed. ``signal_only`` is a process id: signals to any
    other process are refused, where nothing else separates processes.

    Raises:
        OSError: the processor's system call numbers are not known here.
    """
    machine = platform.machine()
    if machine not in _AUDIT_ARCH:
        raise OSError(f"seccomp: system call numbers of {machine} are not known")
    column = 0 if machine == "x86_64" else 1
    tables = [_ALLOWED, _SIGNALLING, *((_FILE_ATTRIBUTES, _READING_ATTRIBUTES, _CONNECTING) if own_world else ())]
    rules: dict[int | None, list[_Instruction]] = {numbers[column]: [_ALLOW] for table in tables for numbers in table.values()}
    refuse, allow, pretend = _answer(errno.EPERM), _ALLOW, _answer(0)
    if not own_world:
        rules |= {numbers[column]: [_answer(errno.EOPNOTSUPP)] for numbers in _READING_ATTRIBUTES.values()}
    rules[_CLONE[column]] = [_load(0), (_JSET, 0, 1, _NEW_NAMESPACE_FLAGS), refuse, allow]
    for flags_at, call in ((1, _OPEN), (2, _OPENAT)):
        rules[call[column]] = [
            _load(flags_at),
            (_JSET, 0, 1, _O_TMPFILE),  # leaves no trace but in inode numbers, which the next program could read
            _answer(errno.EOPNOTSUPP),
            (_JSET, 0, 2, _O_TRUNC),  # without writing: early landlock takes it for reading
            (_JSET, 1, 0, _O_ACCMODE),
            refuse,
            allow,
        ]
    rules[_SOCKET[column]] = [_load(0), *_one_of((_AF_UNIX,) if own_world else (), errno.EACCES)]
    # Connected pairs that nothing can connect elsewhere (Rust's compiler starts the linker by one); datagrams could be sent to
    # any path.
    pairs = _one_of((_SOCK_STREAM, _SOCK_SEQPACKET), errno.EACCES)
    rules[_SOCKETPAIR[column]] = [_load(1), (_ALU_AND, 0, 0, _SOCK_KINDS), *pairs]
    # Locks on the system's files, which all programs read: what one holds, another that runs beside it could ask for.
    rules[_FLOCK[column]] = [pretend]
    refused = (*_OTHERS_SIGNALS, *_LOCK_QUESTIONS)
    rules[_FCNTL[column]] = [
        _load(1),
        *((_JEQ, len(_LOCKS) - index + len(refused) + 1, 0, command) for index, command in enumerate(_LOCKS)),
        *((_JEQ, len(refused) - index, 0, command) for index, command in enumerate(refused)),
        allow,
        refuse,
        pretend,
    ]
    # When a program's folders were made, perhaps for an earlier one; a number that counts all mounts of the host. Libraries
    # then ask for less, or by an older call.
    rules[_STATX[column]] = [_load(3), (_JSET, 0, 1, _STATX_BTIME | _STATX_MNT_ID_UNIQUE), _answer(errno.ENOSYS), allow]
    rules[_IOCTL[column]] = [_load(1), *_one_of(_IOCTLS, errno.ENOTTY)]
    # It may become readable to whoever measures it, never hide.
    rules[_PRCTL[column]] = [
        _load(0),
        (_JEQ, 0, 4, _PR_SET_DUMPABLE),
        _load(1),
        (_JEQ, 0, 1, 1),
        allow,
        refuse,
        *_one_of(_PRCTLS, errno.EINVAL),
    ]
    # To ignore SIGCHLD, or to say SA_NOCLDWAIT, takes the CPU time of children out of all sums: it seems to succeed.
    rules[_RT_SIGACTION[column]] = [
        _load(0),
        (_JEQ, 1, 0, _SIGCHLD),
        allow,
        _load(1),
        (_JEQ, 0, 2, 0),
        _load(1, high=4),
        (_JEQ, 1, 0, 0),
        pretend,
        allow,
    ]
    for *own_numbers, argument in _SELF_ONLY.values():
        rules[own_numbers[column]] = [_load(argument), (_JEQ, 1, 0, 0), refuse, allow]
    # setpriority(PRIO_PROCESS = 0, 0, ...): who steps back behind all others on a busy host is never done. PRIO_USER would
    # reach every process of the user.
    rules[_SETPRIORITY[column]] = [_load(0), (_JEQ, 1, 0, 0), refuse, _load(1), (_JEQ, 1, 0, 0), refuse, pretend]
    if signal_only is not None:
        for name, numbers in _SIGNALLING.items():
            rule = [refuse] if name == "pidfd_send_signal" else [_load(0), (_JEQ, 1, 0, signal_only), refuse, allow]
            rules[numbers[column]] = rule
    program: list[_Instruction] = [(_LD, 0, 0, 4), (_JEQ, 1, 0, _AUDIT_ARCH[machine]), _KILL, (_LD, 0, 0, 0)]
    if machine == "x86_64":  # the x32 variants of every call
        program += [(_JGE, 0, 1, 0x40000000), _answer(errno.ENOSYS)]
    program += _decide(sorted((number, rule) for number, rule in rules.items() if number is not None))
    return b"".join(struct.pack("=HBBI", *instruction) for instruction in program)


def _decide(rules: list[tuple[int, list[_Instruction]]]) -> list[_Instruction]:
    """A binary search for the call's number: the kernel walks the filter once for every system call when it is installed."""
    if len(rules) <= 2:
        found: list[_Instruction] = []
        for number, rule in rules:
            found += [(_JEQ, 0, len(rule), number), *rule]
        return [*found, _answer(errno.ENOSYS)]
    middle = len(rules) // 2
    below, above = _decide(rules[:middle]), _decide(rules[middle:])
    if len(below) < 256:
        return [(_JGE, len(below), 0, rules[middle][0]), *below, *above]
    return [(_JGE, 0, 1, rules[middle][0]), (_JUMP, 0, 0, len(below)), *below, *above]
