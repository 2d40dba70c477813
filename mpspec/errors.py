"""Errors that people who run mpspec meet: each says what is wrong, where, and how to mend it."""

from __future__ import annotations


class MpspecError(Exception):
    """What every error of mpspec derives from."""


class UsageError(MpspecError):
    """An option, a name or a file given by the user can't be used."""


class SpecificationError(MpspecError):
    """A specification file breaks the rules of its format."""


class SuiteError(MpspecError):
    """The suite itself is at fault: no backend may be blamed (verdict ERROR)."""
