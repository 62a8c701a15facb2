"""Headrace's own packages have plain names; a folder of the same name that Python finds first would hide them."""

from importlib.machinery import PathFinder
from pathlib import Path

OURS = ("pipelines", "streams", "sinks", "ui")


def refuse_hidden_packages(root: Path) -> None:
    """Raise ImportError, in a sentence, where one of our packages beside this one is hidden by somebody else's."""
    for name in OURS:
        spec = PathFinder.find_spec(name)
        places = spec.submodule_search_locations if spec else None
        found = Path(next(iter(places))) if places else None
        if found and found.resolve() != (root / name).resolve():
            raise ImportError(
                f"the folder {found} hides Headrace's own package {name!r}: rename it, or start Python in another "
                "folder, or with -P (pipeline files themselves may be called as you like: they are loaded by path)"
            )
