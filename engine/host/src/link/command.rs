//! The builder of commands. What is wrong is written down and said by `start`.

use super::handles::Secret;
use super::json;
use crate::bindings::stageway::host::tasks;
use crate::guest::{Guest, Handle};
use stageway_core::call::{Bytes, Command, Mount, RegistryLogin, Service};
use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use wasmtime::component::Resource;

/// Bytes of one command with its files, everything together.
const MOST_BYTES: usize = 8 << 20;
/// Members of one command.
const MOST_MEMBERS: usize = 4096;
/// Problems that are kept.
const MOST_PROBLEMS: usize = 16;

/// A command while a guest builds it.
pub struct CommandDraft {
    command: Command,
    bytes: usize,
    members: usize,
}

impl Handle for CommandDraft {
    const KIND: &'static str = "command";
    const CAP: usize = 256;
}

impl CommandDraft {
    fn new(arguments: Vec<String>) -> Self {
        let bytes = arguments.iter().map(String::len).sum();
        let mut draft = Self { command: Command::default(), bytes: 0, members: arguments.len() };
        if draft.takes(bytes) {
            draft.command.arguments = arguments;
        }
        draft
    }

    pub(super) fn finish(self) -> Command {
        self.command
    }

    /// Whether there is room for a member more.
    fn takes(&mut self, bytes: usize) -> bool {
        self.bytes = self.bytes.saturating_add(bytes);
        self.members = self.members.saturating_add(1);
        if self.bytes > MOST_BYTES {
            self.blame(format!("a command has at most {MOST_BYTES} bytes, its files included"));
        } else if self.members > MOST_MEMBERS {
            self.blame(format!("a command has at most {MOST_MEMBERS} members"));
        } else {
            return true;
        }
        false
    }

    fn blame(&mut self, problem: String) {
        let problems = &mut self.command.problems;
        if problems.len() < MOST_PROBLEMS && !problems.contains(&problem) {
            problems.push(problem);
        }
    }

    /// Sets a member that a command has once.
    fn set<T>(
        &mut self,
        what: &str,
        bytes: usize,
        value: T,
        member: impl Fn(&mut Command) -> &mut Option<T>,
    ) {
        if !self.takes(bytes) {
            return;
        }
        if member(&mut self.command).replace(value).is_some() {
            self.blame(format!("the {what} is given twice"));
        }
    }

    /// Adds a member that a command has once per name.
    fn add<T>(
        &mut self,
        what: &str,
        bytes: usize,
        (name, value): (String, T),
        members: impl Fn(&mut Command) -> &mut BTreeMap<String, T>,
    ) {
        if !self.takes(bytes.saturating_add(name.len())) {
            return;
        }
        match members(&mut self.command).entry(name) {
            Entry::Vacant(place) => {
                place.insert(value);
            }
            Entry::Occupied(place) => {
                let problem = format!("the {what} `{}` is given twice", place.key());
                self.blame(problem);
            }
        }
    }

    /// Adds a container beside the task, with what is wrong with it.
    fn add_service(&mut self, name: String, service: CommandDraft, ready: &str) {
        self.members = self.members.saturating_add(service.members);
        let bytes = service.bytes.saturating_add(name.len()).saturating_add(ready.len());
        let mut command = service.command;
        for problem in std::mem::take(&mut command.problems) {
            self.blame(format!("service `{name}`: {problem}"));
        }
        if !command.services.is_empty() {
            self.blame(format!("service `{name}`: a service has no services of its own"));
            return;
        }
        if self.command.services.iter().any(|known| known.name == name) {
            self.blame(format!("the service `{name}` is given twice"));
            return;
        }
        if !self.takes(bytes) {
            return;
        }
        match json("ready", ready) {
            Ok(ready) => self.command.services.push(Service { name, command, ready }),
            Err(error) => self.blame(format!("service `{name}`: {error}")),
        }
    }
}

impl Guest {
    /// The draft behind a handle, for one member more.
    fn draft(&mut self, command: &Resource<CommandDraft>) -> wasmtime::Result<&mut CommandDraft> {
        self.count()?;
        self.handles.get_mut(command)
    }

    fn secret_name(&self, secret: &Resource<Secret>) -> wasmtime::Result<String> {
        Ok(self.handles.get(secret)?.name.clone())
    }
}

type Draft = Resource<CommandDraft>;
type Done = wasmtime::Result<()>;

impl tasks::HostCommand for Guest {
    async fn new(&mut self, arguments: Vec<String>) -> wasmtime::Result<Draft> {
        self.count()?;
        self.handles.push(CommandDraft::new(arguments))
    }

    async fn image(&mut self, command: Draft, reference: String) -> Done {
        self.draft(&command)?.set("image", reference.len(), reference, |command| &mut command.image);
        Ok(())
    }

    async fn directory(&mut self, command: Draft, path: String) -> Done {
        self.draft(&command)?.set("directory", path.len(), path, |command| &mut command.directory);
        Ok(())
    }

