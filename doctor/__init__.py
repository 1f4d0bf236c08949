"""Asks the configured database and cache whether they are fit for the service: `python -m doctor`."""
