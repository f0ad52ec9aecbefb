"""Distances between results: moments, optimal transport, kernel distances, with error bars."""
