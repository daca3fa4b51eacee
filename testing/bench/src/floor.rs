//! B1's floor: what the engine alone takes to bring up such a container, to its first byte.

use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use bollard::{
    Docker,
    models::{ContainerCreateBody, HostConfig},
    query_parameters::{AttachContainerOptionsBuilder, CreateContainerOptions},
};
use futures_util::StreamExt;
use serde_json::Value;

/// Creates, attaches and starts a container like the one inspected – same image, user, mounts and limits – that writes a
/// byte at once.
pub async fn first_byte(inspected: &Value) -> Result<Duration> {
    let docker = Docker::connect_with_defaults()?;
    let host_config: HostConfig = serde_json::from_value(inspected["HostConfig"].clone())?;
    let text = |value: &Value| value.as_str().map(str::to_owned);
    let body = ContainerCreateBody {
        image: text(&inspected["Config"]["Image"]),
        user: text(&inspected["Config"]["User"]),
        entrypoint: Some(vec!["/bin/echo".to_owned()]),
        attach_stdin: Some(true),
        attach_stdout: Some(true),
        attach_stderr: Some(true),
        open_stdin: Some(true),
        host_config: Some(host_config),
        ..Default::default()
    };
    let began = Instant::now();
    let id = docker.create_container(None::<CreateContainerOptions>, body).await?.id;
    let options = AttachContainerOptionsBuilder::new().stdin(true).stdout(true).stderr(true).stream(true).build();
    let mut attached = docker.attach_container(&id, Some(options)).await?;
    docker.start_container(&id, None).await?;
    attached.output.next().await.context("it wrote nothing")??;
    Ok(began.elapsed())
}
