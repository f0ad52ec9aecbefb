"""Claims about this package, each a script with its reference; they need a checkout and are not installed."""
