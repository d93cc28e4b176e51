#!/bin/sh
# install.sh LOCK PIP_OPTIONS [REQUIREMENT...]: into /opt/venv what docker/LOCK.lock pins, by hash, from docker/wheels
# or the index; then what no running service needs is left out.
set -eu
lock=$1 options=$2
shift 2
# shellcheck disable=SC2086 # options are words
install() { /opt/pip/bin/pip --disable-pip-version-check --python /opt/venv/bin/python install --quiet \
  --no-cache-dir --no-compile --no-deps --find-links /docker/wheels $options "$@"; }
install --require-hashes -r "/docker/$lock.lock"
if [ $# -gt 0 ]; then install "$@"; fi
cd /opt/venv/lib/python3*/site-packages
find . \( -name tests -o -name __pycache__ \) -type d -prune -exec rm -rf {} +
find . \( -name '*.pyi' -o -name '*.a' -o -name '*.pyx' -o -name '*.pxd' -o -name '*.h' \) -type f -delete
find . -name '*_test*.so' -o -name '_simd.*.so' | xargs rm -f # modules of C that only tests load
# Typer draws boxes with rich and pygments where they are, and does without; of Google's types only those of errors.
rm -rf pygments rich markdown_it mdurl google/api google/cloud google/logging google/longrunning google/type google/gapic
if [ "$lock" = optimizer ]; then # what the Optimizer imports nothing of
  rm -rf scipy/cluster scipy/datasets scipy/differentiate scipy/io scipy/misc scipy/odr scipy/signal scipy/fftpack \
    scipy/stats/_unuran numpy/distutils cffi pycparser
  # scipy brings a second copy of numpy's Fortran runtime: the same file under the same name.
  for library in numpy.libs/*; do
    copy=scipy.libs/$(basename "$library")
    if [ -f "$copy" ] && [ "$(sha256sum <"$library")" = "$(sha256sum <"$copy")" ]; then ln -sf "../$library" "$copy"; fi
  done
fi
# What was taken away too much is noticed here, not when a service starts.
PYTHONDONTWRITEBYTECODE=1 /opt/venv/bin/python3 -c "import grpc_health.v1.health, grpc_status.rpc_status, typer._adapters"
if [ "$lock" = optimizer ]; then
  PYTHONDONTWRITEBYTECODE=1 /opt/venv/bin/python3 -c "import moocore, numpy, scipy.linalg, scipy.optimize, scipy.stats.qmc"
fi
