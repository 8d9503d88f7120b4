//! The walls, tried from inside: with both backends, as the user the tests run as. These tests never skip.

use crate::rig::Rig;
use errand_workspace::sandbox::{Backend, Standing, doors};

#[tokio::test]
async fn every_door_is_shut_in_every_backend() {
    let rig = Rig::with(&[("a", "1")]);
    let sandbox = rig.sandbox();
    let backends = sandbox.backends();
    let names: Vec<_> = backends.iter().map(Backend::name).collect();
    assert_eq!(names, ["native", "bwrap"], "both backends are tested; install bubblewrap");
    for backend in backends {
        let (has_landlock, doors) = doors::prove(&sandbox, &backend).await.unwrap();
        let open: Vec<_> = doors.iter().filter(|door| !door.is_shut).collect();
        assert!(open.is_empty(), "{}: {open:#?}", backend.name());
        assert!(has_landlock, "this kernel has Landlock");
        assert_eq!(doors.len(), doors::count(), "{}", backend.name());
        println!("{}: {} doors shut as uid {}", backend.name(), doors.len(), rustix::process::geteuid().as_raw());
    }
    let standing = sandbox.standing().await;
    assert!(matches!(standing, Standing::Whole(walls) if walls.backend == Backend::Native), "{standing:?}");
}
