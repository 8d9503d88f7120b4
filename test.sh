#!/usr/bin/env bash
# Runs all tests, after installing what they need besides Rust and git: bubblewrap, the second backend of the sandbox.
#
#   ./test.sh [arguments of cargo test]
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"

install_bubblewrap() {
    local as_root=()
    if [ "$(id -u)" != 0 ]; then
        command -v sudo >/dev/null || return 1
        as_root=(sudo)
    fi
    command -v apt-get >/dev/null || return 1
    echo "installing bubblewrap" >&2
    "${as_root[@]}" apt-get install -y -qq bubblewrap >/dev/null 2>&1 && return 0
    "${as_root[@]}" apt-get update -qq >/dev/null
    "${as_root[@]}" apt-get install -y -qq bubblewrap >/dev/null
}

if ! command -v bwrap >/dev/null; then
    install_bubblewrap || {
        echo "test.sh: the tests of the sandbox need bubblewrap; install it with the system's package manager" >&2
        exit 1
    }
fi
exec cargo test --workspace "$@"
