"""The conformance tests, one module per chapter of the specification.

Children started with ``spawn`` import these modules to find their targets: nothing here may import pytest, or anything
else that is slow, at the top of a module.
"""
