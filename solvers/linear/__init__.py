"""Answers without time, by linear algebra with Q or T: stationary density, first passage, spectrum."""
