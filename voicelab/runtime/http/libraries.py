"""Leads the libraries that handlers use to the sessions' exchanges: those that are loaded now, others as they load.

voicelab imports none of them by itself: httpx takes a tenth of a second, and may not be installed.
"""

import contextlib
import importlib
import importlib.util
import sys
import threading
import warnings
from collections.abc import Iterator
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any

_ADAPTERS = {"httpx": "httpx", "aiohttp": "aiohttp", "requests": "requests", "urllib.request": "urllib"}
"""A library's module, and the name that its adapter goes by."""


GOES_OUT = "voicelab_goes_out"
"""Attribute of a connector of aiohttp whose requests are not the handler's own."""


class _Led:
    """What is in place while sessions are hosted."""

    def __init__(self) -> None:
        self._lock = threading.RLock()
        self._stack = contextlib.ExitStack()
        self._waiting = set(_ADAPTERS)

    def lead(self, library: str) -> None:
        """Put the patches of a library in place, unless they are."""
        with self._lock:
            if library not in self._waiting:
                return
            self._waiting.discard(library)
            try:
                name = _ADAPTERS[library]
                adapter = importlib.import_module(f"voicelab.runtime.http.with_{name}")
                patches = getattr(adapter, f"{name}_patches")()
            except (ImportError, AttributeError) as error:
                warnings.warn(
                    f"http= and refusals in virtual time don't reach this version of {library}: {error}.", stacklevel=2
                )
                return
            for patch in patches:
                self._stack.enter_context(patch)

    def close(self) -> None:
        """Put everything back."""
        with self._lock:
            self._waiting.clear()
            self._stack.close()

    # --- as a finder of modules ---

    def find_spec(self, name: str, path: Any = None, target: Any = None) -> ModuleSpec | None:
        """Find a library that is led as soon as it is loaded; the others' finders know where it is."""
        if name not in self._waiting:
            return None
        for finder in sys.meta_path:
            if finder is not self and (spec := finder.find_spec(name, path, target)) is not None:
                if spec.loader is not None:
                    spec.loader = _Loader(spec.loader, self)  # type: ignore[assignment]
                return spec
        return None


class _Loader:
    """A library's own loader, and what is done when it has loaded."""

    def __init__(self, loader: Any, led: _Led) -> None:
        self._loader, self._led = loader, led

    def __getattr__(self, name: str) -> Any:
        return getattr(self._loader, name)

    def create_module(self, spec: ModuleSpec) -> ModuleType | None:
        """Leave it to the loader."""
        return self._loader.create_module(spec)  # type: ignore[no-any-return]

    def exec_module(self, module: ModuleType) -> None:
        """Load the library, and lead it to the exchanges."""
        self._loader.exec_module(module)
        spec = module.__spec__
        if spec is not None:
            spec.loader = module.__loader__ = self._loader
        self._led.lead(module.__name__)


@contextlib.contextmanager
def led_to_exchanges() -> Iterator[None]:
    """Have the requests of sessions meet their exchanges meanwhile, whichever library makes them."""
    led = _Led()
    finder: Any = led
    sys.meta_path.insert(0, finder)
    try:
        for library in _ADAPTERS:
            if library in sys.modules:
                led.lead(library)
        yield
    finally:
        with contextlib.suppress(ValueError):  # a session may have emptied the list
            sys.meta_path.remove(finder)
        led.close()
