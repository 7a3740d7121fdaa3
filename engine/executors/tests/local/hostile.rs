//! Tasks that want out.

use crate::fixture::{Local, shell, until};
use flate2::Compression;
use flate2::write::GzEncoder;
use stageway_core::call::EndingReason;
use stageway_core::digest::Digest;
use stageway_core::name::TaskName;
use stageway_core::task::{ImageRoot, Root};
use stageway_ports::contract::executor::{ending, output};
use stageway_ports::{Blobs, Executor, SecretValue, SecretValues, TaskError};
use std::fs;
use std::net::TcpListener;

pub async fn a_task_sees_neither_home_nor_state_nor_sockets() {
    let local = Local::new();
    let home = std::env::var("HOME").unwrap();
    let script = format!(
        "for path in {home}/.ssh {home}/.aws {home}/.bashrc {state} /var /run /var/run/docker.sock /sys /root/.bashrc \
         /home /work /mnt /etc/shadow /etc/hostname /proc/1/root /proc/1/cwd; do \
         ls -d $path/ 2>/dev/null && echo \"SEEN $path\"; cat $path 2>/dev/null && echo \"READ $path\"; done; \
         ls /; cat /etc/passwd; mount 2>/dev/null; exit 0",
        state = local.state().display(),
    );
    let (ending, text) = local.run("look", &shell(&script)).await;
    assert_eq!(ending.code, Some(0), "{text} {ending:?}");
    assert!(!text.contains("SEEN") && !text.contains("READ"), "{text}");
    assert!(text.contains("task:x:1000:1000"), "{text}");
    assert!(!text.contains("root:x:"), "{text}");
}

pub async fn a_task_reaches_no_network() {
    let local = Local::new();
    let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let port = listener.local_addr().unwrap().port();
    let script = format!(
        "cat /proc/net/dev | grep -vE 'Inter|face|lo:' && echo OTHER; \
         perl -MIO::Socket::INET -e 'for (@ARGV) {{ print \"REACHED $_\\n\" if IO::Socket::INET->new(PeerAddr => $_, Timeout => 2) }}' \
         127.0.0.1:{port} 1.1.1.1:443 169.254.169.254:80; \
         perl -MSocket -e 'print socket(S, 40, SOCK_STREAM, 0) ? \"VSOCK\\n\" : \"no vsock\\n\"'"
    );
    let (_, text) = local.run("network", &shell(&script)).await;
    assert_eq!(text, "no vsock\n");
}

pub async fn a_task_has_no_power() {
    let local = Local::new();
    let script = "grep -E '^(Cap|NoNewPrivs|Seccomp:|Uid|Gid|Groups)' /proc/self/status; \
         unshare -U true 2>/dev/null && echo USERNS; unshare -n true 2>/dev/null && echo NETNS; \
         mount -t tmpfs none /tmp 2>/dev/null && echo MOUNT; chroot / true 2>/dev/null && echo CHROOT; \
         touch /usr/x 2>/dev/null && echo USR; touch /x 2>/dev/null && echo ROOT; touch /etc/hosts 2>/dev/null && echo ETC; \
         echo x > /proc/sys/kernel/core_pattern 2>/dev/null && echo CORE; \
         echo 1 > /proc/sys/vm/drop_caches 2>/dev/null && echo SYSCTL; \
         kill -9 1 2>/dev/null; kill -0 -1; dmesg 2>/dev/null && echo DMESG; \
         cat /proc/1/environ 2>/dev/null | grep . && echo ENVIRON; echo still here";
    let (ending, text) = local.run("power", &shell(script)).await;
    assert_eq!(ending.code, Some(0), "{text} {ending:?}");
    let zero = "0000000000000000";
    for set in ["CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"] {
        assert!(text.contains(&format!("{set}:\t{zero}")), "{set} {text}");
    }
    assert!(text.contains("NoNewPrivs:\t1") && text.contains("Seccomp:\t2"), "{text}");
    assert!(text.contains("Uid:\t1000\t1000\t1000\t1000"), "{text}");
    for word in
        ["USERNS", "NETNS", "MOUNT", "CHROOT", "USR", "ROOT\n", "ETC", "CORE", "SYSCTL", "DMESG", "ENVIRON"]
    {
        assert!(!text.contains(word), "{word} {text}");
    }
    assert!(text.ends_with("still here\n"));
}

pub async fn nothing_outlives_a_task() {
    let local = Local::new();
    let mark = format!("stageway-left-{}", std::process::id());
    let script = format!(
        "perl -e 'use POSIX; fork && exit; setsid; fork && exit; $0 = \"{mark}\"; $SIG{{TERM}} = \"IGNORE\"; \
         close STDOUT; close STDERR; sleep 600' ; (setsid sh -c 'trap \"\" TERM; exec -a {mark} sleep 600' &) ; sleep 0.1; exit 0"
    );
    let (ending, _) = local.run("left", &shell(&script)).await;
    assert_eq!((ending.code, ending.reason), (Some(0), EndingReason::Exited));
    until("nothing of the task is left", || {
        let commands = fs::read_dir("/proc").unwrap().flatten();
        !commands.filter_map(|entry| fs::read(entry.path().join("cmdline")).ok()).any(|line| {
            line.windows(mark.len()).any(|part| part == mark.as_bytes())
                && !line.windows(2).any(|part| part == b"$0")
        })
    });
}

