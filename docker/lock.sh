#!/bin/sh
# Write docker/*.lock from docker/*.in: exact versions with hashes of every build, within constraints.txt.
set -eu
uv=$(realpath "$(command -v "${UV:-uv}")")
cd "$(dirname "$0")"
for name in store optimizer dashboard trainer torch; do
  "$uv" pip compile --quiet --generate-hashes --no-annotate --python-version 3.11 --python-platform linux \
    --custom-compile-command "make locks" --no-emit-package pip -c ../constraints.txt "$name.in" -o "$name.lock"
done
