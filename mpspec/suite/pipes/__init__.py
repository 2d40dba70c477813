"""Tests of the chapter pipes."""
