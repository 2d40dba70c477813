"""Tests of the chapter managers."""
