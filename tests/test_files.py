"""Files that are whole at every moment, and JSON that is the same text for the same content."""

import os

import pytest

from course_utils.files import to_json, write_text


def test_an_interrupted_write_leaves_the_old_file(tmp_path, monkeypatch):
    path = write_text(tmp_path / "file.txt", "old")
    monkeypatch.setattr(os, "replace", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
    with pytest.raises(KeyboardInterrupt):
        write_text(path, "new")
    assert path.read_text() == "old"
    assert [p.name for p in tmp_path.iterdir()] == ["file.txt"]


def test_json_has_no_nan():
    with pytest.raises(ValueError, match="JSON"):
        to_json({"a": float("nan")})
