//! Tasks on a cluster: its nodes pull the images, and its operator lists identities.

use crate::world::World;
use serde_json::json;
use stageway_core::call::{Command, Function, Tasks};
use stageway_core::run::RunStatus;
use stageway_core::task::{Root, TaskSpec};
use stageway_ports::Blobs;
use stageway_ports::contract::registry::{push, sample};
use stageway_ports::memory::{MemoryBlobs, TaskScript};
use std::sync::{Arc, Mutex};

#[tokio::test(start_paused = true)]
async fn an_image_is_resolved_and_not_brought_here_and_an_identity_goes_along() {
    for on_a_cluster in [true, false] {
        let seen = Arc::new(Mutex::new(None));
        let sees = seen.clone();
        let mut world = World::with_tasks(move |spec| {
            *sees.lock().unwrap() = Some(spec.clone());
            TaskScript::exits(0)
        });
        if on_a_cluster {
            world.executor = world.executor.clone().of_a_cluster(&["deployer"]);
        }
        let elsewhere = MemoryBlobs::new();
        let image = sample(&elsewhere, "a").await;
        push(&*world.registry, "app", &elsewhere, &image).await;
        let reference = format!("reg/app@{}", image.digest);
        let named = reference.clone();
        let stage = world.stage("build", move |mut host| {
            let identity = on_a_cluster.then(|| "deployer".to_owned());
            let command = Command { image: Some(named.clone()), identity, ..Command::default() };
            Box::pin(async move {
                let start = Tasks::Start { name: "build".into(), command: Box::new(command) };
                host.value(Function::Tasks(start)).await?;
                host.value(Function::Tasks(Tasks::Wait { task: 1 })).await?;
                Ok(json!({}))
            })
        });
        let run = world.create("image", [stage]).await;
        assert_eq!(world.drive(&run).await, RunStatus::Succeeded);
        let spec: TaskSpec = seen.lock().unwrap().take().unwrap();
        let [config, layer] = &image.blobs[..] else { panic!("a configuration and a layer") };
        assert!(world.blobs.size(&config.digest).await.unwrap().is_some());
        assert_eq!(world.blobs.size(&layer.digest).await.unwrap().is_none(), on_a_cluster);
        let Root::Image(root) = spec.process.root else { panic!("{:?}", spec.process.root) };
        assert_eq!((root.reference, root.layers[0].0), (reference, *layer));
        assert_eq!(spec.identity.is_some(), on_a_cluster);
    }
}