pub async fn secrets_are_in_memory_only() {
    let local = Local::new();
    let value = format!("value-{}-of-the-secret", std::process::id());
    let mut spec = shell("echo ${#TOKEN}; wc -c < /run/secrets/key; cat /run/files/plain; sleep 0.3");
    spec.process.secret_variables.insert("TOKEN".into(), "token".into());
    spec.process.secret_files.insert("/run/secrets/key".into(), "token".into());
    spec.process.files.insert("/run/files/plain".into(), b"plain\n".to_vec().into());
    let name = TaskName::new("secret").unwrap();
    let secret = SecretValue::new(value.clone().into_bytes());
    let secrets = SecretValues([("token".to_owned(), secret)].into());
    local.executor.ensure(&name, &spec, &secrets).await.unwrap();
    let search = || {
        let found =
            std::process::Command::new("grep").args(["-rl", &value]).arg(local.state()).output().unwrap();
        String::from_utf8(found.stdout).unwrap()
    };
    until("the task has started", || local.state().join("tasks/secret/start.json").exists());
    assert_eq!(search(), "");
    ending(&local.executor, &name).await;
    let expected = format!("{0}\n{0}\nplain\n", value.len());
    assert_eq!(output(&local.executor, &name, 1000).await, expected);
    assert_eq!(search(), "");
    let mut missing = shell("true");
    missing.process.secret_variables.insert("TOKEN".into(), "other".into());
    let (ending, _) = local.run("missing", &missing).await;
    assert!(ending.message.contains("`other`") && ending.code.is_none(), "{ending:?}");
}

/// Where user namespaces are forbidden nothing runs, and the remedy is named; in a container that allows them all is well.
pub async fn without_user_namespaces_nothing_runs() {
    let forbid = "echo 0 > /proc/sys/user/max_user_namespaces && exec \"$@\"";
    let local = Local::by(&["unshare", "-Ur", "sh", "-c", forbid, "sh"]);
    let name = TaskName::new("forbidden").unwrap();
    match local.executor.ensure(&name, &shell("true"), &SecretValues::default()).await {
        Err(TaskError::Refused(text)) => {
            assert!(text.contains("user.max_user_namespaces") && text.contains("--no-sandbox"), "{text}");
        }
        other => panic!("{other:?}"),
    }
    assert!(local.executor.sweep().await.unwrap().is_empty());
    let mut open = shell("echo ran");
    open.unconfined = true;
    assert_eq!(local.run("open", &open).await.1, "ran\n");
    let contained = Local::by(&["unshare", "-Ur"]);
    let (ending, text) = contained.run("contained", &shell("id -u")).await;
    assert_eq!((ending.code, text.as_str()), (Some(0), "1000\n"), "{ending:?}");
}

/// An image whose layers try to write through links, and up the path.
pub async fn an_image_cannot_write_outside_of_itself() {
    let local = Local::new();
    let outside = local.state().parent().unwrap().join("outside");
    fs::create_dir(&outside).unwrap();
    let mut through = tar::Builder::new(GzEncoder::new(Vec::new(), Compression::fast()));
    let mut link = tar::Header::new_gnu();
    link.set_entry_type(tar::EntryType::Symlink);
    link.set_size(0);
    through.append_link(&mut link, "out", &outside).unwrap();
    append(&mut through, "out/through-a-link", b"x");
    let through = through.into_inner().unwrap().finish().unwrap();
    let mut up = tar::Builder::new(Vec::new());
    let mut header = tar::Header::new_gnu();
    let name = b"../../../../outside/up";
    header.as_old_mut().name[..name.len()].copy_from_slice(name);
    header.set_size(1);
    header.set_mode(0o644);
    header.set_cksum();
    up.append(&header, &b"x"[..]).unwrap();
    let up = up.into_inner().unwrap();
    for (name, layer, kind) in [("through", through, "tar+gzip"), ("up", up, "tar")] {
        let content = local.blobs.put(layer).await.unwrap();
        let mut spec = shell("true");
        spec.process.root = Root::Image(Box::new(ImageRoot {
            reference: "test".into(),
            digest: Digest::of(name.as_bytes()),
            layers: vec![(content, format!("application/vnd.oci.image.layer.v1.{kind}"))],
            entrypoint: vec![],
            command: vec![],
            variables: vec![],
            directory: None,
        }));
        let (ending, _) = local.run(name, &spec).await;
        assert_ne!(ending.code, Some(0));
        assert_eq!(fs::read_dir(&outside).unwrap().count(), 0, "{name} {ending:?}");
    }
}

fn append(builder: &mut tar::Builder<impl std::io::Write>, path: &str, bytes: &[u8]) {
    let mut header = tar::Header::new_gnu();
    header.set_size(bytes.len() as u64);
    header.set_mode(0o755);
    builder.append_data(&mut header, path, bytes).unwrap();
}
