//! The services of a task: started in their order, each waited for before the next.

use super::life::{Life, Outcome};
use super::pump::Style;
use super::ready;
use super::site::Site;
use crate::local::sandbox::Exit;
use stageway_core::call::EndingReason;
use stageway_core::task::ServiceSpec;
use std::time::Duration;

/// Starts all services.
pub(super) async fn start(life: &mut Life, site: &Site) -> Result<(), Outcome> {
    for service in life.spec.services.clone() {
        let never = |problem: String| {
            Outcome::never(EndingReason::Unschedulable, format!("the service `{}` {problem}", service.name))
        };
        let number = life.next_number();
        let failed = |problem: String| never(format!("did not start: {problem}"));
        life.build(site, number, &service.process).await?.map_err(failed)?;
        let order = life.order(site, number, &service.process, number)?;
        if let Err((problem, _)) = life.start(order, Style::Lines(Some(service.name.clone()))).await? {
            return Err(failed(problem));
        }
        wait(life, site, number, &service).await?.map_err(never)?;
    }
    Ok(())
}

/// Waits until a service is ready, has ended, or took too long.
async fn wait(
    life: &mut Life,
    site: &Site,
    number: u32,
    service: &ServiceSpec,
) -> Result<Result<(), String>, Outcome> {
    let mut last = String::new();
    let within = Duration::from_millis(service.within_ms);
    let waited = tokio::time::timeout(within, ready::wait(life, site, number, service, &mut last)).await;
    match waited {
        Ok(Ok(None)) => Ok(Ok(())),
        Ok(Ok(Some(Exit::Code(code)))) => Ok(Err(format!("ended with code {code} before it was ready"))),
        Ok(Ok(Some(Exit::Signal(signal)))) => {
            Ok(Err(format!("ended by signal {signal} before it was ready")))
        }
        Ok(Err(outcome)) => Err(outcome),
        Err(_) => Ok(Err(format!("was not ready within {} ms: {last}", service.within_ms))),
    }
}
