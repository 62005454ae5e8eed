"""Programs in C++ and JavaScript that try to break the grader or the host, in their text, at compile time, or when they run."""

from __future__ import annotations

import socket
from pathlib import Path
from typing import NamedTuple

import psutil

from builders.grading import LIMITS, PROBLEMS
from dreamprm_code.grading import Grader, GradeRequest, GraderSettings


class LanguageAttack(NamedTuple):
    """Graded on ``double``; ``verdicts`` are all that a fair grader may give. ``@SCRATCH@`` stands for a folder of the host
    that everybody may write to, ``@PORT@`` for a port of the host on which somebody listens."""

    name: str
    language: str
    verdicts: tuple[str, ...]
    code: str


TIME, MEMORY, OUTPUT, COMPILER, CRASH = "time_limit", "memory_limit", "output_limit", "compile_error", "runtime_error"

_READ = '#include <cstdio>\n#include <cstdlib>\n#include <unistd.h>\nint main() {\n  int n; scanf("%d", &n);\n'
_DOUBLE = '  printf("%d\\n", 2 * n);\n}\n'
_ANSWER = "console.log(2 * Number(fs.readFileSync(0, 'utf8')));\n"

LANGUAGE_ATTACKS = (
    LanguageAttack("fork bomb", "cpp", (TIME,), f"{_READ}  for (;;) fork();\n}}"),
    LanguageAttack(
        "a child that outlives the answer", "cpp", ("passed",), f"{_READ}  if (!fork()) {{ setsid(); sleep(60); }}\n{_DOUBLE}"
    ),
    LanguageAttack(
        "memory",
        "cpp",
        (MEMORY,),
        f"{_READ}  for (;;) {{\n    volatile char* p = (char*)malloc(1 << 20);\n"
        "    for (int i = 0; i < 1 << 20; i += 64) p[i] = 1;\n  }\n}",
    ),
    LanguageAttack(
        "output", "cpp", (OUTPUT,), f'{_READ}  for (;;) puts("12345678901234567890123456789012345678901234567890");\n}}'
    ),
    LanguageAttack("sleep", "cpp", (TIME,), f"{_READ}  sleep(1000);\n{_DOUBLE}"),
    LanguageAttack("endless loop", "cpp", (TIME,), f"{_READ}  for (volatile int i = 0;; i++);\n}}"),
    LanguageAttack(
        "endless recursion",
        "cpp",
        (CRASH, MEMORY, TIME),
        "int f(volatile int n) { return f(n + 1) + n; }\nint main() { return f(0); }",
    ),
    LanguageAttack(
        "files of the host",
        "cpp",
        ("passed",),
        f'{_READ}  const char* read[] = {{"/etc/shadow", "/root/.bashrc", "@SCRATCH@/keep"}};\n'
        '  const char* written[] = {"@SCRATCH@/planted", "/usr/lib/planted", "/etc/planted"};\n'
        '  for (auto path : read) if (fopen(path, "r")) n = 0;\n'
        '  for (auto path : written) if (fopen(path, "w")) n = 0;\n'
        f"{_DOUBLE}",
    ),
    LanguageAttack(
        "network and other processes",
        "cpp",
        ("passed",),
        "#include <arpa/inet.h>\n#include <signal.h>\n#include <sys/ptrace.h>\n#include <sys/socket.h>\n"
        f"{_READ}  sockaddr_in at{{}};\n  at.sin_family = AF_INET;\n  at.sin_port = htons(@PORT@);\n"
        "  at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);\n"
        "  int s = socket(AF_INET, SOCK_STREAM, 0);\n  if (s >= 0 && !connect(s, (sockaddr*)&at, sizeof at)) n = 0;\n"
        f"  kill(getppid(), SIGKILL);\n  if (!ptrace(PTRACE_ATTACH, getppid(), 0, 0)) n = 0;\n{_DOUBLE}",
    ),
    LanguageAttack("include of a device without end", "cpp", (COMPILER,), '#include "/dev/zero"\nint main() {}'),
    LanguageAttack("include of itself", "cpp", (COMPILER,), "#include __FILE__\n#include __FILE__\nint main() {}"),
    LanguageAttack(
        "templates without end",
        "cpp",
        (COMPILER,),
        "template <int A, int B> struct T { enum { v = T<A - 1, B * 2 % 1000003>::v + T<A - 1, B * 3 % 1000003>::v }; };\n"
        "template <int B> struct T<0, B> { enum { v = B }; };\nint main() { return T<60, 1>::v; }",
    ),
    LanguageAttack(
        "macros without end",
        "cpp",
        (COMPILER,),
        "#define A(x) x x x x x x x x x x\n#define B(x) A(A(A(x)))\nint x[] = { B(B(B(1,))) };\nint main() {}",
    ),
    LanguageAttack("a program of many gigabytes", "cpp", (COMPILER,), "int all[1 << 28] = {1};\nint main() { return all[5]; }"),
    LanguageAttack(
        "a computation at compile time",
        "cpp",
        (COMPILER,),
        "constexpr long f(long n) { long s = 0; for (long i = 0; i < n; i++) s += i; return s; }\n"
        "constexpr long x = f(1L << 60);\nint main() { return x; }",
    ),
    LanguageAttack("the expected output at compile time", "cpp", (COMPILER,), '#include "/proc/1/environ"\nint main() {}'),
    LanguageAttack("a secret in the answer of the compiler", "cpp", (COMPILER,), '#include "/etc/shadow"\nint main() {}'),
    LanguageAttack(
        "fork bomb",
        "javascript",
        (TIME, CRASH, MEMORY),
        "const { spawn } = require('child_process');\nfor (;;) { try { spawn(process.execPath, [__filename]); } catch (e) {} }",
    ),
    LanguageAttack("memory", "javascript", (MEMORY,), "const all = [];\nfor (;;) all.push(new Array(100000).fill(1.5));"),
    LanguageAttack(
        "memory outside of the heap", "javascript", (MEMORY,), "const all = [];\nfor (;;) all.push(Buffer.alloc(1 << 24, 1));"
    ),
    LanguageAttack(
        "output",
        "javascript",
        (OUTPUT,),
        "const fs = require('fs');\nfor (;;) fs.writeSync(1, 'a line of the output\\n'.repeat(1000));",
    ),
    LanguageAttack("sleep", "javascript", (TIME,), "setTimeout(() => console.log(6), 1e6);"),
    LanguageAttack("blocked for ever", "javascript", (TIME,), "Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0);"),
    LanguageAttack("endless loop", "javascript", (TIME,), "for (;;);"),
    LanguageAttack(
        "threads that compute",
        "javascript",
        (TIME,),
        "const { Worker } = require('worker_threads');\nfor (let i = 0; i < 4; i++) new Worker('for (;;);', { eval: true });",
    ),
    LanguageAttack(
        "files of the host",
        "javascript",
        ("passed",),
        "const fs = require('fs');\nlet wrong = 0;\n"
        "for (const path of ['/etc/shadow', '/root/.bashrc', '@SCRATCH@/keep'])\n"
        "    try { fs.readFileSync(path); wrong = 1; } catch (e) {}\n"
        "for (const path of ['@SCRATCH@/planted', '/usr/lib/planted', '/etc/planted'])\n"
        "    try { fs.writeFileSync(path, ''); wrong = 1; } catch (e) {}\n"
        "console.log(2 * Number(fs.readFileSync(0, 'utf8')) + wrong);",
    ),
    LanguageAttack(
        "network",
        "javascript",
        ("passed",),
        f"const fs = require('fs');\nconst s = require('net').connect(@PORT@, '127.0.0.1');\n"
        f"s.on('connect', () => console.log('reached'));\ns.on('error', () => {{ {_ANSWER} }});",
    ),
)

