#!/bin/sh
# Makes .venv, the Python environment that every command here runs in, or brings it up to date: `sh local/environment.sh`.
# PYTHON names another Python than the first on PATH that is new enough. As root, what Debian's Python lacks is installed, and said.
set -eu
cd "$(dirname "$0")/.."
VENV=.venv
STAMP=$VENV/made-from-pyproject

say() { echo "$*" >&2; }
stop() { say "$*"; exit 1; }

new_enough() { "$1" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; }
makes_environments() { "$1" -c 'import ensurepip, venv' 2>/dev/null; }

find_python() {
  for name in ${PYTHON:-python3.11 python3.12 python3.13 python3.14 python3}; do
    if new_enough "$name"; then command -v "$name"; return; fi
  done
  return 1
}

# The Debian package with which this Python makes environments.
venv_package() {
  version=$("$1" -c 'import sys; print("%d.%d" % sys.version_info[:2])')
  if /usr/bin/python3 -c "import sys; sys.exit('%d.%d' % sys.version_info[:2] != '$version')" 2>/dev/null; then
    echo python3-venv
  else
    echo "python$version-venv"
  fi
}

# get WHY PACKAGE...: as root at once, else the person is told the one command.
get() {
  why=$1; shift
  command -v apt-get >/dev/null || stop "$why. Install with this system's own package program what Debian has in $*, then repeat."
  [ "$(id -u)" = 0 ] || stop "$why. Ask an administrator to run: sudo apt-get install --no-install-recommends $*"
  say "$why. Installing from Debian: $*"
  export DEBIAN_FRONTEND=noninteractive
  { apt-get --quiet=2 -o DPkg::Lock::Timeout=300 update &&
    apt-get --quiet=2 -o DPkg::Lock::Timeout=300 install --yes --no-install-recommends "$@" >&2; } ||
    stop "apt-get failed. Fix what it says (often the network or a held lock), then repeat."
}

pip() { "$VENV/bin/python" -m pip --quiet --disable-pip-version-check "$@"; }

python=$(find_python) || {
  [ -z "${PYTHON:-}" ] || stop "$PYTHON is no Python 3.11 or newer. Name another: make PYTHON=/path/to/python3.11"
  get "There is no Python 3.11 or newer on PATH" python3 python3-venv
  python=$(find_python) || stop "Debian's Python here is older than 3.11. Install a newer one, then: make PYTHON=/path/to/python3.11"
}
makes_environments "$python" || {
  get "$python cannot make environments, for its modules venv and ensurepip are not installed" "$(venv_package "$python")"
  makes_environments "$python" || stop "$python still cannot make environments. Name another Python: make PYTHON=/path/to/python3.11"
}
# One that a killed run left half made has no pip, and one whose Python is gone does not start.
pip --version >/dev/null 2>&1 || {
  say "making $VENV with $python"
  rm -rf "$VENV"
  "$python" -m venv "$VENV"
}
say "installing Python packages into $VENV"
# Each file must have a digest that the lock names. Wheels only: nothing here may need a compiler. The lock names all that is needed, so pip looks for no more.
{ pip install --require-hashes --no-deps --only-binary=:all: --requirement requirements/environment.txt &&
  pip install --no-deps --no-build-isolation --editable .; } ||
  stop "pip could not install them. See that the package index can be reached which \`$VENV/bin/pip config list\` names, then repeat."
touch "$STAMP"
