/// One thing the guest does; all but [`Step::Push`] are one call. Numbers name things: each is used once for making, and
/// later ones refer to what was made.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(missing_docs, reason = "the sentence of a step says what its numbers are")]
pub enum Step {
    /// A line of the log.
    Log { bytes: u32 },
    /// Logical time.
    Now,
    /// Random bytes.
    Random { bytes: u32 },
    /// A fact of the invocation, or whether a secret is there.
    Fact { which: u32 },
    /// Whether the stage is being cancelled.
    IsCancelled,
    /// A pause.
    Sleep { milliseconds: u32 },
    /// A measure.
    Measure { number: u32 },
    /// A note.
    Annotation { number: u32 },
    /// Writes a file.
    Write { file: u32, bytes: u32 },
    /// Reads one, which may not be there.
    Read { file: u32 },
    /// Lists the workspace.
    Find,
    /// Removes a file, which may not be there.
    Remove { file: u32 },
    /// A request that only reads.
    Get { page: u32 },
    /// A request that may be repeated.
    Put { number: u32 },
    /// A request that may not.
    Post { number: u32 },
    /// Starts a task that ends at once, or one that runs until it is cancelled.
    Start { task: u32, endless: bool },
    /// Waits for a task that ends.
    Wait { task: u32 },
    /// Waits for any of these, the first of which ends.
    WaitAny { tasks: Vec<u32> },
    /// Cancels a task.
    Cancel { task: u32 },
    /// Asks what a task collected.
    Collected { task: u32 },
    /// Looks at a registry.
    Look { word: Word },
    /// Stores a configuration and a layer, and pushes an image of them: three calls.
    Push { number: u32 },
    /// Copies the image of the configuration.
    Copy,
    /// Tags it with a tag of its own, or moves the one that moves.
    Tag { number: u32, moving: bool },
    /// Lists releases.
    Releases,
    /// Records a release.
    Release { number: u32 },
    /// Judges a release.
    Judge { release: u32, good: bool },
    /// Asks a person.
    Ask { number: u32 },
    /// Asks for the changes of the repository, or its commits.
    Source { commits: bool },
    /// Saves the workspace.
    Save { number: u32, layer: bool },
    /// Stores bytes.
    Store { number: u32, bytes: u32 },
    /// Puts a saved artifact into the workspace.
    Restore { number: u32 },
    /// Asks a cluster, which is not there.
    Cluster,
}

/// What is asked of a registry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Word {
    /// `find`.
    Find,
    /// `tags`.
    Tags,
    /// `manifest`.
    Manifest,
    /// `facts`.
    Facts,
}

/// The steps of a seed: `count` of them, the same for ever.
pub fn steps(seed: u64, count: usize) -> Vec<Step> {
    let mut made = Made { random: Random(seed), ..Made::default() };
    (0..count).map(|_| made.step()).collect()
}

/// splitmix64: small, known, and the same on every machine.
#[derive(Default)]
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn below(&mut self, bound: u32) -> u32 {
        (self.next() % u64::from(bound.max(1))) as u32
    }

    fn coin(&mut self) -> bool {
        self.next() & 1 == 1
    }
}

/// What was made so far.
#[derive(Default)]
struct Made {
    random: Random,
    /// A number for everything that is made once.
    numbers: u32,
    /// Tasks that end, whose ending nobody has asked for.
    ending: Vec<u32>,
    endless: Vec<u32>,
    tasks: u32,
    releases: u32,
    artifacts: Vec<u32>,
}

impl Made {
    fn number(&mut self) -> u32 {
        self.numbers += 1;
        self.numbers
    }

