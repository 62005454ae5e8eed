"""Running untrusted programs: what happens inside a worker process.

Only the standard library is imported here, and nothing of the rest of this package: a program is forked from the zygote, so
whatever the zygote holds, the program holds too. Four kinds of process, each forked from the one before:

==========  ==========================================================================  ==============================
process     does                                                                        sees
==========  ==========================================================================  ==============================
supervisor  feeds standard input, caps and collects output, compares, gives verdicts    tests and expected outputs
keeper      only at the level ``namespaces``: makes a new folder in memory on demand    nothing of any problem
zygote      forks, measures and limits a process for each test (functions: for all      nothing of any problem
            tests that pass)
program     compiles and runs the program                                               its text and its own input
==========  ==========================================================================  ==============================

At the level ``namespaces`` the zygote is the first process of a pid namespace, under the same system call filter and without
privileges as its programs: a program can neither signal it nor outlive its test, and finds no way to its memory. The
supervisor reads only bytes, numbers in fixed form and JSON from the others.

Where to look: ``supervisor`` (jobs in, verdicts out), ``stdin_tests`` and ``functional_tests`` (running tests), ``judge``
(rules of verdicts), ``compare`` (rules of comparison), ``zygotes`` and ``orders`` (talking to zygotes); ``zygote``,
``program``, ``official`` (the program's side); ``isolation``, ``folders``, ``seccomp``, ``syscalls``, ``meter`` (limits).
"""
