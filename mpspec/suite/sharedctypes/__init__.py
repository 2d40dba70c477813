"""Tests of the chapter sharedctypes: values and arrays in shared memory."""
