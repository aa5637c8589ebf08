"""Only until build_tools.execute is rewritten, which imports this name."""

MODES = ("quick", "full")
