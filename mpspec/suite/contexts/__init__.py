"""Tests of the chapter contexts: what each start method gives a child, and how a program chooses among them."""
