"""A seccomp filter for graded programs: everything an ordinary program does is allowed, the rest fails with an error number.

The filter is a deny list. It is not the wall (namespaces or landlock are); it takes away what would let a program reach
other processes of its user, change mounts or namespaces, hold memory outside its limits, or find bugs in rarely used parts
of the kernel.
"""

from __future__ import annotations

import errno
import platform
import struct

# System call numbers: (x86_64, aarch64); None where the architecture has no such call.
_DENIED: dict[str, tuple[int | None, int | None]] = {
    # other processes
    "ptrace": (101, 117),
    "process_vm_readv": (310, 270),
    "process_vm_writev": (311, 271),
    "process_madvise": (440, 440),
    "process_mrelease": (448, 448),
    "pidfd_getfd": (438, 438),
    "kcmp": (312, 272),
    "migrate_pages": (256, 238),
    "move_pages": (279, 239),
    "sched_setscheduler": (144, 119),
    "sched_setparam": (142, 118),
    "sched_setattr": (314, 274),
    "ioprio_set": (251, 30),
    # mounts and namespaces
    "unshare": (272, 97),
    "setns": (308, 268),
    "mount": (165, 40),
    "umount2": (166, 39),
    "pivot_root": (155, 41),
    "chroot": (161, 51),
    "open_tree": (428, 428),
    "move_mount": (429, 429),
    "fsopen": (430, 430),
    "fsconfig": (431, 431),
    "fsmount": (432, 432),
    "fspick": (433, 433),
    "mount_setattr": (442, 442),
    "open_by_handle_at": (304, 265),
    # memory and objects that outlive or escape limits
    "memfd_create": (319, 279),
    "memfd_secret": (447, 447),
    "shmget": (29, 194),
    "shmat": (30, 196),
    "semget": (64, 190),
    "msgget": (68, 186),
    "mq_open": (240, 180),
    "add_key": (248, 217),
    "request_key": (249, 218),
    "keyctl": (250, 219),
    # wide or privileged interfaces
    "bpf": (321, 280),
    "perf_event_open": (298, 241),
    "userfaultfd": (323, 282),
    "io_uring_setup": (425, 425),
    "io_uring_enter": (426, 426),
    "io_uring_register": (427, 427),
    "fanotify_init": (300, 262),
    "quotactl": (179, 60),
    "acct": (163, 89),
    "syslog": (103, 116),
    "reboot": (169, 142),
    "swapon": (167, 224),
    "swapoff": (168, 225),
    "kexec_load": (246, 104),
    "kexec_file_load": (320, 294),
    "init_module": (175, 105),
    "finit_module": (313, 273),
    "delete_module": (176, 106),
    "iopl": (172, None),
    "ioperm": (173, None),
    "personality": (135, 92),
    "settimeofday": (164, 170),
    "clock_settime": (227, 112),
    "adjtimex": (159, 171),
    "clock_adjtime": (305, 266),
}
# Changes of modes, owners, attributes and times, which landlock does not judge.
_FILE_ATTRIBUTES: dict[str, tuple[int | None, int | None]] = {
    "chmod": (90, None),
    "fchmod": (91, 52),
    "fchmodat": (268, 53),
    "fchmodat2": (452, 452),
    "chown": (92, None),
    "fchown": (93, 55),
    "lchown": (94, None),
    "fchownat": (260, 54),
    "setxattr": (188, 5),
    "lsetxattr": (189, 6),
    "fsetxattr": (190, 7),
    "removexattr": (197, 14),
    "lremovexattr": (198, 15),
    "fremovexattr": (199, 16),
    "utime": (132, None),
    "utimes": (235, None),
    "futimesat": (261, None),
    "utimensat": (280, 88),
}
# A process may set its own limits and priority, never another's: the argument that names the process must be 0.
_SELF_ONLY = {"prlimit64": (302, 261, 0), "sched_setaffinity": (203, 122, 0)}
_SETPRIORITY = (141, 140)
_CLONE, _CLONE3, _SOCKET = (56, 220), (435, 435), (41, 198)
_SIGNALLING = {"kill": (62, 129), "tkill": (200, 130), "tgkill": (234, 131), "rt_sigqueueinfo": (129, 138)}
_PIDFD_SEND_SIGNAL = (424, 424)
_NEW_NAMESPACE_FLAGS = 0x7E020000  # every CLONE_NEW* flag that clone() takes
_AF_UNIX, _AF_INET, _AF_INET6 = 1, 2, 10
_AUDIT_ARCH = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}

