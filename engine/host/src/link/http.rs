use super::Refusal;
use super::handles::Secret;
use crate::bindings::stageway::host::http;
use crate::guest::{Guest, Handle};
use stageway_core::call::{Bytes, Content, Encoding, Function, HostError, Http, Request, Response, Splice};
use std::collections::BTreeMap;
use wasmtime::component::Resource;

/// Bytes of one request, everything together.
const MOST_BYTES: usize = 4 << 20;
/// Headers, splices and limits of one request, each.
const MOST_MEMBERS: usize = 128;

/// A request while a guest builds it.
pub struct RequestDraft {
    request: Request,
    bytes: usize,
    has_body: bool,
    problem: Option<String>,
}

impl Handle for RequestDraft {
    const KIND: &'static str = "request";
    const CAP: usize = 128;
}

impl RequestDraft {
    fn new(method: String, url: String) -> Self {
        let request = Request {
            method,
            url,
            headers: Vec::new(),
            body: Bytes::default(),
            secrets: Vec::new(),
            limits: BTreeMap::new(),
            repeatable: false,
        };
        let mut draft = Self { request, bytes: 0, has_body: false, problem: None };
        let bytes = draft.request.method.len() + draft.request.url.len();
        draft.takes(bytes, 0);
        draft
    }

    /// Whether there is room for more; the first thing wrong is kept for `send`.
    fn takes(&mut self, bytes: usize, members: usize) -> bool {
        self.bytes = self.bytes.saturating_add(bytes);
        if self.bytes > MOST_BYTES {
            self.blame(format!("a request has at most {MOST_BYTES} bytes"));
        }
        if members >= MOST_MEMBERS {
            self.blame(format!("a request has at most {MOST_MEMBERS} headers, secrets and limits, each"));
        }
        self.problem.is_none()
    }

    fn blame(&mut self, problem: String) {
        self.problem.get_or_insert(problem);
    }

    fn finish(self) -> Result<Request, HostError> {
        match self.problem {
            Some(problem) => Err(HostError::InvalidArgument(problem)),
            None => Ok(self.request),
        }
    }
}

/// A response that a guest holds.
pub struct Received {
    status: u16,
    headers: Vec<(String, String)>,
    body: Content,
    offset: u64,
}

impl Handle for Received {
    const KIND: &'static str = "response";
    const CAP: usize = 128;
}

impl http::Host for Guest {
    async fn send(&mut self, what: Resource<RequestDraft>) -> Result<Resource<Received>, Refusal> {
        let request = self.handles.take(what)?.finish();
        if request.is_err() {
            self.count()?;
        }
        self.handles.room::<Received>()?;
        let response: Response = self.ask(Function::Http(Http::Send(request?))).await?;
        let Response { status, headers, body } = response;
        Ok(self.handles.push(Received { status, headers, body, offset: 0 })?)
    }
}

impl http::HostRequest for Guest {
    async fn new(&mut self, method: String, url: String) -> wasmtime::Result<Resource<RequestDraft>> {
        self.count()?;
        self.handles.push(RequestDraft::new(method, url))
    }

    async fn header(
        &mut self,
        request: Resource<RequestDraft>,
        name: String,
        value: String,
    ) -> wasmtime::Result<()> {
        self.count()?;
        let draft = self.handles.get_mut(&request)?;
        if draft.takes(name.len() + value.len(), draft.request.headers.len()) {
            draft.request.headers.push((name, value));
        }
        Ok(())
    }

    async fn body(&mut self, request: Resource<RequestDraft>, bytes: Vec<u8>) -> wasmtime::Result<()> {
        self.count()?;
        let draft = self.handles.get_mut(&request)?;
        if std::mem::replace(&mut draft.has_body, true) {
            draft.blame("the body is given twice".to_owned());
        }
        if draft.takes(bytes.len(), 0) {
            draft.request.body = Bytes(bytes);
        }
        Ok(())
    }

    async fn secret(
        &mut self,
        request: Resource<RequestDraft>,
        placeholder: String,
        value: Resource<Secret>,
        encoding: String,
    ) -> wasmtime::Result<()> {
        self.count()?;
        let secret = self.handles.get(&value)?.name.clone();
        let draft = self.handles.get_mut(&request)?;
        if draft.request.secrets.iter().any(|splice| splice.placeholder == placeholder) {
            draft.blame(format!("the placeholder `{placeholder}` is given twice"));
        }
        if draft.takes(placeholder.len() + secret.len() + encoding.len(), draft.request.secrets.len()) {
            let encoding = read_encoding(encoding);
            draft.request.secrets.push(Splice { placeholder, secret, encoding });
        }
        Ok(())
    }

    async fn limit(
        &mut self,
        request: Resource<RequestDraft>,
        name: String,
        value: u32,
    ) -> wasmtime::Result<()> {
        self.count()?;
        let draft = self.handles.get_mut(&request)?;
        if draft.request.limits.contains_key(&name) {
            draft.blame(format!("the limit `{name}` is given twice"));
        }
        if draft.takes(name.len(), draft.request.limits.len()) {
            draft.request.limits.insert(name, value);
        }
        Ok(())
    }

    async fn repeatable(&mut self, request: Resource<RequestDraft>) -> wasmtime::Result<()> {
        self.count()?;
        self.handles.get_mut(&request)?.request.repeatable = true;
        Ok(())
    }

    async fn drop(&mut self, request: Resource<RequestDraft>) -> wasmtime::Result<()> {
        self.handles.take(request).map(drop)
    }
}

impl http::HostResponse for Guest {
    async fn status(&mut self, response: Resource<Received>) -> wasmtime::Result<u16> {
        self.count()?;
        Ok(self.handles.get(&response)?.status)
    }

    async fn header(&mut self, response: Resource<Received>, name: String) -> wasmtime::Result<Vec<String>> {
        self.count()?;
        let headers = &self.handles.get(&response)?.headers;
        let of_name = headers.iter().filter(|(known, _)| known.eq_ignore_ascii_case(&name));
        Ok(of_name.map(|(_, value)| value.clone()).collect())
    }

    async fn read(&mut self, response: Resource<Received>, max: u32) -> Result<Vec<u8>, Refusal> {
        let Received { body, offset, .. } = *self.handles.get(&response)?;
        let bytes = self.piece(body, offset, max).await?;
        self.handles.get_mut(&response)?.offset += bytes.len() as u64;
        Ok(bytes)
    }

    async fn drop(&mut self, response: Resource<Received>) -> wasmtime::Result<()> {
        self.handles.take(response).map(drop)
    }
}

fn read_encoding(word: String) -> Encoding {
    match word.as_str() {
        "raw" => Encoding::Raw,
        "base64" => Encoding::Base64,
        "url" => Encoding::Url,
        _ => Encoding::Unknown(word),
    }
}
