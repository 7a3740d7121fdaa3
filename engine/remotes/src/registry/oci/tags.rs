use super::OciRegistry;
use super::auth;
use super::call::{Call, Fetched};
use super::failure::Failure;
use reqwest::header::{HeaderMap, LINK};
use reqwest::{Method, Url};
use serde::Deserialize;
use stageway_core::image::{RepositoryPath, TagName};
use stageway_ports::RegistryError;

const MAX_PAGE: usize = 16 << 20;
const MAX_PAGES: usize = 200;

#[derive(Deserialize)]
struct Page {
    tags: Option<Vec<String>>,
}

impl OciRegistry {
    /// Tags in order, after one. Registries should answer in order and from `last` on, and not all do: what is answered
    /// out of order is read to its end and sorted.
    pub(super) async fn list_tags(
        &self,
        repository: &RepositoryPath,
        after: Option<&str>,
        max: usize,
    ) -> Result<Vec<String>, RegistryError> {
        let mut url = self.url(&format!("{repository}/tags/list"));
        url.query_pairs_mut().append_pair("n", &max.clamp(1, 1_000).to_string());
        if let Some(after) = after {
            url.query_pairs_mut().append_pair("last", after);
        }
        let mut tags: Vec<String> = Vec::new();
        let mut next = Some(url);
        for _ in 0..MAX_PAGES {
            let Some(url) = next else { break };
            let (page, following) = self.page(repository, url).await?;
            let wanted = page.into_iter().filter(|tag| after.is_none_or(|after| tag.as_str() > after));
            tags.extend(wanted.filter(|tag| tag.parse::<TagName>().is_ok()));
            if tags.len() >= max && tags.is_sorted() {
                break;
            }
            next = following;
        }
        tags.sort();
        tags.dedup();
        tags.truncate(max);
        Ok(tags)
    }

    async fn page(
        &self,
        repository: &RepositoryPath,
        url: Url,
    ) -> Result<(Vec<String>, Option<Url>), RegistryError> {
        let what = format!("the tags of {repository}");
        let call = Call::new(Method::GET, url, auth::pull(repository.as_str()), what);
        let (headers, body) = match self.fetch(&call, MAX_PAGE).await? {
            Fetched::Whole(headers, body) => (headers, body),
            Fetched::Other(response) => return Err(Failure::of(response, &call.what).await.into()),
        };
        let next = next(&call.url, &headers);
        let malformed = |error: serde_json::Error| RegistryError::Corrupt(format!("{}: {error}", call.what));
        let page: Page = serde_json::from_slice(&body).map_err(malformed)?;
        Ok((page.tags.unwrap_or_default(), next))
    }
}

/// The page that follows, if it is the same registry's.
fn next(from: &Url, headers: &HeaderMap) -> Option<Url> {
    let link = headers.get(LINK)?.to_str().ok()?;
    let (target, parameters) = link.strip_prefix('<')?.split_once('>')?;
    let is_next = parameters.contains("rel=\"next\"") || parameters.contains("rel=next");
    let url = from.join(target).ok().filter(|url| is_next && url.origin() == from.origin())?;
    (url != *from).then_some(url)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_next_page_stays_at_the_registry() {
        let from = Url::parse("https://r.example/v2/a/tags/list?n=2").unwrap();
        let of = |link: &str| {
            let headers = HeaderMap::from_iter([(LINK, link.parse().unwrap())]);
            next(&from, &headers).map(|url| url.to_string())
        };
        let page = "https://r.example/v2/a/tags/list?n=2&last=b";
        assert_eq!(of("</v2/a/tags/list?n=2&last=b>; rel=\"next\"").as_deref(), Some(page));
        assert_eq!(of(&format!("<{page}>; rel=next")).as_deref(), Some(page));
        for bad in
            ["<https://evil.example/>; rel=\"next\"", "</x>; rel=\"prev\"", "/x", "<?n=2>; rel=\"next\""]
        {
            assert_eq!(of(bad), None, "{bad}");
        }
    }
}
