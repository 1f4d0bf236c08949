"""redis-py as far as one connection needs it: `redis.connection`, without the initialiser of its package.

That loads the asyncio and cluster clients and all commands; redis-py's look-up of versions loads what reads zip files
and mail headers. Without both, all imports of a handler take a quarter less time. Whoever imports redis after this has
all of it: only then the initialiser is run, in the package that is there. importlib.metadata is loaded when it is first
used.
"""

import importlib
import sys
from collections.abc import Sequence
from importlib.machinery import ModuleSpec
from importlib.util import LazyLoader, find_spec, module_from_spec
from types import ModuleType

METADATA = "importlib.metadata"


class _Initialiser:
    """A finder that lets the first real import of redis initialise the package that is there."""

    def __init__(self, package: ModuleType) -> None:
        self._package = package

    def find_spec(self, name: str, _path: Sequence[str] | None, _target: ModuleType | None = None) -> ModuleSpec | None:
        """Return how to import redis, once."""
        if name != self._package.__name__:
            return None
        sys.meta_path.remove(self)
        spec = find_spec(name)
        spec.loader.create_module = lambda _: self._package  # type: ignore[union-attr, method-assign]
        return spec


def _put_off_metadata() -> None:
    spec = find_spec(METADATA)
    spec.loader = LazyLoader(spec.loader)  # type: ignore[union-attr, arg-type]
    metadata = module_from_spec(spec)  # type: ignore[arg-type]
    sys.modules[METADATA] = importlib.metadata = metadata
    spec.loader.exec_module(metadata)  # type: ignore[union-attr]


def _import_connection() -> None:
    package = module_from_spec(find_spec("redis"))  # type: ignore[arg-type]
    sys.modules["redis"] = package
    importlib.import_module("redis.connection")
    del sys.modules["redis"]
    sys.meta_path.insert(0, _Initialiser(package))


if METADATA not in sys.modules:
    _put_off_metadata()
if "redis" not in sys.modules:
    _import_connection()
