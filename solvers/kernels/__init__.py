"""The compiled loops. They take arrays and numbers, and know nothing of the rest."""
