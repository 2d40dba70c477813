"""What pytest loads of mpspec in every run on this machine: its options, and a look at whether they are used.

Without ``--backend`` this is all, and it is little: somebody else's project neither waits for mpspec nor meets it.
With it, ``mpspec.session`` takes over.
"""

from __future__ import annotations

import pytest

from mpspec import options


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add mpspec's options."""
    options.add(parser)


@pytest.hookimpl(tryfirst=True)
def pytest_load_initial_conftests(early_config: pytest.Config) -> None:
    """Load the rest when it is wanted, in time to see every ``conftest.py``."""
    if early_config.known_args_namespace.backend:
        from mpspec import session

        session.begin(early_config)
