"""The lending rules: pure functions and frozen values; `today` is always an argument."""
