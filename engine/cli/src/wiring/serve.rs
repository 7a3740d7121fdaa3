//! A server: its parts, their start, and their end.

use super::engine::{Blueprint, guests_of_tenants, lease_ms};
use super::fleet::Fleet;
use super::mirrors::LocalMirrors;
use super::site::{site, traces};
use super::{Home, SystemClock, plugins};
use crate::config::Settings;
use crate::exit::{Exit, Refused};
use anyhow::{Context, Result};
use rustix::fs::{FlockOperation, flock};
use rustix::system::uname;
use stageway_conductor::intake::Intake;
use stageway_conductor::scheduler::Scheduler;
use stageway_conductor::service::{
    Follower, Ids, Reception, Reporter, SWEEP_EVERY, Site, Starter, Sweep, Timetable, Tracer, Wake,
};
use stageway_core::delivery::ForgeKind;
use stageway_core::operator::USUAL_PARALLEL_RUNS;
use stageway_ports::{Forge, Plugins};
use stageway_remotes::forge::{ForgeConnection, connect};
use stageway_remotes::http::EgressHttp;
use stageway_remotes::otlp::OtlpTraces;
use stageway_remotes::registry::Credentials;
use stageway_web::{App, Limits, Metrics, Resources, Tokens, serve};
use std::fs::File;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// How long a stopping server waits for what ends by itself.
const PATIENCE: Duration = Duration::from_secs(10);

/// A server that is ready to work.
pub(crate) struct Server {
    blueprint: Arc<Blueprint>,
    site: Arc<Site>,
    plugins: Arc<dyn Plugins>,
    unconfined: bool,
    traces: Option<Arc<OtlpTraces>>,
    /// Held as long as the server works here.
    _lock: File,
}

fn ids() -> Ids {
    Arc::new(|| ulid::Ulid::generate().to_string())
}

/// That this process alone works as a server here; the kernel gives the lock back when it dies.
fn lock(home: &Home) -> Result<File> {
    let path = home.directory.join("serve.lock");
    let file = File::options().create(true).write(true).truncate(false).open(&path);
    let file = file.with_context(|| format!("{} cannot be opened", path.display()))?;
    let held = |_| {
        let message = format!("another server works in {}", home.directory.display());
        Refused::usage(message, "stop it, or give this one a state directory of its own")
    };
    flock(&file, FlockOperation::NonBlockingLockExclusive).map_err(held)?;
    Ok(file)
}

impl Server {
    /// Opens everything that the configuration names.
    ///
    /// # Errors
    /// [`Refused`] when nothing is registered, or another server works here.
    pub(crate) async fn open(settings: Settings, unconfined: bool) -> Result<Self> {
        if settings.service.webhooks.is_empty() && settings.service.tokens.is_empty() {
            let remedy = "describe `forges`, `repositories`, `webhooks` and `tokens` in the configuration";
            return Err(Refused::new(Exit::Invalid, "no webhook and no token is registered", remedy).into());
        }
        let guests = guests_of_tenants(&settings)?;
        let blueprint = Arc::new(Blueprint::with(settings, guests).await?);
        let lock = lock(&blueprint.home)?;
        // Whoever had a claim of ours is dead.
        blueprint.home.inbox.forget_claims().await?;
        let allow = blueprint.settings.egress.allow.clone();
        let http: Arc<dyn stageway_ports::Http> = Arc::new(EgressHttp::new(allow));
        let site = Arc::new(site(&blueprint.settings, &http).await?);
        let plugins = Arc::new(plugins(&blueprint.settings, blueprint.guests.clone()));
        let traces = match &blueprint.settings.service.traces {
            Some(receiver) => Some(Arc::new(traces(&blueprint.settings, receiver).await?)),
            None => None,
        };
        Ok(Self { blueprint, site, plugins, unconfined, traces, _lock: lock })
    }

    /// Works until `stop` turns true: no delivery is taken then, what runs may end or park for a while, and the rest goes on
    /// after the next start. The socket is closed last, so that whoever asks meanwhile hears that the server is about to stop.
    ///
    /// # Errors
    /// When the socket fails.
    pub(crate) async fn work(self, listener: TcpListener, stop: watch::Receiver<bool>) -> Result<()> {
        self.blueprint.home.blobs.prepare().await?;
        let wake = Arc::new(Wake::default());
        let mirrors =
            Arc::new(LocalMirrors::new(self.blueprint.settings.clone(), self.blueprint.home.blobs.clone()));
        let starter = self.starter(&wake);
        let app = self.app(&wake, &starter, stop.clone())?;
        let others = self.others(&starter, &mirrors);
        let intake = self.intake(&wake, mirrors.clone());
        let reporter = self.reporter(&wake);
        let scheduler = self.scheduler(&wake, mirrors);
        let (drained, is_drained) = watch::channel(false);
        let answering = tokio::spawn(serve(Arc::new(app), listener, stopped(is_drained)));
        let intake = tokio::spawn(async move { intake.work().await });
        let reporting = tokio::spawn(async move { reporter.work().await });
        let stop_intake = intake.abort_handle();
        let until = async {
            stopped(stop).await;
            stop_intake.abort();
            others.iter().for_each(JoinHandle::abort);
        };
        scheduler.work(until, PATIENCE).await;
        // What ended last is told if the forge answers at once; else it is told after the next start.
        let _ = tokio::time::timeout(Duration::from_secs(2), self.reporter(&wake).look()).await;
        reporting.abort();
        // Others need not wait until the time of our claims is over.
        if let Err(error) = self.blueprint.home.inbox.forget_claims().await {
            tracing::warn!(%error, "what was being worked on waits until its claims end");
        }
        drop(drained);
        match tokio::time::timeout(PATIENCE, answering).await {
            Ok(served) => Ok(served??),
            Err(_) => Ok(()),
        }
    }

