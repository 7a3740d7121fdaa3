use stageway_core::delivery::ReportState;

/// The words of a forge for the states of a commit.
pub(super) struct States {
    pub(super) pending: &'static str,
    pub(super) running: &'static str,
    pub(super) succeeded: &'static str,
    pub(super) failed: &'static str,
    pub(super) errored: &'static str,
    pub(super) cancelled: &'static str,
}

impl States {
    /// A skipped one is told as a success: not every forge has a word for it, and where one has, a required status would stay
    /// unfinished.
    pub(super) fn of(&self, state: ReportState) -> &'static str {
        match state {
            ReportState::Pending => self.pending,
            ReportState::Running => self.running,
            ReportState::Succeeded | ReportState::Skipped => self.succeeded,
            ReportState::Failed => self.failed,
            ReportState::Errored => self.errored,
            ReportState::Cancelled => self.cancelled,
        }
    }
}
