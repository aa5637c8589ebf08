"""Files that are whole at every moment, and JSON that is the same text for the same content."""

import json
import os
from pathlib import Path


def write_text(path, text):
    """Write a text file like `write_bytes`, and return its path."""
    return write_bytes(path, text.encode())


def write_bytes(path, content):
    """Write a file in one step, and return its path: a reader sees the old file or the new one, never a part.

    Missing folders are made. A process killed in between leaves the old file, and at worst a hidden neighbour
    whose name ends in ``.tmp``.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    # Beside the target, because only within one file system is a rename one step. The process id keeps
    # two processes that write the same file apart.
    neighbour = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        with open(neighbour, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.replace(neighbour, path)
    except BaseException:
        neighbour.unlink(missing_ok=True)
        raise
    return path


def to_json(content):
    """Turn content into JSON text: indented, keys sorted, a final newline; a ValueError for NaN and infinity.

    >>> print(to_json({"b": 0.1, "a": [1]}), end="")
    {
      "a": [
        1
      ],
      "b": 0.1
    }
    """
    return json.dumps(content, indent=2, sort_keys=True, ensure_ascii=False, allow_nan=False) + "\n"
