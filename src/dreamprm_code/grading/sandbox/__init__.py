"""Running untrusted programs: what happens inside a worker process.

Only the standard library is imported here, and nothing of the rest of this package: a program is forked from the zygote, so
whatever the zygote holds, the program holds too. Four kinds of process, each forked from the one before or started by it:

==========  ==========================================================================  ==============================
process     does                                                                        sees
==========  ==========================================================================  ==============================
supervisor  feeds standard input, caps and collects output, compares, gives verdicts    tests and expected outputs
zygote      builds the sandbox once, then makes a runner for each program               nothing of any problem
runner      compiles one program; forks, measures and limits one process for each test  the program's text
program     runs the program                                                            its own input
==========  ==========================================================================  ==============================

With the level ``namespaces`` the runner is the first process of a pid namespace of its own: the program can neither signal
it nor outlive it. The supervisor reads only bytes, numbers and JSON from the others, never pickles.
"""
