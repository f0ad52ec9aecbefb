"""Formulas as data: parsed by a whitelist, differentiated symbolically, compiled once and cached."""