    async fn variable(&mut self, command: Draft, name: String, value: String) -> Done {
        let draft = self.draft(&command)?;
        draft.add("variable", value.len(), (name, value), |command| &mut command.variables);
        Ok(())
    }

    async fn secret_variable(&mut self, command: Draft, name: String, value: Resource<Secret>) -> Done {
        let secret = self.secret_name(&value)?;
        let draft = self.draft(&command)?;
        draft.add("variable", secret.len(), (name, secret), |command| &mut command.secret_variables);
        Ok(())
    }

    async fn file(&mut self, command: Draft, path: String, contents: Vec<u8>) -> Done {
        let draft = self.draft(&command)?;
        draft.add("file", contents.len(), (path, Bytes(contents)), |command| &mut command.files);
        Ok(())
    }

    async fn secret_file(&mut self, command: Draft, path: String, value: Resource<Secret>) -> Done {
        let secret = self.secret_name(&value)?;
        let draft = self.draft(&command)?;
        draft.add("file", secret.len(), (path, secret), |command| &mut command.secret_files);
        Ok(())
    }

    async fn registry_login(
        &mut self,
        command: Draft,
        path: String,
        repository: String,
        actions: Vec<String>,
    ) -> Done {
        let draft = self.draft(&command)?;
        let bytes = path.len() + repository.len() + actions.iter().map(String::len).sum::<usize>();
        draft.members = draft.members.saturating_add(actions.len());
        if draft.takes(bytes) {
            draft.command.registry_logins.push(RegistryLogin { path, repository, actions });
        }
        Ok(())
    }

    async fn identity(&mut self, command: Draft, name: String) -> Done {
        self.draft(&command)?.set("identity", name.len(), name, |command| &mut command.identity);
        Ok(())
    }

    async fn workspace(&mut self, command: Draft, path: String, writable: bool) -> Done {
        let draft = self.draft(&command)?;
        draft.set("workspace", path.len(), Mount { path, writable }, |command| &mut command.workspace);
        Ok(())
    }

    async fn cache(&mut self, command: Draft, name: String, path: String) -> Done {
        self.draft(&command)?.add("cache", path.len(), (name, path), |command| &mut command.caches);
        Ok(())
    }

    async fn service(&mut self, command: Draft, name: String, what: Draft, ready: String) -> Done {
        let service = self.handles.take(what)?;
        self.draft(&command)?.add_service(name, service, &ready);
        Ok(())
    }

    async fn limit(&mut self, command: Draft, name: String, value: u32) -> Done {
        self.draft(&command)?.add("limit", 0, (name, value), |command| &mut command.limits);
        Ok(())
    }

    async fn message_file(&mut self, command: Draft, path: String) -> Done {
        let draft = self.draft(&command)?;
        draft.set("message file", path.len(), path, |command| &mut command.message_file);
        Ok(())
    }

    async fn collect(&mut self, command: Draft, name: String, path: String) -> Done {
        let draft = self.draft(&command)?;
        draft.add("collected name", path.len(), (name, path), |command| &mut command.collect);
        Ok(())
    }

    async fn drop(&mut self, command: Draft) -> Done {
        self.handles.take(command).map(drop)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_given_twice_is_a_problem_and_the_first_stays() {
        let mut draft = CommandDraft::new(vec!["true".into()]);
        draft.add("variable", 1, ("A".into(), "1".to_owned()), |command| &mut command.variables);
        draft.add("variable", 1, ("A".into(), "2".to_owned()), |command| &mut command.variables);
        assert_eq!(draft.command.variables["A"], "1");
        assert_eq!(draft.finish().problems, ["the variable `A` is given twice"]);
    }

    #[test]
    fn services_do_not_nest_and_hand_up_their_problems() {
        let mut inner = CommandDraft::new(vec![]);
        inner.add_service("a".into(), CommandDraft::new(vec![]), "{}");
        let mut outer = CommandDraft::new(vec![]);
        outer.add_service("db".into(), inner, "{}");
        outer.add_service("web".into(), CommandDraft::new(vec![]), "{");
        let command = outer.finish();
        assert!(command.services.is_empty());
        assert_eq!(command.problems.len(), 2, "{:?}", command.problems);
        assert!(command.problems[0].starts_with("service `db`: a service has no services"));
        assert!(command.problems[1].starts_with("service `web`: invalid argument: `ready` is not JSON"));
    }

    #[test]
    fn a_command_does_not_grow_without_end() {
        let mut draft = CommandDraft::new(vec![]);
        for at in 0..20 {
            let file = (format!("/{at}"), Bytes(vec![0; 1 << 20]));
            draft.add("file", 1 << 20, file, |command| &mut command.files);
        }
        assert!(draft.command.files.len() < 9);
        assert_eq!(draft.command.problems.len(), 1);
    }
}
