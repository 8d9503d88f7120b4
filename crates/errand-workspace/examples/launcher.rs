//! The smallest program that can be the stages of the sandbox; tests of libraries use it in the place of `errand`.

fn main() {
    errand_workspace::sandbox::enter(std::env::args_os());
}
