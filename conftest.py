"""For runs of pytest in a checkout: the project's own tests, and conformance runs."""

from __future__ import annotations

import pytest


def pytest_configure(config: pytest.Config) -> None:
    """Say what is missing, rather than let every test fail for the lack of it."""
    if not config.pluginmanager.hasplugin("mpspec"):
        message = (
            "mpspec is not installed in this environment; run: python -m pip install -e '.[test]'"
        )
        raise pytest.UsageError(message)
