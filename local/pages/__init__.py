"""The pages that `make run` shows in a browser: how the service is, its contract, its cache, its customers."""
