//! Services beside a task, and the proxy.

use crate::fixture::{Local, shell};
use stageway_core::call::EndingReason;
use stageway_core::task::{Network, Ready, ServiceSpec, TaskSpec};
use stageway_ports::contract::executor::process;

/// A server that answers every connection with one HTTP response.
const SERVER: &str = "use IO::Socket::INET; $| = 1; print \"starting\\n\"; select undef, undef, undef, 0.2; \
    my $l = IO::Socket::INET->new(LocalAddr => '127.0.0.1:8080', Listen => 8, ReuseAddr => 1) or die; \
    while (my $c = $l->accept) { my $line = <$c>; my ($path) = $line =~ m{^GET (\\S+)}; \
    my $status = $path eq '/bad' ? '503 No' : '200 OK'; print $c \"HTTP/1.1 $status\\r\\nContent-Length: 3\\r\\n\\r\\nhi\\n\"; close $c }";

const CLIENT: &str = "perl -MIO::Socket::INET -e 'my $s = IO::Socket::INET->new(\"127.0.0.1:8080\") or die; \
    print $s \"GET / HTTP/1.0\\r\\n\\r\\n\"; my @a = <$s>; print $a[-1]'";

fn with_server(ready: Ready, within_ms: u64, script: &str) -> TaskSpec {
    let mut spec = shell(script);
    let process = process(&["perl", "-e", SERVER]);
    spec.services.push(ServiceSpec { name: "server".into(), process, ready, within_ms });
    spec
}

pub async fn a_service_is_reached_on_the_loopback() {
    let local = Local::new();
    let http = Ready::Http { port: 8080, path: "/health".into() };
    let command = Ready::Command(["sh", "-c", CLIENT].map(String::from).to_vec());
    for (name, ready) in [("tcp", Ready::Tcp(8080)), ("http", http), ("command", command)] {
        let (ending, text) = local.run(name, &with_server(ready, 10_000, CLIENT)).await;
        assert_eq!(ending.code, Some(0), "{name} {text} {ending:?}");
        assert!(text.contains("server | starting\n") && text.ends_with("hi\n"), "{name} {text}");
        assert!(ending.times.services_ms >= 200, "{ending:?}");
    }
}

pub async fn a_service_that_never_gets_ready_ends_the_task() {
    let local = Local::new();
    for (name, ready) in
        [("port", Ready::Tcp(9)), ("status", Ready::Http { port: 8080, path: "/bad".into() })]
    {
        let (ending, _) = local.run(name, &with_server(ready, 700, "echo never")).await;
        assert_eq!((ending.code, ending.reason), (None, EndingReason::Unschedulable));
        assert!(ending.message.contains("`server` was not ready within 700 ms"), "{ending:?}");
    }
}

pub async fn a_service_that_ends_early_is_told() {
    let local = Local::new();
    let mut spec = with_server(Ready::Tcp(8080), 10_000, "echo never");
    spec.services[0].process = process(&["sh", "-c", "echo no; exit 3"]);
    let (ending, text) = local.run("early", &spec).await;
    assert!(ending.message.contains("`server` ended with code 3 before it was ready"), "{ending:?}");
    assert_eq!(text, "server | no\n");
}

/// The proxy's own answers; what it lets through is tested where there is a network.
pub async fn a_proxy_lets_through_what_is_granted_only() {
    let local = Local::new();
    let listener = std::net::TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let port = listener.local_addr().unwrap().port();
    let script = format!(
        "echo $HTTPS_PROXY | cut -d: -f1,2; perl -MIO::Socket::INET -e 'my ($p) = $ENV{{HTTP_PROXY}} =~ m{{//(.*)}}; \
         for (@ARGV) {{ my $s = IO::Socket::INET->new($p) or die; print $s \"CONNECT $_ HTTP/1.1\\r\\n\\r\\n\"; \
         my @a = <$s>; print $a[0], $a[-1] }}' example.com:443 localhost:{port}"
    );
    let mut spec = shell(&script);
    spec.network = Network::Proxy(vec![format!("localhost:{port}"), "example.org:443".into()]);
    let (ending, text) = local.run("proxy", &spec).await;
    assert_eq!(ending.code, Some(0), "{text} {ending:?}");
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(lines[0], "http://127.0.0.1");
    assert!(lines[1].contains("403") && lines[2].contains("`example.com:443` is not granted"), "{text}");
    assert!(lines[3].contains("403") && lines[4].contains("a loopback address"), "{text}");
    spec.network = Network::Proxy(vec!["example.org".into()]);
    let (refused, _) = local.run("refused", &spec).await;
    assert!(refused.message.contains("`example.org` is not `host:port`"), "{refused:?}");
}
