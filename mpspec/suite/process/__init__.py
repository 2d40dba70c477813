"""Tests of the chapter process: the life of a process object, from the constructor to close()."""
