use super::error::Failure;
use sqlx::ConnectOptions as _;
use sqlx::postgres::PgConnectOptions;
use stageway_ports::StoreError;
use std::fmt;

/// Where the database is, and how much of it one process may use.
#[derive(Clone)]
pub struct PostgresOptions {
    pub(super) connect: PgConnectOptions,
    pub(super) connections: u32,
}

impl PostgresOptions {
    /// The database of an address: `postgres://USER:PASSWORD@HOST:PORT/DATABASE?sslmode=verify-full`, by
    /// <https://www.postgresql.org/docs/current/libpq-connect.html#LIBPQ-CONNSTRING>. A socket's directory is written as
    /// the host, percent-encoded. What it does not say is taken from the `PG…` variables and the password file, as by
    /// every other client.
    ///
    /// # Errors
    /// [`StoreError::Storage`] when it cannot be read. The text never holds the address, because that may hold a password.
    pub fn new(url: &str) -> Result<Self, StoreError> {
        let connect: PgConnectOptions =
            url.parse().map_err(|error| Failure::Address(error).at("the address"))?;
        let connect = connect.application_name("stageway").disable_statement_logging();
        Ok(Self { connect, connections: 10 })
    }

    /// How many connections do the work, at least 1; one more listens and one tells others. 10 if nobody says.
    #[must_use]
    pub fn connections(self, connections: u32) -> Self {
        Self { connections: connections.max(1), ..self }
    }

    /// For people: never the password.
    pub(super) fn place(&self) -> String {
        let host = match self.connect.get_socket() {
            Some(socket) => socket.display().to_string(),
            None => format!("{}:{}", self.connect.get_host(), self.connect.get_port()),
        };
        let database = self.connect.get_database().unwrap_or_else(|| self.connect.get_username());
        format!("{database} at {host}")
    }
}

impl fmt::Debug for PostgresOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PostgresOptions")
            .field("place", &self.place())
            .field("connections", &self.connections)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_told_without_its_password() {
        let options = PostgresOptions::new("postgres://ada:hidden@db.example:6543/stageway").unwrap();
        assert_eq!(options.place(), "stageway at db.example:6543");
        assert!(!format!("{options:?}").contains("hidden"));
        let socket = PostgresOptions::new("postgres://ada@%2Frun%2Fpostgresql/stageway").unwrap();
        assert_eq!(socket.place(), "stageway at /run/postgresql");
        assert_eq!(options.connections(0).connections, 1);
    }

    #[test]
    fn what_is_no_address_is_refused_without_repeating_it() {
        for wrong in
            ["hidden", "postgres://ada:hidden@db:port/x", "postgres://ada:hidden@db/x?sslmode=hidden2"]
        {
            let Err(StoreError::Storage(text)) = PostgresOptions::new(wrong) else {
                panic!("{wrong} is no address")
            };
            assert!(text.contains("postgres://USER") && !text.contains("hidden@"), "{text}");
        }
    }
}
