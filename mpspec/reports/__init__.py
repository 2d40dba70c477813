"""The formats in which a run is reported, one module each."""
