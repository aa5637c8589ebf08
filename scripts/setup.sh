#!/usr/bin/env bash
# usage: scripts/setup.sh PYTHON VENV
# Makes the virtual environment VENV for the interpreter PYTHON with exactly what requirements.lock names,
# and the course's own package beside it. Does nothing when that has been done for this very lock.
set -euo pipefail
cd "$(dirname "$0")/.."
python=$1 venv=$2

if ! version=$("$python" -c 'import platform; print(platform.python_version())' 2>/dev/null); then
  echo "There is no working Python called '$python'. Install Python 3.10 to 3.13, or name one: make … PYTHON=/path/to/python3.12" >&2
  exit 1
fi
if ! "$python" -c 'import sys; sys.exit(not (3, 10) <= sys.version_info[:2] <= (3, 13))'; then
  echo "'$python' is Python $version; the course needs 3.10 to 3.13. Name another: make … PYTHON=/path/to/python3.12" >&2
  exit 1
fi

# The copy of the lock inside the environment is written last: a set-up that was interrupted is done again.
if cmp -s requirements.lock "$venv/requirements.lock" && "$venv/bin/python" -c 'import course_utils' 2>/dev/null; then
  exit 0
fi

echo "Setting up Python $version in $venv (about 1 GB to download the first time; a few minutes) …"
rm -f "$venv/requirements.lock"
if ! "$python" -m venv "$venv"; then
  echo "'$python -m venv' failed; on Debian and Ubuntu the package python3-venv provides it." >&2
  exit 1
fi
# In less than half the time. Asked for its version, since a shim of pyenv may stand in for no uv at all.
if uv --version >/dev/null 2>&1; then
  install() { uv pip install --quiet --compile-bytecode --python "$venv/bin/python" "$@"; }
else
  install() { "$venv/bin/python" -m pip install --quiet --disable-pip-version-check "$@"; }
fi
install --require-hashes -r requirements.lock
install --no-deps --no-build-isolation -e .
cp requirements.lock "$venv/requirements.lock"
