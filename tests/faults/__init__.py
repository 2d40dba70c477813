"""Faults: for each requirement a broken copy of the reference that the requirement's test must reject."""
