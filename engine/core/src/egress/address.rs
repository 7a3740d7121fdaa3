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
    use proptest::prelude::*;

    #[test]
    fn never_allowed_in_any_spelling() {
        use Refusal::*;
        for (text, expected) in [
            ("127.0.0.1", Loopback),
            ("127.9.9.9", Loopback),
            ("127.255.0.1", Loopback),
            ("169.254.169.254", LinkLocal),
            ("0.0.0.0", Unspecified),
            ("0.1.2.3", Unspecified),
            ("224.0.0.1", Multicast),
            ("255.255.255.255", Broadcast),
            ("240.0.0.1", Reserved),
            ("100.100.100.200", Metadata),
            ("192.0.0.192", Metadata),
            ("::1", Loopback),
            ("::", Unspecified),
            ("fe80::1", LinkLocal),
            ("febf::1", LinkLocal),
            ("fec0::1", LinkLocal),
            ("ff02::1", Multicast),
            ("fd00:ec2::254", Metadata),
            ("fd20:ce::254", Metadata),
            ("2001:db8::1", Reserved),
            ("100::1", Reserved),
            ("64:ff9b:1::a9fe:a9fe", Reserved),
            ("::ffff:127.0.0.1", Loopback),
            ("::ffff:169.254.169.254", LinkLocal),
            ("::ffff:100.100.100.200", Metadata),
            ("::ffff:0:127.0.0.1", Loopback),
            ("::127.0.0.1", Loopback),
            ("::169.254.169.254", LinkLocal),
            ("::2", Unspecified),
            ("64:ff9b::127.0.0.1", Loopback),
            ("64:ff9b::7f00:1", Loopback),
            ("64:ff9b::a9fe:a9fe", LinkLocal),
            ("2002:7f00:1::", Loopback),
            ("2002:a9fe:a9fe::1", LinkLocal),
            ("2001:0:1:2:3:4:80ff:fffe", Loopback),
            ("fd00::5efe:7f00:1", Loopback),
            ("2001:470::200:5efe:127.0.0.1", Loopback),
        ] {
            assert_eq!(refusal(text.parse().unwrap()), Some(expected), "{text}");
        }
    }

    #[test]
    fn ordinary_and_private_addresses_need_only_their_grant() {
        for text in [
            "93.184.216.34",
            "10.0.0.1",
            "10.1.2.3",
            "172.16.0.1",
            "192.168.0.1",
            "192.168.1.1",
            "100.64.0.1",
            "2606:2800:220::1",
            "fd12::1",
            "fd12:3456::1",
            "::ffff:10.0.0.1",
            "::ffff:93.184.216.34",
            "64:ff9b::93.184.216.34",
            "2002:5db8:d822::1",
        ] {
            assert_eq!(refusal(text.parse().unwrap()), None, "{text}");
        }
    }

    /// Every IPv6 address that stands for this IPv4 one.
    fn spellings(address: Ipv4Addr, network: [u16; 4]) -> Vec<Ipv6Addr> {
        let bits = u32::from(address);
        let (high, low) = ((bits >> 16) as u16, bits as u16);
        let [a, b, c, d] = network;
        vec![
            Ipv6Addr::new(0, 0, 0, 0, 0, 0xffff, high, low),
            Ipv6Addr::new(0, 0, 0, 0, 0xffff, 0, high, low),
            Ipv6Addr::new(0x64, 0xff9b, 0, 0, 0, 0, high, low),
            Ipv6Addr::new(0x2002, high, low, a, b, c, d, 1),
            Ipv6Addr::new(0x2001, 0, a, b, c, d, !high, !low),
            Ipv6Addr::new(0x2600, a, b, c, 0, 0x5efe, high, low),
            Ipv6Addr::new(0x2600, a, b, c, 0x200, 0x5efe, high, low),
        ]
    }

    proptest! {
        #[test]
        fn an_address_is_refused_in_every_spelling_or_in_none(bits: u32, network: [u16; 4]) {
            let address = Ipv4Addr::from(bits);
            for spelling in spellings(address, network) {
                prop_assert_eq!(refusal(spelling.into()), refusal(address.into()), "{}", spelling);
            }
        }

        #[test]
        fn every_address_of_a_refused_range_is_refused(rest: u32) {
            for (network, bits) in [
                (Ipv4Addr::new(0, 0, 0, 0), 8),
                (Ipv4Addr::new(127, 0, 0, 0), 8),
                (Ipv4Addr::new(169, 254, 0, 0), 16),
                (Ipv4Addr::new(224, 0, 0, 0), 4),
                (Ipv4Addr::new(240, 0, 0, 0), 4),
            ] {
                let address = Ipv4Addr::from(u32::from(network) | rest & (u32::MAX >> bits));
                prop_assert!(refusal(address.into()).is_some(), "{}", address);
            }
        }
    }
}
