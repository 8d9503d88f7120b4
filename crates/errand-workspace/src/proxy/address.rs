//! Which addresses a granted name may lead to: public ones, and nothing else.
//!
//! IPv6 is judged the other way round than IPv4: only what is handed out as public today is reachable. Forms that carry
//! an IPv4 address are judged by it where networks use them (mapped, NAT64); the others are history and refused.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// What is not public in IPv4: the special-purpose registry, and cloud services on public addresses.
const REFUSED_V4: [(Ipv4Addr, u32, &str); 18] = [
    (Ipv4Addr::new(0, 0, 0, 0), 8, "means this machine"),
    (Ipv4Addr::new(10, 0, 0, 0), 8, "is private"),
    (Ipv4Addr::new(100, 64, 0, 0), 10, "is private"),
    (Ipv4Addr::new(127, 0, 0, 0), 8, "is loopback"),
    (Ipv4Addr::new(168, 63, 129, 16), 32, "is a metadata service"),
    (Ipv4Addr::new(169, 254, 169, 254), 32, "is a metadata service"),
    (Ipv4Addr::new(169, 254, 0, 0), 16, "is link-local"),
    (Ipv4Addr::new(172, 16, 0, 0), 12, "is private"),
    (Ipv4Addr::new(192, 0, 0, 0), 24, "is reserved"),
    (Ipv4Addr::new(192, 0, 2, 0), 24, "is for documentation"),
    (Ipv4Addr::new(192, 88, 99, 0), 24, "is reserved"),
    (Ipv4Addr::new(192, 168, 0, 0), 16, "is private"),
    (Ipv4Addr::new(198, 18, 0, 0), 15, "is for benchmarks"),
    (Ipv4Addr::new(198, 51, 100, 0), 24, "is for documentation"),
    (Ipv4Addr::new(203, 0, 113, 0), 24, "is for documentation"),
    (Ipv4Addr::new(224, 0, 0, 0), 4, "is multicast"),
    (Ipv4Addr::BROADCAST, 32, "is broadcast"),
    (Ipv4Addr::new(240, 0, 0, 0), 4, "is reserved"),
];

/// What is not public within 2000::/3, and the best known of what is outside it.
const REFUSED_V6: [(Ipv6Addr, u32, &str); 12] = [
    (Ipv6Addr::UNSPECIFIED, 128, "means this machine"),
    (Ipv6Addr::LOCALHOST, 128, "is loopback"),
    (Ipv6Addr::new(0x64, 0xff9b, 1, 0, 0, 0, 0, 0), 48, "is private"),
    (Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x254), 128, "is a metadata service"),
    (Ipv6Addr::new(0xfc00, 0, 0, 0, 0, 0, 0, 0), 7, "is private"),
    (Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, 0), 10, "is link-local"),
    (Ipv6Addr::new(0xfec0, 0, 0, 0, 0, 0, 0, 0), 10, "is private"),
    (Ipv6Addr::new(0xff00, 0, 0, 0, 0, 0, 0, 0), 8, "is multicast"),
    (Ipv6Addr::new(0x2001, 0, 0, 0, 0, 0, 0, 0), 23, "is reserved"),
    (Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 0), 32, "is for documentation"),
    (Ipv6Addr::new(0x2002, 0, 0, 0, 0, 0, 0, 0), 16, "is reserved"),
    (Ipv6Addr::new(0x3fff, 0, 0, 0, 0, 0, 0, 0), 20, "is for documentation"),
];

/// Why this address is not reached, or nothing when it is public.
pub(super) fn fault(address: IpAddr, is_own: impl Fn(IpAddr) -> bool) -> Option<&'static str> {
    let judged = carried(address);
    let special = match judged {
        IpAddr::V4(address) => fault_v4(address),
        IpAddr::V6(address) => fault_v6(address),
    };
    special.or_else(|| (is_own(address) || is_own(judged)).then_some("is this machine's own"))
}

/// The IPv4 address behind its mapped and NAT64 forms, else the address itself.
fn carried(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V6(v6) => match v6.segments() {
            [0, 0, 0, 0, 0, 0xffff, high, low] | [0x64, 0xff9b, 0, 0, 0, 0, high, low] => {
                IpAddr::V4(Ipv4Addr::from_bits((u32::from(high) << 16) | u32::from(low)))
            }
            _ => address,
        },
        IpAddr::V4(_) => address,
    }
}

fn fault_v4(address: Ipv4Addr) -> Option<&'static str> {
    let begins = |net: &Ipv4Addr, n_bits: u32| {
        let differing = address.to_bits() ^ net.to_bits();
        differing.leading_zeros() >= n_bits
    };
    REFUSED_V4.iter().find(|(net, n_bits, _)| begins(net, *n_bits)).map(|(_, _, why)| *why)
}

fn fault_v6(address: Ipv6Addr) -> Option<&'static str> {
    let begins = |net: &Ipv6Addr, n_bits: u32| {
        let differing = address.to_bits() ^ net.to_bits();
        differing.leading_zeros() >= n_bits
    };
    let listed = REFUSED_V6.iter().find(|(net, n_bits, _)| begins(net, *n_bits)).map(|(_, _, why)| *why);
    let is_handed_out = begins(&Ipv6Addr::new(0x2000, 0, 0, 0, 0, 0, 0, 0), 3);
    listed.or_else(|| (!is_handed_out).then_some("is reserved"))
}