_LD, _JUMP, _JEQ, _JGE, _JSET, _RET = 0x20, 0x05, 0x15, 0x35, 0x45, 0x06
_ALLOW = 0x7FFF0000
_KILL = 0x80000000


def _deny(number: int = errno.EPERM) -> int:
    return 0x00050000 | number


def build_filter(*, network: bool, signal_only: int | None = None, file_attributes: bool = True) -> bytes:
    """A classic BPF program for this machine.

    ``network`` leaves internet sockets to a network namespace; without it only Unix sockets may be made. ``signal_only``
    is a process id: signals to any other process are refused, for hosts where nothing else separates processes. Without
    ``file_attributes`` no mode, owner or time of a file may be changed, for hosts where the program sees foreign files.

    Raises:
        OSError: the processor's system call numbers are not known here.
    """
    machine = platform.machine()
    if machine not in _AUDIT_ARCH:
        raise OSError(f"seccomp: system call numbers of {machine} are not known")
    column = 0 if machine == "x86_64" else 1
    program: list[tuple[int, int, int, int]] = [
        (_LD, 0, 0, 4),
        (_JEQ, 1, 0, _AUDIT_ARCH[machine]),
        (_RET, 0, 0, _KILL),
        (_LD, 0, 0, 0),
    ]
    if machine == "x86_64":  # the x32 variants of every call
        program += [(_JGE, 0, 1, 0x40000000), (_RET, 0, 0, _deny(errno.ENOSYS))]
    rules: dict[int, list[tuple[int, int, int, int]]] = {
        numbers[column]: [(_RET, 0, 0, _deny())]
        for table in (_DENIED, {} if file_attributes else _FILE_ATTRIBUTES)
        for numbers in table.values()
        if numbers[column] is not None
    }

    def look_at(argument: int, tests: list[tuple[int, int, int, int]]) -> list[tuple[int, int, int, int]]:
        """Judge a call by the low half of an argument: ``tests`` fall through to a refusal or jump over it."""
        return [(_LD, 0, 0, 16 + 8 * argument), *tests]

    refuse, allow = (_RET, 0, 0, _deny()), (_RET, 0, 0, _ALLOW)
    rules[_CLONE3[column]] = [(_RET, 0, 0, _deny(errno.ENOSYS))]
    rules[_CLONE[column]] = look_at(0, [(_JSET, 0, 1, _NEW_NAMESPACE_FLAGS), refuse, allow])
    families = [_AF_UNIX, _AF_INET, _AF_INET6] if network else [_AF_UNIX]
    tests = [(_JEQ, len(families) - index, 0, family) for index, family in enumerate(families)]
    rules[_SOCKET[column]] = look_at(0, [*tests, (_RET, 0, 0, _deny(errno.EACCES)), allow])
    for *numbers, argument in _SELF_ONLY.values():
        rules[numbers[column]] = look_at(argument, [(_JEQ, 1, 0, 0), refuse, allow])
    # setpriority(PRIO_PROCESS = 0, 0, ...); PRIO_USER would reach every process of the user
    rules[_SETPRIORITY[column]] = [
        *look_at(0, [(_JEQ, 1, 0, 0), refuse]),
        *look_at(1, [(_JEQ, 1, 0, 0), refuse, allow]),
    ]
    if signal_only is not None:
        for numbers in _SIGNALLING.values():
            rules[numbers[column]] = look_at(0, [(_JEQ, 1, 0, signal_only), refuse, allow])
        rules[_PIDFD_SEND_SIGNAL[column]] = [refuse]
    program += _decide(sorted(rules.items()))
    return b"".join(struct.pack("=HBBI", *instruction) for instruction in program)


def _decide(rules: list[tuple[int, list[tuple[int, int, int, int]]]]) -> list[tuple[int, int, int, int]]:
    """A binary search for the call's number: the kernel walks the filter once for every system call when it is installed."""
    if len(rules) <= 2:
        found: list[tuple[int, int, int, int]] = []
        for number, rule in rules:
            found += [(_JEQ, 0, len(rule), number), *rule]
        return [*found, (_RET, 0, 0, _ALLOW)]
    middle = len(rules) // 2
    below, above = _decide(rules[:middle]), _decide(rules[middle:])
    if len(below) < 256:
        return [(_JGE, len(below), 0, rules[middle][0]), *below, *above]
    return [(_JGE, 0, 1, rules[middle][0]), (_JUMP, 0, 0, len(below)), *below, *above]
