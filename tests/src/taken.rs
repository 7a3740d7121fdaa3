//! What the servers of tests read: one request after another, whole.

use std::io::BufRead;

/// A request as it came.
#[derive(Debug, Clone)]
pub struct Taken {
    /// Its first line, such as `POST /hooks HTTP/1.1`.
    pub first: String,
    /// Names as they came, and values.
    pub headers: Vec<(String, String)>,
    /// The body, as long as its head says.
    pub body: Vec<u8>,
}

impl Taken {
    /// The value of a header, whatever the case of its name.
    pub fn header(&self, name: &str) -> Option<&str> {
        let is = |(own, _): &&(String, String)| own.eq_ignore_ascii_case(name);
        self.headers.iter().find(is).map(|(_, value)| value.as_str())
    }

    /// The path that is asked for.
    pub fn path(&self) -> &str {
        self.first.split(' ').nth(1).unwrap_or_default()
    }
}

/// The next request of a connection; none when there is no other, or it breaks off.
pub fn take(reader: &mut impl BufRead) -> Option<Taken> {
    let mut line = || {
        let mut line = String::new();
        reader.read_line(&mut line).ok().filter(|count| *count > 0)?;
        Some(line.trim_end().to_owned())
    };
    let first = line()?;
    let mut headers = Vec::new();
    loop {
        let line = line()?;
        let Some((name, value)) = line.split_once(':') else { break };
        headers.push((name.to_owned(), value.trim().to_owned()));
    }
    let mut taken = Taken { first, headers, body: Vec::new() };
    let length = taken.header("content-length").map_or(Some(0), |length| length.parse().ok())?;
    taken.body = vec![0; length];
    reader.read_exact(&mut taken.body).ok()?;
    Some(taken)
}
