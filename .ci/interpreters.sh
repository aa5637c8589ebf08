# Sourced by run and scheduled. Prints the path of an interpreter of the given version, wherever it is: on PATH,
# under pyenv, under uv. A missing one is an error.
interpreter() {
  local version=$1 candidate
  for candidate in "$(command -v "python$version" || true)" \
    "$(ls -d "$(pyenv root 2>/dev/null || echo "$HOME/.pyenv")"/versions/"$version".*/bin/python 2>/dev/null | sort -V | tail -n 1)" \
    "$(uv python find "$version" 2>/dev/null || true)"; do
    if [ -n "$candidate" ] && "$candidate" -c "import sys; sys.exit('%d.%d' % sys.version_info[:2] != '$version')" 2>/dev/null; then
      echo "$candidate"
      return
    fi
  done
  echo "CI needs Python $version and found none on PATH, under pyenv or under uv." >&2
  exit 1
}

step() { printf '\n=== %s (%d:%02d since the start)\n' "$1" "$((SECONDS / 60))" "$((SECONDS % 60))"; }

# Where the real data sets are kept packed beside the clone, unpack them for the tests; elsewhere, find none.
unpack_data() {
  [ -f ../shared/datasets/unpack.py ] || return 0
  data=$(mktemp -d)
  trap 'rm -rf "$data"' EXIT
  .venv/"$("$1" -c 'import platform; print(platform.python_version())')"/bin/python ../shared/datasets/unpack.py "$data"
}
