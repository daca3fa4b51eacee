//! The other end: what the command line uses to ask the running NanoClaw.

use std::io;

use nanoclaw_core::{
    command::{Command, CommandError},
    problem::Trouble,
};
use serde_json::{Value, json};
use tokio::{
    io::{AsyncBufReadExt, AsyncWriteExt, BufReader, Lines},
    net::{
        UnixStream,
        unix::{OwnedReadHalf, OwnedWriteHalf},
    },
};

use crate::paths::Home;

/// A connection to the owner of a Home.
#[derive(Debug)]
pub struct Client {
    lines: Lines<BufReader<OwnedReadHalf>>,
    writing: OwnedWriteHalf,
    asked: u64,
}

impl Client {
    /// # Errors
    /// `not-running` when nobody owns the Home.
    pub async fn connect(home: &Home) -> Result<Client, CommandError> {
        let stream = UnixStream::connect(home.find_socket()).await.map_err(|error| match error.kind() {
            io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused => (&Trouble::NotRunning).into(),
            _ => internal(format!("the control socket can't be used: {error}.")),
        })?;
        let (reading, writing) = stream.into_split();
        Ok(Client { lines: BufReader::new(reading).lines(), writing, asked: 0 })
    }

    /// # Errors
    /// What the command was refused with, or `not-running` when NanoClaw ends meanwhile.
    pub async fn ask(&mut self, command: &Command) -> Result<Value, CommandError> {
        self.asked += 1;
        let mut request = serde_json::to_value(command).map_err(|error| internal(format!("{error}.")))?;
        request["id"] = json!(self.asked);
        send(&mut self.writing, &request).await?;
        while let Some(mut line) = read(&mut self.lines).await? {
            if line["id"] != request["id"] {
                continue;
            }
            return match serde_json::from_value(line["error"].take()) {
                Ok(error) => Err(error),
                Err(_) => Ok(line["ok"].take()),
            };
        }
        Err((&Trouble::NotRunning).into())
    }

    /// # Errors
    /// When NanoClaw ends meanwhile.
    pub async fn watch(mut self) -> Result<Watch, CommandError> {
        send(&mut self.writing, &json!({"command": "watch"})).await?;
        Ok(Watch { lines: self.lines, _writing: self.writing })
    }
}

/// AppStatus as it changes.
#[derive(Debug)]
pub struct Watch {
    lines: Lines<BufReader<OwnedReadHalf>>,
    /// Shutting it would end the watch.
    _writing: OwnedWriteHalf,
}

impl Watch {
    /// The newest AppStatus once it is another than the last one given; `None` when NanoClaw has ended.
    ///
    /// # Errors
    /// When the connection breaks.
    pub async fn next(&mut self) -> Result<Option<Value>, CommandError> {
        read(&mut self.lines).await
    }
}

async fn send(writing: &mut OwnedWriteHalf, request: &Value) -> Result<(), CommandError> {
    // One that has just ended may refuse the bytes: to the asker it isn't running.
    writing.write_all(format!("{request}\n").as_bytes()).await.map_err(|_| (&Trouble::NotRunning).into())
}

async fn read(lines: &mut Lines<BufReader<OwnedReadHalf>>) -> Result<Option<Value>, CommandError> {
    let line = match lines.next_line().await {
        Ok(line) => line,
        Err(error) if error.kind() == io::ErrorKind::ConnectionReset => None,
        Err(error) => return Err(internal(format!("the control socket broke: {error}."))),
    };
    line.map(|line| serde_json::from_str(&line))
        .transpose()
        .map_err(|error| internal(format!("an answer can't be read: {error}.")))
}

fn internal(reason: String) -> CommandError {
    (&Trouble::Internal { reason }).into()
}
