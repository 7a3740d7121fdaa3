use tokio::sync::Notify;

/// How the parts of a server wake each other, so that none has to look around for work.
#[derive(Debug, Default)]
pub struct Wake {
    /// A delivery was stored.
    pub intake: Notify,
    /// A run was admitted, or something about one is different.
    pub scheduler: Notify,
    /// There is something to tell a forge.
    pub reporter: Notify,
    /// A run has ended.
    pub follower: Notify,
    /// The default branch of a repository has another head.
    pub timetable: Notify,
}
