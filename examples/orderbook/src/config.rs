//! What is read at start: the command line over the environment over the defaults.

use std::{
    fmt,
    net::{IpAddr, Ipv4Addr, SocketAddr},
};

/// How to start the service, as `--help` says it.
pub const USAGE: &str = "\
A limit order book with price-time priority, served over HTTP

Usage: orderbook [--listen ADDRESS:PORT]

Options:
  --listen ADDRESS:PORT   where to listen; port 0 takes a free one
  --help                  print this
  --version               print the version

Environment:
  ADDRESS   the IP address to listen on [default: 127.0.0.1]
  PORT      the port to listen on [default: 8080]
";

/// What the command line asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Command {
    /// Serve at this address.
    Serve(SocketAddr),
    /// Print [`USAGE`].
    Help,
    /// Print the version.
    Version,
}

/// A setting that cannot be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ConfigError {
    /// The command line has something unknown.
    Unknown(String),
    /// `--listen` stands last.
    NoValue,
    /// The named setting is not what it must be.
    Invalid {
        /// The option or variable.
        name: &'static str,
        /// What it must be.
        expected: &'static str,
        /// What it is.
        value: String,
    },
}

/// Reads the arguments (without the program's name) and the environment.
///
/// # Errors
/// [`ConfigError`] for the first setting that cannot be read.
pub fn read(
    arguments: impl IntoIterator<Item = String>,
    environment: impl Fn(&str) -> Option<String>,
) -> Result<Command, ConfigError> {
    let mut listen = None;
    let mut arguments = arguments.into_iter();
    while let Some(argument) = arguments.next() {
        match argument.as_str() {
            "--help" | "-h" => return Ok(Command::Help),
            "--version" | "-V" => return Ok(Command::Version),
            "--listen" => listen = Some(arguments.next().ok_or(ConfigError::NoValue)?),
            _ => match argument.strip_prefix("--listen=") {
                Some(value) => listen = Some(value.into()),
                None => return Err(ConfigError::Unknown(argument)),
            },
        }
    }
    if let Some(value) = listen {
        return parse("--listen", "an IP address and a port", value).map(Command::Serve);
    }
    let variable = |name| environment(name).filter(|value| !value.is_empty());
    let address = variable("ADDRESS").map(|value| parse("ADDRESS", "an IP address", value)).transpose()?;
    let port = variable("PORT").map(|value| parse("PORT", "a port, from 0 to 65535", value)).transpose()?;
    Ok(Command::Serve(SocketAddr::new(
        address.unwrap_or(IpAddr::V4(Ipv4Addr::LOCALHOST)),
        port.unwrap_or(8080),
    )))
}

fn parse<T: std::str::FromStr>(
    name: &'static str,
    expected: &'static str,
    value: String,
) -> Result<T, ConfigError> {
    value.parse().map_err(|_| ConfigError::Invalid { name, expected, value })
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unknown(argument) => write!(f, "`{argument}` is unknown; see --help"),
            Self::NoValue => f.write_str("--listen needs an address, such as 127.0.0.1:8080"),
            Self::Invalid { name, expected, value } => write!(f, "{name} must be {expected}, not `{value}`"),
        }
    }
}

impl std::error::Error for ConfigError {}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(arguments: &[&str], environment: &[(&str, &str)]) -> Result<Command, ConfigError> {
        read(arguments.iter().map(|a| a.to_string()), |name| {
            environment.iter().find(|(n, _)| *n == name).map(|(_, value)| value.to_string())
        })
    }

    fn serve(address: &str) -> Result<Command, ConfigError> {
        Ok(Command::Serve(address.parse().unwrap()))
    }

    #[test]
    fn listens_on_loopback_unless_told() {
        assert_eq!(run(&[], &[]), serve("127.0.0.1:8080"));
        assert_eq!(run(&[], &[("ADDRESS", ""), ("PORT", "")]), serve("127.0.0.1:8080"));
        assert_eq!(run(&[], &[("ADDRESS", "0.0.0.0"), ("PORT", "9000")]), serve("0.0.0.0:9000"));
        assert_eq!(run(&[], &[("ADDRESS", "::")]), serve("[::]:8080"));
    }

    #[test]
    fn the_command_line_wins() {
        assert_eq!(run(&["--listen", "127.0.0.2:1"], &[("PORT", "x")]), serve("127.0.0.2:1"));
        assert_eq!(run(&["--listen=[::1]:0"], &[]), serve("[::1]:0"));
        assert_eq!(run(&["--help"], &[]), Ok(Command::Help));
        assert_eq!(run(&["--version"], &[]), Ok(Command::Version));
    }

    #[test]
    fn what_cannot_be_read_is_said() {
        let said = |arguments: &[&str], environment: &[(&str, &str)]| {
            run(arguments, environment).unwrap_err().to_string()
        };
        assert_eq!(said(&["--port"], &[]), "`--port` is unknown; see --help");
        assert_eq!(said(&["--listen"], &[]), "--listen needs an address, such as 127.0.0.1:8080");
        assert_eq!(said(&["--listen", "8080"], &[]), "--listen must be an IP address and a port, not `8080`");
        assert_eq!(said(&[], &[("PORT", "65536")]), "PORT must be a port, from 0 to 65535, not `65536`");
        assert_eq!(said(&[], &[("ADDRESS", "localhost")]), "ADDRESS must be an IP address, not `localhost`");
    }
}
