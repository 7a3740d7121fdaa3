//! The operator's configuration: one file for `stageway run` and `stageway serve`, never read from a repository.
//!
//! It says where things are (state, plugins, toolbox), what the names of connections and clusters mean, where tasks run, and which
//! policy holds. Paths in it are relative to its own folder; whoever reads the file resolves them.

mod parse;
mod parse_clusters;
mod parse_connections;
mod parse_pods;
mod parse_service;
mod parse_template;
mod parse_tenants;
mod parse_tokens;
mod parse_traces;
mod servers;
mod service;
mod token;
mod types;

pub use servers::{KnownServer, KnownServers};
pub use service::{
    ForgeCredentials, ForgeEntry, MAX_SECRETS, Repository, Service, Tenant, TraceReceiver,
    USUAL_PARALLEL_RUNS, Webhook,
};
pub use token::{Scope, TOKEN_PREFIX, Token};
pub use types::{
    ClusterAccess, Connection, EcrConnection, Login, Operator, PodTasks, PodTemplate, PodToleration, Pods,
    RegistryConnection,
};