    fn step(&mut self) -> Step {
        match self.random.below(100) {
            0..=7 => Step::Log { bytes: 1 + self.random.below(300) },
            8..=10 => Step::Now,
            11..=13 => Step::Random { bytes: self.random.below(200) },
            14..=17 => Step::Fact { which: self.random.below(8) },
            18..=19 => Step::IsCancelled,
            20..=22 => self.pause(),
            23..=24 => Step::Measure { number: self.random.below(1000) },
            25 => Step::Annotation { number: self.random.below(1000) },
            26..=31 => Step::Write { file: self.random.below(8), bytes: self.random.below(6000) },
            32..=35 => Step::Read { file: self.random.below(8) },
            36 => Step::Find,
            37 => Step::Remove { file: self.random.below(8) },
            38..=42 => Step::Get { page: self.random.below(50) },
            43..=48 => Step::Put { number: self.number() },
            49..=54 => Step::Post { number: self.number() },
            55..=67 => self.task(),
            68..=80 => self.image(),
            81..=87 => self.release(),
            88 => Step::Ask { number: self.number() },
            89..=91 => Step::Source { commits: self.random.coin() },
            92..=98 => self.artifact(),
            _ => Step::Cluster,
        }
    }

    /// Most are short; some are long enough to leave memory.
    fn pause(&mut self) -> Step {
        let long = self.random.below(5) == 0;
        Step::Sleep { milliseconds: if long { 30_000 } else { self.random.below(40) } }
    }

    fn task(&mut self) -> Step {
        let which = self.random.below(8);
        if which < 3 || self.tasks == 0 {
            let (task, endless) = (self.tasks, self.random.below(4) == 0);
            self.tasks += 1;
            if endless { &mut self.endless } else { &mut self.ending }.push(task);
            return Step::Start { task, endless };
        }
        match (which, self.ending.pop()) {
            (3..=4, Some(task)) => Step::Wait { task },
            (5, Some(task)) => {
                let tasks = [task].into_iter().chain(self.endless.clone()).collect();
                self.ending.push(task);
                Step::WaitAny { tasks }
            }
            (6, ending) => {
                self.ending.extend(ending);
                match self.endless.pop() {
                    Some(task) => {
                        self.ending.push(task);
                        Step::Cancel { task }
                    }
                    None => Step::Cancel { task: self.random.below(self.tasks) },
                }
            }
            (_, ending) => {
                self.ending.extend(ending);
                Step::Collected { task: self.random.below(self.tasks) }
            }
        }
    }

    fn image(&mut self) -> Step {
        match self.random.below(9) {
            0 => Step::Look { word: Word::Find },
            1 => Step::Look { word: Word::Tags },
            2 => Step::Look { word: Word::Manifest },
            3 => Step::Look { word: Word::Facts },
            4 => Step::Push { number: self.number() },
            5 => Step::Copy,
            which => Step::Tag { number: self.number(), moving: which == 6 },
        }
    }

    fn release(&mut self) -> Step {
        match self.random.below(4) {
            0 => Step::Releases,
            1 if self.releases > 0 => {
                Step::Judge { release: self.random.below(self.releases), good: self.random.coin() }
            }
            _ => {
                self.releases += 1;
                Step::Release { number: self.releases - 1 }
            }
        }
    }

    fn artifact(&mut self) -> Step {
        let number = self.number();
        match self.random.below(6) {
            0 if !self.artifacts.is_empty() => {
                let which = self.random.below(self.artifacts.len() as u32);
                Step::Restore { number: self.artifacts[which as usize] }
            }
            1 => Step::Save { number, layer: self.random.coin() },
            _ => {
                self.artifacts.push(number);
                Step::Store { number, bytes: self.random.below(9000) }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_is_its_steps() {
        assert_eq!(steps(7, 200), steps(7, 200));
        assert_ne!(steps(7, 200), steps(8, 200));
        assert_eq!(steps(7, 300)[..200], steps(7, 200));
    }

    #[test]
    fn every_kind_of_step_is_made() {
        let kinds: std::collections::BTreeSet<_> = (0..20)
            .flat_map(|seed| steps(seed, 200))
            .map(|step| format!("{step:?}").split([' ', '{']).next().map(str::to_owned))
            .collect();
        assert_eq!(kinds.len(), 33, "{kinds:?}");
    }
}
