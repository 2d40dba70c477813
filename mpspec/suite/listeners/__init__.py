"""Tests of the chapter listeners."""
