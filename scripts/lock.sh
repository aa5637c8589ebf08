#!/usr/bin/env bash
# Makes requirements.lock again from pyproject.toml: every package of both stacks, for every Python from
# 3.10 to 3.13 and every system, with hashes and without index addresses. Needs uv (pip install uv).
# Versions already locked are kept where they still fit; `scripts/lock.sh --upgrade` moves to the newest.
set -euo pipefail
cd "$(dirname "$0")/.."
uv pip compile pyproject.toml --extra dev --universal --python-version 3.10 --generate-hashes \
  --no-emit-index-url --no-annotate --custom-compile-command scripts/lock.sh --quiet \
  --output-file requirements.lock "$@"
