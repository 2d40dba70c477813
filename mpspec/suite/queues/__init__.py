"""Tests of the chapter queues."""