    fn app(&self, wake: &Arc<Wake>, starter: &Starter, stop: watch::Receiver<bool>) -> Result<App> {
        let http = Arc::new(EgressHttp::new(Default::default()));
        let decoy: Arc<dyn Forge> = connect(ForgeConnection {
            kind: ForgeKind::GitHub,
            api: "https://localhost".into(),
            credentials: Credentials::Anonymous,
            http,
        })?;
        let reception = Reception {
            site: self.site.clone(),
            inbox: self.blueprint.home.inbox.clone(),
            clock: Arc::new(SystemClock),
            wake: wake.clone(),
            decoy,
        };
        let service = &self.blueprint.settings.service;
        let of_webhook = service.webhooks.iter();
        let of_tenant = service.tenants.iter();
        let limits = Limits {
            of_webhook: of_webhook.filter_map(|(id, w)| Some((id.clone(), w.deliveries_a_minute?))).collect(),
            of_tenant: of_tenant.filter_map(|(id, t)| Some((id.clone(), t.deliveries_a_minute?))).collect(),
            ..Limits::default()
        };
        let home = &self.blueprint.home;
        let resources = Resources {
            store: home.store.clone(),
            queue: home.queue.clone(),
            freezes: home.freezes.clone(),
            starter: starter.clone(),
            blobs: home.blobs.clone(),
            plugins: self.plugins.clone(),
            tokens: Tokens::new(&service.tokens),
        };
        Ok(App::new(reception, resources, ids(), limits, Arc::new(Metrics::default()), stop))
    }

    fn starter(&self, wake: &Arc<Wake>) -> Starter {
        Starter {
            inbox: self.blueprint.home.inbox.clone(),
            store: self.blueprint.home.store.clone(),
            clock: Arc::new(SystemClock),
            ids: ids(),
            wake: wake.clone(),
        }
    }

    /// What starts runs where no forge tells of anything.
    fn others(&self, starter: &Starter, mirrors: &Arc<LocalMirrors>) -> [JoinHandle<()>; 3] {
        let site = self.site.clone();
        let follower = Follower { starter: starter.clone() };
        let every = self.blueprint.settings.service.sweep_ms.map_or(SWEEP_EVERY, Duration::from_millis);
        let sweep = Sweep { site: site.clone(), mirrors: mirrors.clone(), starter: starter.clone(), every };
        let timetable = Timetable { site, mirrors: mirrors.clone(), starter: starter.clone() };
        [
            tokio::spawn(async move { follower.work().await }),
            tokio::spawn(async move { sweep.work().await }),
            tokio::spawn(async move { timetable.work().await }),
        ]
    }

    fn intake(&self, wake: &Arc<Wake>, mirrors: Arc<LocalMirrors>) -> Intake {
        Intake {
            site: self.site.clone(),
            inbox: self.blueprint.home.inbox.clone(),
            store: self.blueprint.home.store.clone(),
            mirrors,
            plugins: self.plugins.clone(),
            guests: self.blueprint.guests.clone(),
            blobs: self.blueprint.home.blobs.clone(),
            trees: self.blueprint.trees.clone(),
            clock: Arc::new(SystemClock),
            ids: ids(),
            wake: wake.clone(),
        }
    }

    fn reporter(&self, wake: &Arc<Wake>) -> Reporter {
        Reporter {
            site: self.site.clone(),
            inbox: self.blueprint.home.inbox.clone(),
            clock: Arc::new(SystemClock),
            wake: wake.clone(),
        }
    }

    fn scheduler(&self, wake: &Arc<Wake>, mirrors: Arc<LocalMirrors>) -> Scheduler {
        let service = &self.blueprint.settings.service;
        let fleet = Fleet::new(self.blueprint.clone(), self.site.clone(), mirrors, self.unconfined);
        let home = &self.blueprint.home;
        let tracer = self.traces.clone();
        let tracer = tracer.map(|traces| Tracer::start(home.inbox.clone(), home.store.clone(), traces));
        Scheduler {
            site: self.site.clone(),
            queue: self.blueprint.home.queue.clone(),
            store: self.blueprint.home.store.clone(),
            engines: Arc::new(fleet),
            clock: Arc::new(SystemClock),
            wake: wake.clone(),
            tracer,
            // With the machine's name, which for a pod is its own: people look at leases too.
            holder: format!("serve {} {}", uname().nodename().to_string_lossy(), ids()()),
            alone: self.blueprint.settings.database.is_none(),
            parallel_runs: usize::try_from(service.parallel_runs.unwrap_or(USUAL_PARALLEL_RUNS))
                .unwrap_or(usize::MAX),
            lease_ms: lease_ms(&self.blueprint.settings),
        }
    }
}

/// Resolves when the server is to stop.
async fn stopped(mut stop: watch::Receiver<bool>) {
    // A sender that is gone stops it as well.
    let _ = stop.wait_for(|stop| *stop).await;
}