CHEAP = {
    "fork bomb", "memory", "output", "sleep", "files of the host", "include of a device without end", "templates without end",
    "a program of many gigabytes", "network",
}  # fmt: skip
"""The names of those that the suite runs."""

INNOCENT = {
    "cpp": '#include <cstdio>\nint main() { int n; scanf("%d", &n); printf("%d", 2 * n); } // ',
    "javascript": "const fs = require('fs');\nconst found = fs.readdirSync('.');\n"
    "console.log(found.length === 1 ? 2 * fs.readFileSync(0, 'utf8') : found); // ",
}


def run_language_attacks(
    attacks: list[LanguageAttack], folder: Path, limits: dict[str, float] = LIMITS
) -> tuple[dict[str, str], list[str]]:
    """Verdicts by "language: name", of the innocent programs after them, too, and what was wrong with the host afterwards."""
    folder.chmod(0o777)
    (folder / "keep").write_text("untouched")
    settings = GraderSettings(
        languages=("cpp", "javascript"), build_cpu_limit_s=4, build_memory_limit_mb=512, **limits | {"isolation": "namespaces"}
    )
    with socket.create_server(("127.0.0.1", 0)) as server, Grader(settings) as grader:
        requests = []
        for attack in attacks:
            name = f"{attack.language}: {attack.name}"
            code = attack.code.replace("@SCRATCH@", str(folder)).replace("@PORT@", str(server.getsockname()[1]))
            requests.append(GradeRequest(name, PROBLEMS["double"], code, attack.language))
            requests.append(
                GradeRequest(f"after {name}", PROBLEMS["double"], INNOCENT[attack.language] + name, attack.language)
            )
        verdicts = {str(result.key): str(result.verdict) for result in grader.grade(requests)}
        left = [process.name() for process in psutil.Process().children(recursive=True)]
    wrong = [f"{name} still runs" for name in left if name in ("node", "main", "cc1plus", "g++")]
    if sorted(path.name for path in folder.iterdir()) != ["keep"] or (folder / "keep").read_text() != "untouched":
        wrong.append("the scratch folder was changed")
    wrong += [f"{path} was planted" for path in ("/usr/lib/planted", "/etc/planted") if Path(path).exists()]
    return verdicts, wrong


def unfair(attacks: list[LanguageAttack], verdicts: dict[str, str]) -> dict[str, str]:
    allowed = {f"{attack.language}: {attack.name}": attack.verdicts for attack in attacks}
    return {name: verdict for name, verdict in verdicts.items() if verdict not in allowed.get(name, ("passed",))}
