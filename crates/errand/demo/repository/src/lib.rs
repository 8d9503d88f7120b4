//! A small login service: accounts, sessions and a limit on guessing.
//!
//! Start at [`Gatehouse`]. Nothing here does I/O or knows about HTTP; the caller turns the errors into answers.

mod clock;
mod login;
mod password;
mod rate_limit;
mod session;
mod store;
mod token;

pub use clock::{Clock, ManualClock, SystemClock};
pub use login::{Config, Gatehouse, LoginError, SessionError};
pub use session::Session;
pub use store::RegisterError;
pub use token::Token;
