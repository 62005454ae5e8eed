# Sourced by every recipe: leaves `python` as an interpreter that has what the requirements files pin (requirements-rl.txt is an extra).
#
# An active virtual or conda environment that fits is used as it is. Otherwise .venv is made (or completed) in the
# repository. Python 3.11 or newer is needed; PYTHON names one where `python3.11` and `python3` are not it.

_root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)

_fits() { # does this interpreter have every pinned package?
  "$1" - "$_root"/requirements{,-tests,-betty}.txt 2>/dev/null <<'PY'
import importlib.metadata, sys
sys.version_info >= (3, 11) or sys.exit(1)
for name in sys.argv[1:]:
    for line in open(name, encoding="utf-8"):
        line = line.split("#")[0].strip()
        if line:
            package, pin = line.split("==")
            try:
                version = importlib.metadata.version(package.split("[")[0])
            except importlib.metadata.PackageNotFoundError:
                sys.exit(1)
            version.split("+")[0] == pin or sys.exit(1)  # 2.13.0+cpu is 2.13.0
PY
}

# Every package by the hash in requirements.lock, but torch, whose builds differ by machine. Arguments: the folder of the virtual
# environment, pip's words. 0: done; 1: the lock does not fit this interpreter or index; 2: a package is not the one of the lock.
_install_locked() {
  local log=$1/locked.log && shift
  if ! "$1" -c 'import sys; sys.exit(sys.version_info[:2] != (3, 11))'; then
    echo "setup: requirements.lock is for Python 3.11; installing the pins without hashes" >&2
    return 1
  fi
  "$@" --require-hashes --no-deps -r "$_root/requirements.lock" 2>"$log" && "$@" "$(grep '^torch==' "$_root/requirements.txt")" && return
  cat "$log" >&2
  if grep -q "DO NOT MATCH THE HASHES" "$log"; then
    echo "setup: a package is not the one that requirements.lock was made with; nothing more is installed" >&2
    return 2
  fi
  echo "setup: the packages of requirements.lock cannot be had here (lines above); installing the pins without hashes" >&2
  return 1
}

_setup_env() {
  local active=${VIRTUAL_ENV:-${CONDA_PREFIX:-}}
  if [[ -n $active && -x $active/bin/python ]] && _fits "$active/bin/python"; then
    export PATH="$active/bin:$PATH"
    return
  fi
  local venv=$_root/.venv
  if ! { [[ -x $venv/bin/python ]] && _fits "$venv/bin/python"; }; then
    local base=
    for candidate in ${PYTHON:+"$PYTHON"} python3.11 python3 python; do
      if "$candidate" -c 'import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then base=$candidate; break; fi
    done
    if [[ -z $base ]]; then
      echo "setup: no Python 3.11 or newer with the venv module was found; install one, or set PYTHON=/path/to/python3.11" >&2
      return 1
    fi
    echo "setup: installing the pinned packages into $venv (once, a few minutes)" >&2
    [[ -x $venv/bin/python ]] && "$venv/bin/python" -m pip --version >/dev/null 2>&1 || "$base" -m venv --clear "$venv" || return 1
    local pip=("$venv/bin/python" -m pip install --quiet --disable-pip-version-check)
    local locked=1
    if [[ -n ${LOCKED:-} ]]; then _install_locked "$venv" "${pip[@]}" && locked=0 || locked=$?; fi
    [[ $locked != 2 ]] || return 1
    if [[ $locked == 1 ]]; then
      "${pip[@]}" -r "$_root/requirements.txt" -r "$_root/requirements-tests.txt" ||
        { echo "setup: pip failed; see the lines above" >&2; return 1; }
    fi
    # betty-ml declares Python < 3.11 but works on 3.11 and newer with these versions.
    "${pip[@]}" --no-deps --ignore-requires-python -r "$_root/requirements-betty.txt" || return 1
    _fits "$venv/bin/python" || { echo "setup: $venv lacks a pinned package after installation; delete it and try again" >&2; return 1; }
  fi
  export VIRTUAL_ENV=$venv PATH="$venv/bin:$PATH"
}

_setup_env || exit 1
if [[ ${OLDPWD:-$PWD} != "$PWD" ]]; then echo "note: relative paths are relative to $PWD" >&2; fi # the recipe has changed to its folder
unset -f _fits _install_locked _setup_env
unset _root
# Threads that wait for others sleep. On two cores with another process of two threads, busy waiting (torch's default) makes a bfloat16
# matrix product 5 to 10 times slower (24 against 124 GFLOPS); alone on the machine it makes no difference (318 GFLOPS both).
export OMP_WAIT_POLICY=${OMP_WAIT_POLICY:-passive}
export TOKENIZERS_PARALLELISM=${TOKENIZERS_PARALLELISM:-false}
