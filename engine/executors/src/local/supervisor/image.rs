//! Images, unpacked once each and laid under what a task writes.

mod layer;

use super::disk::{self, blocking};
use super::life::Outcome;
use super::table::Table;
use layer::{Form, Unpacking};
use stageway_core::call::EndingReason;
use stageway_core::digest::Digest;
use stageway_core::task::ImageRoot;
use std::fs;
use std::path::{Path, PathBuf};

/// Where the root of an image lies, unpacked on first use.
///
/// The layers are laid on each other by copying, so that no file system has to be able to do it, and the result is kept by
/// the digests of the layers.
pub(super) async fn unpacked(table: &Table, image: &ImageRoot) -> Result<PathBuf, Outcome> {
    let failed = |problem: String| {
        Outcome::never(
            EndingReason::Image,
            format!("the image {} cannot be unpacked: {problem}", image.reference),
        )
    };
    let key = Digest::of_json(&image.layers.iter().map(|(content, _)| content.digest).collect::<Vec<_>>());
    let images = table.options.state.join("images");
    let place = images.join(key.hex());
    if place.is_dir() {
        return Ok(place);
    }
    let beside = table.trash().join(format!("{}-image-{}", std::process::id(), disk::unique()));
    let unpacked = unpack(table, image, &beside).await;
    if let Err(problem) = unpacked {
        let left = beside.clone();
        let _ = blocking(move || disk::remove_all(&left)).await;
        return Err(failed(problem));
    }
    let (from, to) = (beside.clone(), place.clone());
    blocking(move || match fs::rename(&from, &to) {
        // Another task unpacked the same image in the meantime.
        Err(_) if to.is_dir() => disk::remove_all(&from),
        other => other,
    })
    .await
    .map_err(|e| failed(e.to_string()))?;
    Ok(place)
}

async fn unpack(table: &Table, image: &ImageRoot, to: &Path) -> Result<(), String> {
    let owner = table.owner;
    let root = to.to_owned();
    blocking(move || owner.folder(&root)).await.map_err(|e| e.to_string())?;
    let mut unpacking = Unpacking::new(to, owner).map_err(|e| e.to_string())?;
    for (index, (content, media_type)) in image.layers.iter().enumerate() {
        let named = |error: String| format!("layer {} ({}): {error}", index + 1, content.digest);
        let form = Form::of(media_type).map_err(named)?;
        let file = table.trash().join(format!("{}-layer-{}", std::process::id(), disk::unique()));
        table.options.blobs.copy_to(&content.digest, &file).await.map_err(|e| named(e.to_string()))?;
        let lay = move || {
            let laid = fs::File::open(&file).and_then(|layer| unpacking.lay(layer, form));
            laid.and(fs::remove_file(&file)).map(|()| unpacking)
        };
        unpacking = blocking(lay).await.map_err(|e| named(e.to_string()))?;
    }
    Ok(())
}
