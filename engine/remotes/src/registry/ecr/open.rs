use super::{EcrConfig, EcrRegistry, EcrRole};
use aws_config::retry::RetryConfig;
use aws_config::sts::AssumeRoleProvider;
use aws_config::timeout::TimeoutConfig;
use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_smithy_http_client::tls::{Provider, rustls_provider::CryptoMode};
use std::time::Duration;
use tokio::sync::Mutex;

/// How often something is tried in all.
const TRIES: u32 = 5;
const FIRST_PAUSE: Duration = Duration::from_millis(200);
const LONGEST_PAUSE: Duration = Duration::from_secs(20);
const CONNECT: Duration = Duration::from_secs(15);
const ONE_TRY: Duration = Duration::from_secs(30);
const ALL_TRIES: Duration = Duration::from_secs(180);

impl EcrRegistry {
    /// Prepares a connection. Nothing is sent to ECR yet, and credentials are looked for at the first call.
    pub async fn open(config: EcrConfig) -> Self {
        let machine = machine(&config.region).await;
        let mut client = aws_sdk_ecr::config::Builder::from(&machine);
        if let Some(role) = &config.role {
            client = client.credentials_provider(assumed(role, &config.region, &machine).await);
        }
        if let Some(endpoint) = config.endpoint {
            client = client.endpoint_url(endpoint);
        }
        Self {
            client: aws_sdk_ecr::Client::from_conf(client.build()),
            account: config.account,
            create: config.create,
            staging: config.staging,
            session: Mutex::new(None),
        }
    }
}

/// What the machine itself may do.
async fn machine(region: &str) -> SdkConfig {
    let http = aws_smithy_http_client::Builder::new().tls_provider(Provider::Rustls(CryptoMode::Ring));
    let retry = RetryConfig::standard()
        .with_max_attempts(TRIES)
        .with_initial_backoff(FIRST_PAUSE)
        .with_max_backoff(LONGEST_PAUSE);
    let timeouts = TimeoutConfig::builder()
        .connect_timeout(CONNECT)
        .operation_attempt_timeout(ONE_TRY)
        .operation_timeout(ALL_TRIES)
        .build();
    aws_config::defaults(BehaviorVersion::v2026_01_12())
        .http_client(http.build_https())
        .region(Region::new(region.to_owned()))
        .retry_config(retry)
        .timeout_config(timeouts)
        .load()
        .await
}

async fn assumed(role: &EcrRole, region: &str, machine: &SdkConfig) -> AssumeRoleProvider {
    let mut provider = AssumeRoleProvider::builder(&role.arn)
        .session_name("stageway")
        .region(Region::new(region.to_owned()))
        .configure(machine);
    if let Some(external_id) = &role.external_id {
        provider = provider.external_id(external_id);
    }
    provider.build().await
}
