"""Code that tests, protocol harnesses and benchmarks share: fakes, proxies, real handlers and real databases."""
