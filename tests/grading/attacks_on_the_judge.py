"""Programs that turn to whoever compares their results: objects that lie, forged lines, tampered modules, late answers."""

from __future__ import annotations

from attack import Attack

TAMPERINGS = (
    Attack(
        "an infinite CPU time",
        ("runtime_error",),
        'import os, time\ndef solve(n):\n    os.write(4, b"+ inf 6\\n+ 1e999 20\\n")\n    time.sleep(0.3)',
        "double_function",
    ),
    Attack(
        "a message of sixteen megabytes that takes half a gigabyte to read",
        ("runtime_error",),
        'import os, time\ndef solve(n):\n    os.write(4, b"! 0.1 [" + b"[]," * 5000000 + b"[]]\\n")\n    time.sleep(0.3)',
        "double_function",
    ),
    Attack(
        "sixteen megabytes of digits as CPU time",
        ("runtime_error", "time_limit"),
        'import os, time\ndef solve(n):\n    os.write(4, b"+ " + b"1" * 15000000 + b" 6\\n")\n    time.sleep(0.3)',
        "double_function",
    ),
    Attack(
        "sixty megabytes of nothing as results",
        ("output_limit",),
        "import os, time\ndef solve(n):\n    os.ftruncate(4, 60 << 20)\n    time.sleep(1)",
        "double_function",
    ),
    Attack(
        "an integer with a text, an equality and a hash of its own",
        ("wrong_answer",),
        """
class Six(int):
    def __eq__(self, other): return True
    def __hash__(self): return hash(6)
    def __repr__(self): return "6"
    def __int__(self): return 6
    __str__ = __repr__
    __index__ = __float__ = __int__
def solve(n):
    return Six(5)
""",
        "double_function",
    ),
    Attack(
        "a text that encodes itself otherwise",
        ("wrong_answer", "runtime_error"),
        """
class Text(str):
    def encode(self, *_): return b'"hidden-answer"'
    def __str__(self): return "hidden-answer"
    def __iter__(self): return iter("hidden-answer")
    def __len__(self): return 0
    def __contains__(self, other): return False
    def write(self, *_): pass
def solve(n):
    return Text("guess")
""",
        "secret_function",
    ),
    Attack(
        "containers that change while they are read",
        ("wrong_answer", "runtime_error"),
        """
class Map(dict):
    def items(self): return [("answer", self)]
    def __eq__(self, other): return True
class Rows(list):
    def __iter__(self): return iter([Map()])
    def __len__(self): return 1 << 40
def solve(n):
    return Rows([Map({"a": Rows([1])})])
""",
        "secret_function",
    ),
    Attack(
        "find the expected results by tracing, profiling, frames and the collector",
        ("wrong_answer", "runtime_error"),
        """
import gc, sys
seen = []
def look(frame, *_):
    while frame and len(seen) < 50000:
        seen.extend([*frame.f_locals.values(), *frame.f_globals.values()])
        frame = frame.f_back
sys.setprofile(lambda frame, *_: look(frame))
sys.settrace(lambda frame, *_: look(frame))
def solve(n):
    look(sys._getframe())
    sys.setprofile(None)
    sys.settrace(None)
    gc.unfreeze()
    for thing in [*seen, *gc.get_objects()]:
        for one in thing if type(thing) in (list, tuple) else thing.values() if type(thing) is dict else [thing]:
            if type(one) in (str, bytes) and len(one) < 40 and "hidden" + "-answer" in str(one):
                return str(one)
    return "nothing"
""",
        "secret_function",
    ),
    Attack(
        "printing, reading and encoding replaced",
        ("wrong_answer", "runtime_error"),
        """
import builtins, io, json, json.encoder, os, sys
everything = lambda *a, **k: True
for place in (builtins, io, json, json.encoder, json.decoder, json.scanner, type(sys.stdout), str, int, os):
    for name in ("print", "open", "dumps", "loads", "c_make_encoder", "encode_basestring_ascii", "TextIOWrapper", "isinstance",
                 "float", "len", "write", "__eq__", "JSONEncoder", "c_make_scanner", "pread"):
        try:
            if hasattr(place, name) and not (place is os and name == "write"):
                setattr(place, name, everything)
        except TypeError:
            pass
json.JSONEncoder.encode = json.encoder.JSONEncoder = everything
def solve(n):
    return "?"
""",
        "secret_function",
    ),
    Attack(
        "an answer at exit, and one from a thread that outlives the function",
        ("wrong_answer", "runtime_error"),
        """
import atexit, os, threading, time
forged = b'+ 0.000001 "hidden-answer"\\n'
atexit.register(os.write, 4, forged * 2)
def late():
    time.sleep(0.1)
    os.write(4, forged * 50)
def solve(n):
    threading.Thread(target=late).start()
    return "guess"
""",
        "secret_function",
    ),
    Attack(
        "a child that answers when its parent has ended",
        ("wrong_answer",),
        """
import os, time
n = int(input())
if os.fork() == 0:
    os.setsid()
    time.sleep(0.3)
    print(2 * n, flush=True)
""",
    ),
    Attack(
        "an end that does not end: the frames below the program, changed",
        ("wrong_answer", "runtime_error"),
        """
import os, sys
frame = sys._getframe()
while frame:
    for name in ("_exit", "_finish", "_report", "write_all"):
        if name in frame.f_globals:
            frame.f_globals[name] = lambda *a: 0
    frame = frame.f_back
os._exit = sys.exit = lambda *a: None
print("guess")
raise SystemExit(0)
""",
        "secret",
    ),
    Attack(
        "its own pipes, opened from the other side",
        ("passed", "wrong_answer", "runtime_error"),
        """
import os
n = int(input())
for fd, mode in ((0, os.O_WRONLY), (1, os.O_RDONLY), (2, os.O_RDONLY)):
    try:
        other = os.open(f"/proc/self/fd/{fd}", mode | os.O_NONBLOCK)
        os.write(other, b"1\\n" * 30000) if fd == 0 else os.read(other, 10)
    except OSError:
        pass
print(2 * n)
""",
    ),
)
