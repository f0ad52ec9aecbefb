"""From a TOML file to tables, figures and saved results."""
