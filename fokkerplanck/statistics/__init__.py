"""Estimators from plain arrays: tail indices, two-sample tests."""
