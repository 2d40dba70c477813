"""Tests of the chapter pool.

A task that must not end yet waits at a gate: a named pipe, which it opens for reading. Opening it for writing lets the
task go on, and waits until the task is there.

Workers are dear. What needs a pool of its own, but can be seen beside other facts, is seen in the life of one pool
(``@observed_once``), of which several tests take their facts.
"""
