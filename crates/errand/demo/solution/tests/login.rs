//! The service as its callers see it.

use std::sync::Barrier;
use std::thread;
use std::time::Duration;

use gatehouse::{Config, Gatehouse, LoginError, ManualClock, RegisterError, SessionError, Token};

const PASSWORD: &str = "open sesame";
const STAFF: [&str; 6] = ["porter", "warden", "clerk", "archivist", "gardener", "night-watch"];

/// A gatehouse that knows these users, and the clock it runs by.
fn gatehouse(config: Config, users: &[&str]) -> (Gatehouse, ManualClock) {
    let clock = ManualClock::default();
    let gate = Gatehouse::new(config, clock.clone());
    for user in users {
        gate.register(user, PASSWORD).unwrap();
    }
    (gate, clock)
}

#[test]
fn a_login_opens_a_session_that_authenticates() {
    let (gate, _) = gatehouse(Config::default(), &["porter"]);
    let token = gate.login("porter", PASSWORD).unwrap();
    assert_eq!(gate.authenticate(&token).unwrap().user, "porter");
}

#[test]
fn a_wrong_password_and_an_unknown_name_get_the_same_answer() {
    let (gate, _) = gatehouse(Config::default(), &["porter"]);
    assert_eq!(gate.login("porter", "open barley"), Err(LoginError::WrongCredentials));
    assert_eq!(gate.login("stranger", PASSWORD), Err(LoginError::WrongCredentials));
}

#[test]
fn a_name_is_registered_once_and_has_to_fit_into_a_token() {
    let (gate, _) = gatehouse(Config::default(), &["porter"]);
    assert_eq!(gate.register("porter", "other"), Err(RegisterError::NameTaken));
    for name in ["", "Porter", "por.ter", "por ter"] {
        assert_eq!(gate.register(name, PASSWORD), Err(RegisterError::InvalidName), "{name:?}");
    }
}

#[test]
fn a_forged_token_is_unknown() {
    let (gate, _) = gatehouse(Config::default(), &["porter"]);
    gate.login("porter", PASSWORD).unwrap();
    let forged: Token = format!("porter.{:032x}", 7).parse().unwrap();
    assert_eq!(gate.authenticate(&forged), Err(SessionError::Unknown));
}

#[test]
fn a_session_expires() {
    let (gate, clock) = gatehouse(Config::default(), &["porter"]);
    let token = gate.login("porter", PASSWORD).unwrap();
    clock.advance(Config::default().session_ttl);
    assert_eq!(gate.authenticate(&token), Err(SessionError::Expired));
}

#[test]
fn a_session_ends_with_logout_and_only_once() {
    let (gate, _) = gatehouse(Config::default(), &["porter"]);
    let token = gate.login("porter", PASSWORD).unwrap();
    assert_eq!(gate.logout(&token), Ok(()));
    assert_eq!(gate.authenticate(&token), Err(SessionError::Unknown));
    assert_eq!(gate.logout(&token), Err(SessionError::Unknown));
}

#[test]
fn one_user_can_hold_several_sessions() {
    let (gate, _) = gatehouse(Config::default(), &["clerk"]);
    let desk = gate.login("clerk", PASSWORD).unwrap();
    let phone = gate.login("clerk", PASSWORD).unwrap();
    gate.logout(&desk).unwrap();
    assert!(gate.authenticate(&phone).is_ok());
}

#[test]
fn the_number_of_sessions_is_limited_until_some_expire() {
    let (gate, clock) = gatehouse(Config { max_sessions_per_user: 2, ..Config::default() }, &["clerk"]);
    gate.login("clerk", PASSWORD).unwrap();
    gate.login("clerk", PASSWORD).unwrap();
    assert_eq!(gate.login("clerk", PASSWORD), Err(LoginError::TooManySessions));
    clock.advance(Config::default().session_ttl);
    assert!(gate.login("clerk", PASSWORD).is_ok());
}

#[test]
fn logout_everywhere_ends_the_sessions_of_one_user_only() {
    let (gate, _) = gatehouse(Config { n_session_shards: 1, ..Config::default() }, &["clerk", "warden"]);
    let desk = gate.login("clerk", PASSWORD).unwrap();
    let phone = gate.login("clerk", PASSWORD).unwrap();
    let other = gate.login("warden", PASSWORD).unwrap();
    gate.logout_everywhere("clerk");
    assert_eq!(gate.authenticate(&desk), Err(SessionError::Unknown));
    assert_eq!(gate.authenticate(&phone), Err(SessionError::Unknown));
    assert!(gate.authenticate(&other).is_ok());
}

#[test]
fn guessing_is_stopped_and_allowed_again_after_the_window() {
    let (gate, clock) = gatehouse(Config { max_attempts: 2, ..Config::default() }, &["warden"]);
    assert_eq!(gate.login("warden", "a"), Err(LoginError::WrongCredentials));
    assert_eq!(gate.login("warden", "b"), Err(LoginError::WrongCredentials));
    assert_eq!(gate.login("warden", PASSWORD), Err(LoginError::TooManyAttempts));
    clock.advance(Duration::from_secs(60));
    assert!(gate.login("warden", PASSWORD).is_ok());
}

#[test]
fn a_right_password_forgives_earlier_attempts() {
    let (gate, _) = gatehouse(Config { max_attempts: 2, ..Config::default() }, &["warden"]);
    for _ in 0..3 {
        assert_eq!(gate.login("warden", "a"), Err(LoginError::WrongCredentials));
        assert!(gate.login("warden", PASSWORD).is_ok());
    }
}

#[test]
fn everyone_can_log_in_at_the_same_time() {
    let (gate, _) = gatehouse(Config::default(), &STAFF);
    let tokens = thread::scope(|scope| {
        let logins = STAFF.map(|user| scope.spawn(|| gate.login(user, PASSWORD).unwrap()));
        logins.map(|login| login.join().unwrap())
    });
    for token in &tokens {
        let session = gate.authenticate(token);
        assert!(session.is_ok(), "session of {} was rejected: {session:?}", token.user());
    }
}

#[test]
fn logins_that_share_a_shard_all_keep_their_sessions() {
    let (gate, _) = gatehouse(Config { n_session_shards: 1, ..Config::default() }, &STAFF);
    for round in 1..=3 {
        let start = Barrier::new(STAFF.len());
        let log_in = |user| {
            start.wait();
            gate.login(user, PASSWORD).unwrap()
        };
        let tokens = thread::scope(|scope| {
            let logins = STAFF.map(|user| scope.spawn(move || log_in(user)));
            logins.map(|login| login.join().unwrap())
        });
        let rejected: Vec<_> = tokens.iter().filter(|t| gate.authenticate(t).is_err()).map(Token::user).collect();
        assert!(rejected.is_empty(), "round {round}: sessions of {rejected:?} were rejected");
    }
}
