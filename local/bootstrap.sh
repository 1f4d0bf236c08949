#!/bin/sh
# Makes the project's Python environments under .local/:
#
#   local/bootstrap.sh            .local/venv, to run, test and check the project
#   local/bootstrap.sh sam        .local/sam, which holds aws-sam-cli: its pins conflict with the rest
#   local/bootstrap.sh checkov    .local/checkov, which holds checkov, for the same reason
#   local/bootstrap.sh clients    .local/clients: generators of clients, Node.js and a Java runtime to run them on
#   local/bootstrap.sh browser    .local/browser: what drives a browser
#
# A second run does nothing unless the requirements or pyproject.toml changed. BOOTSTRAP_PYTHON names the interpreter
# to use; without it Python 3.13, which Lambda runs, is looked for, and then the newest from 3.11 on.
set -eu
cd "$(dirname "$0")/.."

# Set by some machines for pip at large; each would send the packages elsewhere or refuse the editable install.
unset PIP_USER PIP_TARGET PIP_PREFIX PIP_REQUIRE_HASHES

say() { echo "bootstrap: $*" >&2; }

fail() {
    say "$*"
    exit 1
}

# A version manager's shim may be on PATH and yet refuse to run, so ask it.
runs() { "$1" -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2])' >/dev/null 2>&1; }

candidates() {
    for version in 3.13 3.15 3.14 3.12 3.11; do
        echo "python$version"
        ls -dr "${PYENV_ROOT:-$HOME/.pyenv}/versions/$version".*/bin/python3 \
            "/opt/homebrew/bin/python$version" "/usr/local/bin/python$version" "/usr/bin/python$version" 2>/dev/null || true
    done
}

find_python() {
    IFS='
'
    for python in ${BOOTSTRAP_PYTHON:-$(candidates)}; do
        if runs "$python"; then
            command -v "$python"
            return
        fi
    done
}

as_root() {
    if [ "$(id -u)" = 0 ]; then
        "$@"
    elif [ -t 0 ] && [ -z "${CI:-}" ]; then
        sudo "$@"
    else
        sudo -n "$@" # nobody is there to type a password: fail rather than wait
    fi
}

apt_get() {
    as_root env DEBIAN_FRONTEND=noninteractive \
        apt-get --yes --no-install-recommends --option DPkg::Lock::Timeout=120 "$@"
}

apt_install() {
    say "installing $* with apt-get (log: .local/apt.log)"
    # Lists may be missing or out of date: then they are fetched and the packages asked for again.
    { apt_get install "$@" || { apt_get update && apt_get install "$@"; }; } >>.local/apt.log 2>&1 || fail "could not install $*: see .local/apt.log, or install it yourself and run this again"
}

make_environment() { # FOLDER
    python=$(find_python)
    if [ -z "$python" ] && [ -z "${BOOTSTRAP_PYTHON:-}" ] && command -v apt-get >/dev/null; then
        apt_install python3 python3-venv
        python=$(find_python)
    fi
    [ -n "$python" ] || fail "found no Python 3.11 or newer${BOOTSTRAP_PYTHON:+ at $BOOTSTRAP_PYTHON}: install one and run this again"
    say "using $("$python" --version) at $python for $1"
    # Debian's python3 comes without ensurepip; python3.N-venv brings it.
    if ! "$python" -c 'import ensurepip, venv' 2>/dev/null; then
        command -v apt-get >/dev/null || fail "$python has no venv module: install it and run this again"
        apt_install "$("$python" -c 'import sys; print("python%d.%d-venv" % sys.version_info[:2])')"
    fi
    "$python" -m venv --clear "$1"
}

# One at a time: `make test` and `make check` may start together. A lock whose owner has ended does not count.
take_lock() {
    until mkdir .local/bootstrap.lock 2>/dev/null; do
        owner=$(cat .local/bootstrap.lock/pid 2>/dev/null || true)
        if [ -n "$owner" ] && ! kill -0 "$owner" 2>/dev/null; then
            rm -rf .local/bootstrap.lock
        else
            sleep 1
        fi
    done
    trap 'rm -rf .local/bootstrap.lock' EXIT
    trap 'exit 130' INT TERM
    echo $$ >.local/bootstrap.lock/pid
}

up_to_date() { [ -f "$stamp" ] && [ "$(cat "$stamp")" = "$wanted" ] && "$folder/bin/python" -c '' 2>/dev/null; }

case ${1:-venv} in
venv) folder=.local/venv requirements=requirements-dev.txt ;;
sam | checkov | clients | browser) folder=.local/$1 requirements=requirements-$1.txt ;;
*) fail "usage: local/bootstrap.sh [sam|checkov|clients|browser]" ;;
esac
# An environment that is made anew is emptied first, through a link too: what it links to may be another checkout's.
for place in .local "$folder"; do
    [ ! -L "$place" ] || fail "$place is a link, and what it links to would be emptied: remove the link and run this again"
done
stamp=$folder/stamp
# Scripts in an environment hold its absolute path, so a checkout that moved needs a new one.
wanted="$PWD $(cat local/bootstrap.sh pyproject.toml layers/common/requirements.in tests/clients/package-lock.json $requirements | cksum)"
if up_to_date; then exit 0; fi

mkdir -p .local
take_lock
if up_to_date; then exit 0; fi # another run made it meanwhile
case $(cat "$stamp" 2>/dev/null) in
"$PWD "*) "$folder/bin/python" -c '' 2>/dev/null || make_environment "$folder" ;;
*) make_environment "$folder" ;;
esac
say "installing $requirements into $folder"
# The list is complete, so nothing is left to resolve; Debian 12's pip would stumble over extras in doing so.
"$folder/bin/python" -m pip install -qq --disable-pip-version-check --no-deps --require-hashes -r $requirements
if [ "$folder" = .local/venv ]; then
    # Without isolation, setuptools is the one pinned above and leaves no egg-info in the layer's folder, which ships.
    "$folder/bin/python" -m pip install -qq --disable-pip-version-check --no-deps --no-build-isolation --editable .
fi
if [ "$folder" = .local/clients ]; then
    say "installing tests/clients/package-lock.json into $folder"
    cp tests/clients/package.json tests/clients/package-lock.json "$folder/"
    # What the packages want to run once they are installed is telemetry and patches for other systems.
    (cd "$folder" && PATH="$PWD/bin:$PATH" npm ci --silent --ignore-scripts --no-audit --no-fund)
fi
echo "$wanted" >"$stamp"
