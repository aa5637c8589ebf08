"""Write files in one step, and write the same JSON text for the same content."""

import json
import os
from pathlib import Path


def write_text(path, text):
    """Write a text file like `write_bytes`, and return its path."""
    return write_bytes(path, text.encode())


def write_bytes(path, content):
    """Write a file in one step, and return its path: a reader sees the old file or the new one, never a part.

    Missing folders are created. If the process is killed, the old file stays; a hidden file whose name ends
    in ``.tmp`` may stay beside it.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    # In the folder of the target, because a rename is one step only within one file system. The process id
    # separates two processes that write the same file.
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
    """Convert content to JSON text with indents and sorted keys. NaN and infinity raise a ValueError.

    >>> print(to_json({"b": 0.1, "a": [1]}), end="")
    {
      "a": [
        1
      ],
      "b": 0.1
    }
    """
    return json.dumps(content, indent=2, sort_keys=True, ensure_ascii=False, allow_nan=False) + "\n"
