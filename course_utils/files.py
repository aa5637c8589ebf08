"""Files that are whole at every moment, and JSON that is the same text for the same content."""

import json
import os
from pathlib import Path


def write_text(path, text):
    """Write a text file in one step: a reader sees the old file or the new one, never a part.

    The new text goes to a hidden neighbour first, which then takes the file's name. A process killed in
    between leaves the old file as it was (and, at worst, the neighbour, whose name ends in ``.tmp``).

    Parameters
    ----------
    path : path-like
        The file; missing folders are made.
    text : str
        Its whole content.

    Returns
    -------
    pathlib.Path
        The path written.

    Raises
    ------
    OSError
        If the folder cannot be written to.

    Examples
    --------
    >>> import tempfile
    >>> folder = tempfile.TemporaryDirectory()
    >>> write_text(Path(folder.name) / "new" / "note.txt", "hello").read_text()
    'hello'
    >>> folder.cleanup()
    """
    return write_bytes(path, text.encode())


def write_bytes(path, content):
    """Write a file in one step, like `write_text`.

    Parameters
    ----------
    path : path-like
        The file; missing folders are made.
    content : bytes
        Its whole content.

    Returns
    -------
    pathlib.Path
        The path written.

    Raises
    ------
    OSError
        If the folder cannot be written to.

    Examples
    --------
    >>> import tempfile
    >>> folder = tempfile.TemporaryDirectory()
    >>> write_bytes(Path(folder.name) / "two", b"ab").stat().st_size
    2
    >>> folder.cleanup()
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
    """Turn content into JSON text: indented, keys sorted, a final newline, no NaN.

    Parameters
    ----------
    content : object
        Dictionaries, lists, strings, numbers, booleans and None.

    Returns
    -------
    str
        Text that a diff can show line by line.

    Raises
    ------
    ValueError
        If a number is not finite: JSON has no word for it.

    Examples
    --------
    >>> print(to_json({"b": 0.1, "a": [1]}), end="")
    {
      "a": [
        1
      ],
      "b": 0.1
    }
    """
    return json.dumps(content, indent=2, sort_keys=True, ensure_ascii=False, allow_nan=False) + "\n"
