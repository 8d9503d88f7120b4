#!/usr/bin/env bash
# Runs all tests, after installing what they need besides Rust and git: bubblewrap, the second backend of the sandbox, and,
# for root, xfsprogs, to make a disk that can clone files.
#
#   ./test.sh [arguments of cargo test]
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"

# install PACKAGE
install() {
    local as_root=()
    if [ "$(id -u)" != 0 ]; then
        command -v sudo >/dev/null || return 1
        as_root=(sudo)
    fi
    command -v apt-get >/dev/null || return 1
    echo "installing $1" >&2
    "${as_root[@]}" apt-get install -y -qq "$1" >/dev/null 2>&1 && return 0
    "${as_root[@]}" apt-get update -qq >/dev/null
    "${as_root[@]}" apt-get install -y -qq "$1" >/dev/null
}

if ! command -v bwrap >/dev/null; then
    install bubblewrap || {
        echo "test.sh: the tests of the sandbox need bubblewrap; install it with the system's package manager" >&2
        exit 1
    }
fi
if [ "$(id -u)" = 0 ] && ! command -v mkfs.xfs >/dev/null; then
    install xfsprogs || echo "test.sh: without xfsprogs one form of workspace is not tested" >&2
fi
exec cargo test --workspace "$@"
