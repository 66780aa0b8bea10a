#!/usr/bin/env bash
# Pins the dependencies with their hashes, and without the address they came from.
set -euo pipefail
cd "$(dirname "$0")/.."

pin() {
  .venv/bin/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes \
    --no-header --no-annotate --no-emit-index-url --no-emit-find-links "$@"
}

pin pyproject.toml -o requirements/run.txt
pin --group build -o requirements/build.txt
pin -c requirements/run.txt pyproject.toml --group test --group check --group docs \
  -o requirements/dev.txt
pin -c requirements/dev.txt pyproject.toml --group bench -o requirements/bench.txt
