//! Looking at every objective until the window is over, or until one of them is clearly bad.

use crate::course::{Course, Judged, Look, Word};
use crate::objective::{BurnRate, Objective, over};
use crate::prometheus::Reading;
use stageway_sdk::{Span, Verdict};

/// What watching needs of the outside.
pub(crate) trait World {
    /// An instant query.
    fn ask(&self, query: &str) -> Result<Reading, Verdict>;
    /// Milliseconds since 1970.
    fn now(&self) -> f64;
    /// Waits.
    fn sleep(&self, how_long: Span) -> Result<(), Verdict>;
    /// Keeps a value of an objective with the run.
    fn keep(&self, objective: &Objective, value: f64) -> Result<(), Verdict>;
    /// Tells people.
    fn say(&self, line: String);
}

/// For how long, and how often.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Pace {
    pub(crate) window: Span,
    pub(crate) interval: Span,
}

/// What watching came to.
#[derive(Debug)]
pub(crate) struct Watched {
    pub(crate) objectives: Vec<Judged>,
    pub(crate) after: Span,
}

impl Watched {
    /// The worst of all.
    pub(crate) fn word(&self) -> Word {
        let has = |word| self.objectives.iter().any(|judged| judged.verdict == word);
        match (has(Word::Bad), has(Word::Unknown)) {
            (true, _) => Word::Bad,
            (_, true) => Word::Unknown,
            _ => Word::Good,
        }
    }

    /// Why, of everything that is not good.
    pub(crate) fn why(&self) -> String {
        let word = self.word();
        let told = self.objectives.iter().filter(|judged| judged.verdict == word);
        told.map(|judged| format!("{}: {}", judged.name, judged.why)).collect::<Vec<_>>().join("; ")
    }
}

/// Watches.
///
/// # Errors
/// Failed for a query that is none; errored for what the host does not do.
pub(crate) fn watch(world: &impl World, objectives: &[Objective], pace: Pace) -> Result<Watched, Verdict> {
    let begun = world.now();
    let mut courses: Vec<Course> = objectives.iter().map(Course::new).collect();
    let mut told: Vec<Option<bool>> = vec![None; objectives.len()];
    let looks = pace.window.as_millis().div_ceil(pace.interval.as_millis());
    for number in 1..=looks {
        let due =
            begun + f64::from(pace.interval.as_millis().saturating_mul(number).min(pace.window.as_millis()));
        let left = (due - world.now()).max(0.0);
        // Logical time never runs backwards, and a window has at most 49 days.
        world.sleep(Span::from_millis(left as u32))?;
        let at = world.now().max(due);
        let elapsed = Span::from_millis((at - begun) as u32);
        let mut bad = false;
        for (course, told) in courses.iter_mut().zip(&mut told) {
            let objective = course.objective();
            let look = look(world, objective, pace.window, elapsed)?;
            if let Look::Value(value, _) = look {
                world.keep(objective, value)?;
            }
            tell(world, objective, &look, told);
            bad |= course.take(at, look);
        }
        if bad {
            break;
        }
    }
    let objectives = courses.iter().map(Course::end).collect();
    Ok(Watched { objectives, after: Span::from_millis((world.now() - begun) as u32) })
}

/// A line whenever an objective begins to hold or to miss, or is no longer seen.
fn tell(world: &impl World, objective: &Objective, look: &Look, told: &mut Option<bool>) {
    let (now, line) = match look {
        Look::Value(value, true) => (Some(true), format!("{}: {value} is good", objective.name)),
        Look::Value(value, false) => (Some(false), format!("{}: {value} is bad", objective.name)),
        Look::Nothing(why) => (None, format!("{}: nothing to judge: {why}", objective.name)),
    };
    if *told != now || now.is_none() {
        world.say(line);
    }
    *told = now;
}

fn look(world: &impl World, objective: &Objective, window: Span, elapsed: Span) -> Result<Look, Verdict> {
    let back = |span: Span| span.min(elapsed);
    if let Some(enough) = &objective.enough {
        match ask(world, objective, &over(&enough.query, back(window)))? {
            Ok(values) => {
                let seen: f64 = values.iter().sum();
                if seen < enough.at_least {
                    return Ok(Look::Nothing(format!(
                        "too little was seen: {seen}, not {}",
                        enough.at_least
                    )));
                }
            }
            Err(why) => return Ok(Look::Nothing(why)),
        }
    }
    let Some(budget) = objective.budget() else {
        return Ok(match ask(world, objective, &over(&objective.query, back(window)))? {
            // The value that is told is the worst: of several series, one that misses decides.
            Ok(values) => {
                let missing = values.iter().copied().find(|value| !objective.keeps(*value));
                Look::Value(missing.or(values.first().copied()).unwrap_or_default(), missing.is_none())
            }
            Err(why) => Look::Nothing(why),
        });
    };
    let mut fastest: f64 = 0.0;
    let mut holds = true;
    for BurnRate { long, short, factor } in objective.burn_rates(window) {
        let mut burns = [0.0; 2];
        for (burn, span) in burns.iter_mut().zip([long, short]) {
            match ask(world, objective, &over(&objective.query, back(span)))? {
                Ok(ratios) => *burn = ratios.into_iter().fold(0.0, f64::max) / budget,
                Err(why) => return Ok(Look::Nothing(why)),
            }
        }
        fastest = fastest.max(burns[0]);
        holds &= !burns.iter().all(|burn| *burn > factor);
    }
    Ok(Look::Value(fastest, holds))
}

/// The values, or why there are none.
fn ask(world: &impl World, objective: &Objective, query: &str) -> Result<Result<Vec<f64>, String>, Verdict> {
    Ok(match world.ask(query)? {
        Reading::Values(values) => Ok(values),
        Reading::Nothing(why) => Err(why),
        Reading::Refused(why) => {
            let message = format!(
                "objective `{}`: Prometheus does not take the query `{query}`: {why}",
                objective.name
            );
            return Err(Verdict::failed("stageway/query-refused", message));
        }
    })
}

#[cfg(test)]
mod tests;
