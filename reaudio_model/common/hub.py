"""What the Hugging Face cache holds."""

from __future__ import annotations

from pathlib import Path


def is_on_this_machine(name: str) -> bool:
    """Whether ``name`` is a file or folder, or a repository of the hub whose configuration is in the cache."""
    from huggingface_hub import try_to_load_from_cache

    if Path(name).exists():
        return True
    try:
        return isinstance(try_to_load_from_cache(name, "config.json"), str)
    except ValueError:  # no name of the hub
        return False
