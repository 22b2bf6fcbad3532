#!/bin/sh
# Prints the Python to use, or says what is missing and how to get it and fails.
#
# Everything that can be known to fail is looked at before anything is installed. PYTHON names one Python to use.
set -u

fail() {
    printf 'dialer: %s\n' "$1" >&2
    shift
    for line in "$@"; do printf '        %s\n' "$line" >&2; done
    exit 1
}

system=$(uname -s) machine=$(uname -m)
case "$system/$machine" in
    Linux/x86_64 | Linux/aarch64 | Linux/arm64)
        if ldd --version 2>&1 | grep -qi musl; then
            fail "this system uses musl instead of glibc, for which PostgreSQL is not packaged." \
                "Use a Debian, Ubuntu, Fedora or similar system, or a container with one (python:3.13-slim)."
        fi
        ;;
    Darwin/arm64 | Darwin/x86_64) ;;
    *)
        fail "$system on $machine is not supported." \
            "PostgreSQL and Temporal are packaged for Linux and macOS on x86_64 and arm64. On Windows use WSL 2."
        ;;
esac

supported='import sys; sys.exit(not ((3, 11) <= sys.version_info[:2] <= (3, 14)))'

if [ -n "${PYTHON:-}" ]; then
    "$PYTHON" -c '' 2>/dev/null || fail "PYTHON=$PYTHON cannot be run."
    "$PYTHON" -c "$supported" || fail "PYTHON=$PYTHON is $("$PYTHON" -V 2>&1); 3.11 to 3.14 is needed."
    python=$PYTHON
else
    python=
    for candidate in python3.14 python3.13 python3.12 python3.11 python3 python; do
        # Names of version switchers exist for versions that are not chosen: only a run tells.
        if "$candidate" -c "$supported" 2>/dev/null; then
            python=$candidate
            break
        fi
    done
    if [ -z "$python" ]; then
        found=$(python3 -V 2>&1) || found="no Python"
        if [ "$system" = Darwin ]; then
            fix="brew install python@3.13"
        else
            fix="Debian, Ubuntu: sudo apt-get install python3 python3-venv      Fedora: sudo dnf install python3.13"
        fi
        fail "Python 3.11 to 3.14 is needed; found: $found." "$fix" \
            "Or name one that is elsewhere: make PYTHON=/path/to/python3.13"
    fi
fi

if ! "$python" -c 'import venv, ensurepip' 2>/dev/null; then
    version=$("$python" -c 'import sys; print("%d.%d" % sys.version_info[:2])')
    fail "$python has no venv module, which makes .venv." \
        "Debian, Ubuntu: sudo apt-get install python$version-venv"
fi

"$python" -c 'import sys; print(sys.executable)'
