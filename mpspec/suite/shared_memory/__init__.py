"""Tests of the chapter shared_memory."""
