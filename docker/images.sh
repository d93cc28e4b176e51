#!/bin/sh
# images.sh [TARGET...]: build the images paretune/TARGET:TAG (default: store optimizer dashboard trainer), print their sizes.
#
#   ENGINE       podman or docker (default: the first that is installed)
#   BASE_IMAGE   default: made from this machine's packages, so that no registry is needed
#   TAG          default: dev
#   PYTHON       makes the wheels at hand beforehand (default: .venv/bin/python); it must be the Python of the base
set -eu
cd "$(dirname "$0")/.."
engine=${ENGINE:-$(command -v podman || command -v docker || true)}
[ -n "$engine" ] || { echo "images: install podman (apt-get install podman runc) or docker" >&2; exit 1; }
export ENGINE="$engine" CONTAINERS_CONF="${CONTAINERS_CONF:-$PWD/docker/containers.conf}"
tag=${TAG:-dev} python=${PYTHON:-.venv/bin/python}
[ $# -gt 0 ] || set -- store optimizer dashboard trainer
if [ -z "${BASE_IMAGE:-}" ]; then
  BASE_IMAGE=localhost/paretune/base:local
  "$engine" image inspect "$BASE_IMAGE" >/dev/null 2>&1 || sh docker/local-base.sh "$BASE_IMAGE" >/dev/null
fi
for target; do
  case $target in trainer-*) locks="trainer torch" ;; *) locks=$target ;; esac
  for lock in $locks; do
    fetch="$python -m pip --disable-pip-version-check download -qq --no-deps --only-binary=:all: --require-hashes"
    $fetch --no-index --find-links docker/wheels -r "docker/$lock.lock" -d docker/wheels 2>/dev/null ||
      $fetch -r "docker/$lock.lock" -d docker/wheels
  done
  case $target in trainer-*) "$python" -m pip download --quiet --no-deps torch==2.13.0 -d docker/wheels ;; esac
  "$engine" build --quiet --network=none --pull=never --format docker -f docker/Dockerfile --target "$target" \
    --build-arg BASE_IMAGE="$BASE_IMAGE" --build-arg PIP_OPTIONS=--no-index \
    --build-arg VERSION="$(sed -n 's/^version = "\(.*\)"/\1/p' pyproject.toml)" \
    --build-arg REVISION="$(git rev-parse HEAD 2>/dev/null || echo unknown)" \
    -t "localhost/paretune/$target:$tag" . >/dev/null
done
size() { "$engine" image inspect "$1" --format '{{.Size}}'; }
base=$(size "$BASE_IMAGE")
for target; do
  all=$(size "localhost/paretune/$target:$tag")
  echo "paretune/$target:$tag $((all / 1000000)) MB, $(((all - base) / 1000000)) MB beyond the base"
done
