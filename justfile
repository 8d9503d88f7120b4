# What people type. CI runs the same steps: .ci/run

# Everything a change must pass.
check: fmt clippy tidy test

fmt:
    cargo fmt --all --check

clippy:
    cargo clippy --workspace --all-targets -- -D warnings

tidy *checks:
    cargo xtask tidy {{checks}}

test:
    ./test.sh

# The main job on a bundled repository with the built-in scripted model: no key, no network.
demo *arguments:
    cargo run --bin errand -- demo {{arguments}}

# Ratios against a floor measured in the same run.
bench *arguments:
    cargo xtask bench {{arguments}}
