use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Why an address is never allowed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    /// This machine.
    Loopback,
    /// The network segment of this machine; cloud metadata services live there.
    LinkLocal,
    /// A cloud's metadata service outside the link-local range.
    Metadata,
    /// Many receivers.
    Multicast,
    /// No receiver: `0.0.0.0/8`, `::`.
    Unspecified,
    /// Everybody on the segment.
    Broadcast,
    /// Addresses that the registries reserve and nobody has.
    Reserved,
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Loopback => "a loopback address",
            Self::LinkLocal => "a link-local address",
            Self::Metadata => "the address of a metadata service",
            Self::Multicast => "a multicast address",
            Self::Unspecified => "an unspecified address",
            Self::Broadcast => "a broadcast address",
            Self::Reserved => "a reserved address",
        })
    }
}

/// Metadata services that live where private addresses do: EC2 over IPv6, Google Cloud over IPv6, Alibaba Cloud, Oracle
/// Cloud.
const METADATA: [IpAddr; 4] = [
    IpAddr::V6(Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x254)),
    IpAddr::V6(Ipv6Addr::new(0xfd20, 0xce, 0, 0, 0, 0, 0, 0x254)),
    IpAddr::V4(Ipv4Addr::new(100, 100, 100, 200)),
    IpAddr::V4(Ipv4Addr::new(192, 0, 0, 192)),
];

/// Why an address is never allowed; none if a grant of its name is enough. Private ranges are allowed: a grant of
/// `registry.internal` means an address there.
pub fn refusal(address: IpAddr) -> Option<Refusal> {
    if METADATA.contains(&address) {
        return Some(Refusal::Metadata);
    }
    match address {
        IpAddr::V4(address) => refusal_v4(address),
        IpAddr::V6(address) => match hidden(address) {
            Some(inner) => refusal(IpAddr::V4(inner)),
            None => refusal_v6(address),
        },
    }
}

fn refusal_v4(address: Ipv4Addr) -> Option<Refusal> {
    let [first, ..] = address.octets();
    match address {
        a if a.is_loopback() => Some(Refusal::Loopback),
        a if a.is_link_local() => Some(Refusal::LinkLocal),
        a if a.is_multicast() => Some(Refusal::Multicast),
        a if a.is_broadcast() => Some(Refusal::Broadcast),
        _ if first == 0 => Some(Refusal::Unspecified),
        _ if first >= 240 => Some(Refusal::Reserved),
        _ => None,
    }
}

fn refusal_v6(address: Ipv6Addr) -> Option<Refusal> {
    let segments = address.segments();
    match address {
        a if a.is_loopback() => Some(Refusal::Loopback),
        a if a.is_unspecified() => Some(Refusal::Unspecified),
        a if a.is_multicast() => Some(Refusal::Multicast),
        a if a.is_unicast_link_local() => Some(Refusal::LinkLocal),
        // Site-local, the deprecated forerunner of private addresses.
        _ if segments[0] & 0xffc0 == 0xfec0 => Some(Refusal::LinkLocal),
        // Documentation, discard, and the local-use NAT64 prefix, whose meaning only its own network knows.
        _ if segments[0] == 0x2001 && segments[1] == 0xdb8 => Some(Refusal::Reserved),
        _ if segments[0] == 0x100 && segments[1..4] == [0; 3] => Some(Refusal::Reserved),
        _ if segments[0] == 0x64 && segments[1] == 0xff9b => Some(Refusal::Reserved),
        _ => None,
    }
}

/// The IPv4 address in one of its IPv6 spellings: mapped, compatible, translated, NAT64, 6to4, Teredo, ISATAP.
fn hidden(address: Ipv6Addr) -> Option<Ipv4Addr> {
    let s = address.segments();
    let v4 = |high: u16, low: u16| Ipv4Addr::from(u32::from(high) << 16 | u32::from(low));
    match s {
        [0, 0, 0, 0, 0, 0, 0, 0 | 1] => None,
        [0, 0, 0, 0, 0, 0xffff | 0, high, low] => Some(v4(high, low)),
        [0, 0, 0, 0, 0xffff, 0, high, low] => Some(v4(high, low)),
        [0x64, 0xff9b, 0, 0, 0, 0, high, low] => Some(v4(high, low)),
        [0x2002, high, low, ..] => Some(v4(high, low)),
        [0x2001, 0, _, _, _, _, high, low] => Some(v4(!high, !low)),
        [_, _, _, _, 0 | 0x200, 0x5efe, high, low] => Some(v4(high, low)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn never_allowed_in_any_spelling() {
        for text in [
            "127.0.0.1",
            "127.255.0.1",
            "169.254.169.254",
            "0.0.0.0",
            "0.1.2.3",
            "224.0.0.1",
            "255.255.255.255",
            "240.0.0.1",
            "100.100.100.200",
            "192.0.0.192",
            "::1",
            "::",
            "fe80::1",
            "febf::1",
            "fec0::1",
            "ff02::1",
            "fd00:ec2::254",
            "fd20:ce::254",
            "2001:db8::1",
            "::ffff:127.0.0.1",
            "::ffff:169.254.169.254",
            "::ffff:0:127.0.0.1",
            "::127.0.0.1",
            "::169.254.169.254",
            "64:ff9b::127.0.0.1",
            "64:ff9b::a9fe:a9fe",
            "64:ff9b:1::a9fe:a9fe",
            "2002:7f00:1::",
            "2002:a9fe:a9fe::1",
            "2001:0:1:2:3:4:80ff:fffe",
            "fd00::5efe:7f00:1",
            "2001:470::200:5efe:127.0.0.1",
            "::ffff:100.100.100.200",
        ] {
            assert!(refusal(text.parse().unwrap()).is_some(), "{text}");
        }
    }

    #[test]
    fn ordinary_and_private_addresses_need_only_their_grant() {
        for text in [
            "93.184.216.34",
            "10.0.0.1",
            "172.16.0.1",
            "192.168.1.1",
            "100.64.0.1",
            "2606:2800:220::1",
            "fd12:3456::1",
            "::ffff:93.184.216.34",
            "64:ff9b::93.184.216.34",
            "2002:5db8:d822::1",
        ] {
            assert_eq!(refusal(text.parse().unwrap()), None, "{text}");
        }
    }
}
