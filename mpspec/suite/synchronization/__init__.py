"""Tests of the chapter synchronization: locks, semaphores, conditions, events and barriers."""
